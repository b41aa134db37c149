//! The authority of requests that come by a socket's path. gRPC's C core and Java write the path itself there,
//! percent-encoded or not, which is no authority (RFC 3986, 3.2), so the HTTP/2 server below refuses the request. Such
//! an authority becomes `localhost`, what gRPC writes for sockets elsewhere.

use headers::{Headers, Known};
use hpack::{DEFAULT_TABLE_SIZE, Decoder, Encoder, Limits, Outcome};

/// The client's connection preface (RFC 9113, 3.4).
const PREFACE: usize = 24;
/// A frame's header (RFC 9113, 4.1).
const HEAD: usize = 9;
/// SETTINGS_MAX_FRAME_SIZE, which the server leaves as it is.
const LARGEST_FRAME: usize = 16_384;
/// A section with all its continuations. Requests on these sockets have a dozen short fields.
const LARGEST_BLOCK: usize = 64 * 1024;

const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// Why a connection cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error(
        "a header frame is larger than SETTINGS_MAX_FRAME_SIZE, shorter than what it says of itself, or out of order"
    )]
    Frame,
    #[error("a header section is larger than 64 KiB")]
    TooLarge,
    #[error("a header section cannot be decoded: {0}")]
    Block(hpack::Error),
}

/// Passes a client's bytes on, header sections encoded anew.
#[derive(Debug)]
pub(super) struct Rewriter {
    /// Bytes to pass on as they are: the preface, then what a frame that is no header section holds.
    as_they_are: usize,
    /// The beginning of a frame.
    partial: Vec<u8>,
    /// The section whose end has not come yet.
    section: Option<Section>,
    decoder: Decoder,
    encoder: Encoder,
    list: Headers,
}

#[derive(Debug)]
struct Section {
    stream: [u8; 4],
    ends_stream: bool,
    block: Vec<u8>,
}

impl Default for Rewriter {
    fn default() -> Self {
        Self {
            as_they_are: PREFACE,
            partial: Vec::new(),
            section: None,
            decoder: Decoder::new(DEFAULT_TABLE_SIZE),
            encoder: Encoder::new(),
            list: Headers::new(),
        }
    }
}

impl Rewriter {
    /// Appends to `out` what the server is to read.
    pub(super) fn rewrite(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        while !input.is_empty() {
            if self.as_they_are > 0 {
                let (now, later) = input.split_at(self.as_they_are.min(input.len()));
                out.extend_from_slice(now);
                self.as_they_are -= now.len();
                input = later;
                continue;
            }
            if !self.fill(HEAD, &mut input) {
                return Ok(());
            }
            let (length, kind, flags, stream) = parse(&self.partial).ok_or(Broken::Frame)?;
            // Nothing comes between the frames of a section (RFC 9113, 6.10).
            let begun = self.section.as_ref();
            if begun.is_some_and(|section| (kind, stream) != (CONTINUATION, section.stream)) {
                return Err(Broken::Frame);
            }
            if !matches!(kind, HEADERS | CONTINUATION) {
                out.append(&mut self.partial);
                self.as_they_are = length;
                continue;
            }
            if length > LARGEST_FRAME {
                return Err(Broken::Frame);
            }
            if !self.fill(HEAD + length, &mut input) {
                return Ok(());
            }
            let payload = self.partial.get(HEAD..).unwrap_or_default();
            let fragment = match kind {
                HEADERS => fragment(payload, flags).ok_or(Broken::Frame)?,
                _ => payload,
            };
            let mut section = match (self.section.take(), kind) {
                (Some(section), CONTINUATION) => section,
                (None, HEADERS) => Section {
                    stream,
                    ends_stream: flags & END_STREAM != 0,
                    block: Vec::new(),
                },
                _ => return Err(Broken::Frame),
            };
            section.block.extend_from_slice(fragment);
            self.partial.clear();
            if section.block.len() > LARGEST_BLOCK {
                return Err(Broken::TooLarge);
            }
            if flags & END_HEADERS == 0 {
                self.section = Some(section);
            } else {
                self.write(&section, out)?;
            }
        }
        Ok(())
    }

