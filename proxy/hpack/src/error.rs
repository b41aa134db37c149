//! What is wrong with a header block.

use std::fmt;

/// A decoding error (RFC 7541, 2.2): the compression state is lost, which ends an HTTP/2 connection with
/// COMPRESSION_ERROR (RFC 9113, 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The block ends inside a field.
    Truncated,
    /// An integer is longer or larger than any that is needed (RFC 7541, 5.1).
    IntegerOverflow,
    /// Index 0, or beyond both tables (RFC 7541, 2.3.3 and 6.1).
    InvalidIndex,
    /// A Huffman-coded string contains EOS, or its padding is not the start of EOS or is longer than 7 bits
    /// (RFC 7541, 5.2).
    InvalidHuffman,
    /// A table size update after a field (RFC 7541, 4.2).
    MisplacedSizeUpdate,
    /// A table size update beyond the size we announced (RFC 7541, 6.3).
    ExcessiveSizeUpdate,
    /// The table size we announced shrank and the next block did not start by saying so (RFC 7541, 4.2).
    MissingSizeUpdate,
}

impl Error {
    /// What is wrong, for logs.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Error::Truncated => "header block ends inside a field",
            Error::IntegerOverflow => "integer in header block too large",
            Error::InvalidIndex => "header block refers to no table entry",
            Error::InvalidHuffman => "bad Huffman coding in header block",
            Error::MisplacedSizeUpdate => "table size update after a field",
            Error::ExcessiveSizeUpdate => "table size update beyond the announced size",
            Error::MissingSizeUpdate => "table size was reduced and not acknowledged",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Error {}
