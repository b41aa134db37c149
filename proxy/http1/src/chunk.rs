//! The chunked coding (RFC 9112, 7.1), read byte by byte: nothing of it is kept.

use crate::Error;

/// Where in the coding the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the size, or before its first digit.
    Size,
    /// In white space after the size, which RFC 9112, 7.1.1 calls bad and lets pass.
    Space,
    /// In the extensions.
    Extension,
    /// At the LF after the size line's CR.
    SizeEnd,
    /// In the data.
    Data,
    /// At the CR after the data.
    DataReturn,
    /// At the LF after the data.
    DataEnd,
}

/// A chunked content being read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunks {
    place: Place,
    /// The size as far as read, then the data still to come, in bytes.
    size: u64,
    /// Bytes of the size line so far.
    line: usize,
}

/// What [`Chunks::next`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<'i> {
    /// A piece of data.
    Data(&'i [u8]),
    /// The last chunk's line is over; the trailer section follows.
    Last,
    /// The input is used up.
    More,
}

impl Chunks {
    pub(crate) fn new() -> Self {
        Chunks {
            place: Place::Size,
            size: 0,
            line: 0,
        }
    }

    pub(crate) fn next<'i>(
        &mut self,
        input: &mut &'i [u8],
        max_line: usize,
    ) -> Result<Step<'i>, Error> {
        while let Some((b, rest)) = input.split_first() {
            if self.place == Place::Data {
                let n = usize::try_from(self.size)
                    .unwrap_or(usize::MAX)
                    .min(input.len());
                let (data, rest) = input.split_at_checked(n).ok_or(Error::Chunk)?;
                *input = rest;
                self.size -= n as u64;
                if self.size == 0 {
                    self.place = Place::DataReturn;
                }
                return Ok(Step::Data(data));
            }
            *input = rest;
            if self.read(*b, max_line)? {
                return Ok(Step::Last);
            }
        }
        Ok(Step::More)
    }

    /// Reads a byte that is not data; says whether it ended the last chunk's line.
    fn read(&mut self, b: u8, max_line: usize) -> Result<bool, Error> {
        if matches!(self.place, Place::Size | Place::Space | Place::Extension) {
            self.line += 1;
            if self.line > max_line {
                return Err(Error::Chunk);
            }
        }
        self.place = match (self.place, b) {
            (Place::Size, _) if b.is_ascii_hexdigit() => {
                let digit = char::from(b).to_digit(16).map_or(0, u64::from);
                self.size = self.size.checked_mul(16).ok_or(Error::Chunk)? + digit;
                Place::Size
            }
            (Place::Size, _) if self.line == 1 => return Err(Error::Chunk),
            (Place::Size | Place::Space | Place::Extension, b'\r') => Place::SizeEnd,
            (Place::Size | Place::Space, b' ' | b'\t') => Place::Space,
            (Place::Size | Place::Space, b';') => Place::Extension,
            (Place::Extension, b'\t' | b' '..=b'~' | 0x80..) => Place::Extension,
            (Place::SizeEnd, b'\n') if self.size == 0 => return Ok(true),
            (Place::SizeEnd, b'\n') => Place::Data,
            (Place::DataReturn, b'\r') => Place::DataEnd,
            (Place::DataEnd, b'\n') => {
                *self = Chunks::new();
                Place::Size
            }
            _ => return Err(Error::Chunk),
        };
        Ok(false)
    }
}
