//! Encoding of header blocks.

use headers::{Field, Headers};

use crate::{DEFAULT_TABLE_SIZE, huffman, integer, static_table};

/// One direction's encoding state: it uses no dynamic table.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    huffman: bool,
    /// The peer's decoder may still keep a table of the default size.
    table_is_empty: bool,
    /// The next block must say that the table is empty.
    update_due: bool,
}

impl Encoder {
    /// An encoder that leaves strings as they are.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An encoder that codes each string by Huffman where that is shorter.
    #[must_use]
    pub fn with_huffman() -> Self {
        Encoder {
            huffman: true,
            ..Self::default()
        }
    }

    /// The peer's SETTINGS_HEADER_TABLE_SIZE. One below the default asks for a size update (RFC 7541, 4.2), which the
    /// next block starts with: to 0, so that no other is ever needed.
    pub fn set_peer_table_size(&mut self, size: usize) {
        if size < DEFAULT_TABLE_SIZE && !self.table_is_empty {
            self.update_due = true;
        }
    }

    /// Appends the block of a list.
    pub fn encode(&mut self, headers: &Headers, out: &mut Vec<u8>) {
        self.begin(out);
        for field in headers.iter() {
            self.encode_field(&field, out);
        }
    }

    /// Appends what a block must start with. Fields follow by [`Encoder::encode_field`].
    #[inline]
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        if self.update_due {
            self.update_due = false;
            self.table_is_empty = true;
            integer::encode(0, 5, 0x20, out);
        }
    }

    /// Appends one field of a block that was begun.
    #[inline]
    pub fn encode_field(&self, field: &Field<'_>, out: &mut Vec<u8>) {
        let value = field.value;
        let prefix = field.known.and_then(static_table::prefix);
        match (prefix, u8::try_from(value.len())) {
            // The usual field: a name whose form on the wire is known, and a short value that is left as it is.
            (Some(prefix), Ok(len @ ..0x7f)) if !field.sensitive && !self.huffman => {
                match static_table::find(field) {
                    Some(index) => out.push(0x80 | index),
                    None => {
                        out.extend_from_slice(prefix);
                        out.push(len);
                        out.extend_from_slice(value);
                    }
                }
            }
            _ => self.encode_any(field, out),
        }
    }

    /// Appends a field of any shape.
    fn encode_any(&self, field: &Field<'_>, out: &mut Vec<u8>) {
        if !field.sensitive
            && let Some(index) = static_table::find(field)
        {
            out.push(0x80 | index);
            return;
        }
        let pattern = if field.sensitive { 0x10 } else { 0x00 };
        let name = static_table::find_name(field);
        integer::encode(usize::from(name), 4, pattern, out);
        if name == 0 {
            self.string(field.name, out);
        }
        self.string(field.value, out);
    }

    #[inline]
    fn string(&self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.huffman {
            let coded = huffman::encoded_len(bytes);
            if coded < bytes.len() {
                integer::encode(coded, 7, 0x80, out);
                huffman::encode(bytes, out);
                return;
            }
        }
        integer::encode(bytes.len(), 7, 0x00, out);
        out.extend_from_slice(bytes);
    }
}