    /// Whether the beginning of the frame has so many bytes, after what `input` adds to it.
    fn fill(&mut self, length: usize, input: &mut &[u8]) -> bool {
        let missing = length.saturating_sub(self.partial.len());
        let (now, later) = input.split_at(missing.min(input.len()));
        self.partial.extend_from_slice(now);
        *input = later;
        self.partial.len() >= length
    }

    fn write(&mut self, section: &Section, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.list.clear();
        let limits = Limits {
            max_list_size: 4 * LARGEST_BLOCK,
            max_fields: 1024,
        };
        let decoded = self.decoder.decode(&section.block, &mut self.list, limits);
        if decoded.map_err(Broken::Block)? == Outcome::TooLarge {
            return Err(Broken::TooLarge);
        }
        if self
            .list
            .get(Known::Authority)
            .is_some_and(|value| !is_authority(value))
        {
            self.list.set(Known::Authority, b"localhost");
        }
        let mut block = Vec::with_capacity(section.block.len());
        self.encoder.encode(&self.list, &mut block);
        let ends_stream = if section.ends_stream { END_STREAM } else { 0 };
        let mut pieces = block.chunks(LARGEST_FRAME).peekable();
        let (mut kind, mut flags) = (HEADERS, ends_stream);
        // A section without a field has no piece, and is a frame nevertheless.
        let first = pieces.next().unwrap_or_default();
        let mut piece = Some(first);
        while let Some(fragment) = piece {
            if pieces.peek().is_none() {
                flags |= END_HEADERS;
            }
            frame(fragment, kind, flags, section.stream, out);
            (kind, flags) = (CONTINUATION, 0);
            piece = pieces.next();
        }
        Ok(())
    }
}

/// Length, type, flags and stream.
fn parse(head: &[u8]) -> Option<(usize, u8, u8, [u8; 4])> {
    let [a, b, c, kind, flags, s, t, u, v] = *head.first_chunk::<HEAD>()?;
    let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
    Some((length, kind, flags, [s, t, u, v]))
}

fn frame(payload: &[u8], kind: u8, flags: u8, stream: [u8; 4], out: &mut Vec<u8>) {
    // A piece is LARGEST_FRAME at most.
    let length = u32::try_from(payload.len())
        .unwrap_or_default()
        .to_be_bytes();
    out.extend_from_slice(length.get(1..).unwrap_or_default());
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream);
    out.extend_from_slice(payload);
}

/// What a HEADERS frame holds of the block, without padding and priority (RFC 9113, 6.2).
fn fragment(payload: &[u8], flags: u8) -> Option<&[u8]> {
    let (padding, rest) = match flags & PADDED {
        0 => (0, payload),
        _ => payload
            .split_first()
            .map(|(length, rest)| (usize::from(*length), rest))?,
    };
    let rest = rest.get(if flags & PRIORITY == 0 { 0 } else { 5 }..)?;
    rest.get(..rest.len().checked_sub(padding)?)
}

