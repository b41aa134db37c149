//! HTTP/2 frames (RFC 9113, 4.1) without any rule of the protocol: a client or server made of them may be as odd as a
//! test wants.

use headers::Headers;
use hpack::{Decoder, Limits};

/// Frame types (RFC 9113, 6).
pub mod kind {
    /// DATA.
    pub const DATA: u8 = 0;
    /// HEADERS.
    pub const HEADERS: u8 = 1;
    /// PRIORITY.
    pub const PRIORITY: u8 = 2;
    /// RST_STREAM.
    pub const RST_STREAM: u8 = 3;
    /// SETTINGS.
    pub const SETTINGS: u8 = 4;
    /// PING.
    pub const PING: u8 = 6;
    /// GOAWAY.
    pub const GOAWAY: u8 = 7;
    /// WINDOW_UPDATE.
    pub const WINDOW_UPDATE: u8 = 8;
    /// CONTINUATION.
    pub const CONTINUATION: u8 = 9;
}

/// END_STREAM of DATA and HEADERS.
pub const END_STREAM: u8 = 1;
/// ACK of SETTINGS and PING.
pub const ACK: u8 = 1;
/// END_HEADERS of HEADERS and CONTINUATION.
pub const END_HEADERS: u8 = 4;
/// PADDED of DATA and HEADERS.
pub const PADDED: u8 = 8;
/// PRIORITY of HEADERS.
pub const PRIORITY: u8 = 0x20;

/// What a client says first (RFC 9113, 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream, 0 for the connection.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame.
    #[must_use]
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            flags,
            stream,
            payload: payload.into(),
        }
    }

    /// Whether a flag is set.
    #[must_use]
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// As on the wire. The length field holds 24 bits: of a longer payload the wire tells the rest of the division.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        let [_, a, b, c] = length.to_be_bytes();
        let mut bytes = vec![a, b, c, self.kind, self.flags];
        bytes.extend_from_slice(&self.stream.to_be_bytes());
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// Takes a whole frame off the front of `buffer`, if there is one.
    pub fn take(buffer: &mut Vec<u8>) -> Option<Self> {
        let &[a, b, c, kind, flags, s0, s1, s2, s3] = buffer.first_chunk::<9>()?;
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
        let payload = buffer.get(9..9 + length)?.to_vec();
        buffer.drain(..9 + length);
        let stream = u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]);
        Some(Self {
            kind,
            flags,
            stream,
            payload,
        })
    }

    /// The payload without padding (RFC 9113, 6.1) and priority (6.2).
    #[must_use]
    pub fn content(&self) -> &[u8] {
        let mut content = self.payload.as_slice();
        if self.has(PADDED)
            && let Some((&padding, rest)) = content.split_first()
        {
            content = rest
                .get(..rest.len().saturating_sub(usize::from(padding)))
                .unwrap_or_default();
        }
        if self.kind == kind::HEADERS && self.has(PRIORITY) {
            content = content.get(5..).unwrap_or_default();
        }
        content
    }
}

/// SETTINGS with these parameters.
#[must_use]
pub fn settings(parameters: &[(u16, u32)]) -> Frame {
    let mut payload = Vec::new();
    for (name, value) in parameters {
        payload.extend_from_slice(&name.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    Frame::new(kind::SETTINGS, 0, 0, payload)
}

/// A header block of literals that use no table (RFC 7541, 6.2.2), so any bytes can be said. Strings above 126 bytes
/// take the integer's second form (5.1).
#[must_use]
pub fn block(fields: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        string(name.as_ref(), &mut block);
        string(value.as_ref(), &mut block);
    }
    block
}

fn string(text: &[u8], block: &mut Vec<u8>) {
    let mut length = text.len();
    if let Ok(short @ 0..=126) = u8::try_from(length) {
        block.push(short);
    } else {
        block.push(0x7f);
        length -= 0x7f;
        while length >= 0x80 {
            block.push(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
            length >>= 7;
        }
        block.push(u8::try_from(length).unwrap_or(0));
    }
    block.extend_from_slice(text);
}

/// The fields of a block, `None` for one that cannot be read.
pub fn fields(decoder: &mut Decoder, block: &[u8]) -> Option<Vec<(String, String)>> {
    let mut list = Headers::new();
    let limits = Limits {
        max_list_size: 1 << 20,
        max_fields: 1 << 12,
    };
    decoder.decode(block, &mut list, limits).ok()?;
    let text = |bytes: &[u8]| bytes.iter().map(|&b| char::from(b)).collect::<String>();
    Some(
        list.iter()
            .map(|field| (text(field.name), text(field.value)))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written_and_a_part_of_one_stays() {
        let frame = Frame::new(kind::DATA, END_STREAM, 5, *b"abc");
        let mut wire = frame.bytes();
        wire.extend_from_slice(&[0, 0]);
        assert_eq!(Frame::take(&mut wire), Some(frame));
        assert_eq!(Frame::take(&mut wire), None);
        assert_eq!(wire, [0, 0]);
    }

    #[test]
    fn padding_and_priority_are_not_content() {
        let padded = Frame::new(kind::DATA, PADDED, 1, *b"\x02abc\0\0");
        assert_eq!(padded.content(), b"abc");
        let both = Frame::new(
            kind::HEADERS,
            PADDED | PRIORITY,
            1,
            *b"\x01\0\0\0\0\x0fab\0",
        );
        assert_eq!(both.content(), b"ab");
    }

    #[test]
    fn fields_of_any_length_survive_a_block() {
        let long = "v".repeat(5000);
        let block = block(&[(":path", "/"), ("x-long", &long)]);
        let read = fields(&mut Decoder::default(), &block).unwrap();
        assert_eq!(read[0], (":path".to_owned(), "/".to_owned()));
        assert_eq!(read[1].1, long);
    }
}