fn is_authority(value: &[u8]) -> bool {
    http::uri::Authority::try_from(value).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn section(authority: &str) -> Vec<u8> {
        let mut list = Headers::new();
        for (name, value) in [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/service/method"),
            (":authority", authority),
            ("te", "trailers"),
        ] {
            list.push(name.as_bytes(), value.as_bytes());
        }
        let mut block = Vec::new();
        Encoder::with_huffman().encode(&list, &mut block);
        block
    }

    fn of(payload: &[u8], kind: u8, flags: u8) -> Vec<u8> {
        let mut out = Vec::new();
        frame(payload, kind, flags, [0, 0, 0, 1], &mut out);
        out
    }

    /// What comes out when the bytes come in pieces of `size`, after the preface.
    fn passed(bytes: &[u8], size: usize) -> Result<Vec<u8>, Broken> {
        let mut rewriter = Rewriter::default();
        let mut out = Vec::new();
        for piece in [&[b'p'; PREFACE], bytes].concat().chunks(size) {
            rewriter.rewrite(piece, &mut out)?;
        }
        Ok(out.split_off(PREFACE))
    }

    fn authority_of(block: &[u8]) -> String {
        let mut list = Headers::new();
        let limits = Limits {
            max_list_size: 4096,
            max_fields: 100,
        };
        Decoder::default().decode(block, &mut list, limits).unwrap();
        assert_eq!(list.get(Known::Path), Some(&b"/service/method"[..]));
        String::from_utf8(list.get(Known::Authority).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn a_path_for_an_authority_becomes_localhost_and_an_authority_stays() {
        for (given, becomes) in [
            ("%2Fetc%2Fistio%2Fproxy%2FXDS", "localhost"),
            ("/etc/istio/proxy/XDS", "localhost"),
            ("localhost", "localhost"),
            ("xds-grpc:80", "xds-grpc:80"),
        ] {
            let request = of(&section(given), HEADERS, END_HEADERS);
            let data = of(b"abc", 0, END_STREAM);
            for size in [1, 7, 4096] {
                let out = passed(&[request.clone(), data.clone()].concat(), size).unwrap();
                let (length, kind, flags, stream) = parse(&out).unwrap();
                assert_eq!((kind, flags, stream), (HEADERS, END_HEADERS, [0, 0, 0, 1]));
                assert_eq!(authority_of(&out[HEAD..HEAD + length]), becomes);
                assert_eq!(out[HEAD + length..], data);
            }
        }
    }

    #[test]
    fn a_section_in_pieces_with_padding_and_priority_comes_out_whole() {
        let block = section("/s");
        let (first, second) = block.split_at(5);
        let padded = [&[2, 0, 0, 0, 0, 9], first, &[0, 0]].concat();
        let bytes = [
            of(&padded, HEADERS, PADDED | PRIORITY | END_STREAM),
            of(second, CONTINUATION, END_HEADERS),
        ]
        .concat();
        let out = passed(&bytes, 3).unwrap();
        let (length, _, flags, _) = parse(&out).unwrap();
        assert_eq!(flags, END_HEADERS | END_STREAM);
        assert_eq!(out.len(), HEAD + length);
        assert_eq!(authority_of(&out[HEAD..]), "localhost");
    }

    #[test]
    fn what_no_server_would_take_ends_the_connection_and_is_not_kept() {
        let endless = of(&[0x20; 16_000], CONTINUATION, 0).repeat(5);
        for (bytes, broken) in [
            (of(&[5, 1], HEADERS, PADDED | END_HEADERS), Broken::Frame),
            (
                vec![0x00, 0x40, 0x01, HEADERS, 0, 0, 0, 0, 1],
                Broken::Frame,
            ),
            ([of(&[], HEADERS, 0), endless].concat(), Broken::TooLarge),
            (of(&[], CONTINUATION, END_HEADERS), Broken::Frame),
            (of(&[], HEADERS, 0).repeat(2), Broken::Frame),
            (
                [of(&[], HEADERS, 0), of(b"a", 0, 0)].concat(),
                Broken::Frame,
            ),
        ] {
            assert_eq!(passed(&bytes, 4096), Err(broken));
        }
        let unknown_index = of(&[0xff, 0x7f], HEADERS, END_HEADERS);
        assert!(matches!(passed(&unknown_index, 64), Err(Broken::Block(_))));
    }

    #[test]
    fn hostile_bytes_come_out_alike_however_they_are_cut() {
        let mut seed = 9_u64;
        let mut random = move |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            usize::try_from(seed % u64::try_from(below).unwrap()).unwrap()
        };
        let whole = [
            of(&section("/s"), HEADERS, END_HEADERS),
            of(b"abc", 0, 0),
            of(&section("a"), HEADERS, 0),
            of(&[], CONTINUATION, END_HEADERS),
        ]
        .concat();
        let mut refused = 0;
        for _ in 0..5_000 {
            let mut bytes = whole.clone();
            for _ in 0..=random(3) {
                let at = random(bytes.len());
                bytes[at] = u8::try_from(random(256)).unwrap();
            }
            let at_once = passed(&bytes, usize::MAX);
            assert_eq!(passed(&bytes, 1 + random(40)), at_once);
            refused += usize::from(at_once.is_err());
        }
        assert!((500..4_500).contains(&refused), "{refused}");
    }
}
