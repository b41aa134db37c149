//! One connection and, in place of its peer, frames made by hand.

use headers::Headers;
use hpack::{Decoder, Encoder, Limits};
use http2::{
    Config, Connection, ConnectionError, ErrorCode, Event, HeadersKind, NO_TOKEN, Role, StreamId,
};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const PRIORITIZED: u8 = 0x20;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const GET: &[(&str, &str)] = &[
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/"),
    (":authority", "a"),
];
pub(crate) const POST: &[(&str, &str)] = &[
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/"),
    (":authority", "a"),
];
pub(crate) const OK: &[(&str, &str)] = &[(":status", "200")];

/// An event that owns what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Headers {
        stream: StreamId,
        token: u32,
        kind: HeadersKind,
        end_stream: bool,
        too_large: bool,
        fields: Vec<(String, String)>,
    },
    Data {
        stream: StreamId,
        token: u32,
        bytes: Vec<u8>,
        end_stream: bool,
    },
    Reset {
        stream: StreamId,
        token: u32,
        code: ErrorCode,
        by_us: bool,
    },
    Refused {
        stream: StreamId,
        token: u32,
    },
    GoAway {
        last_stream: u32,
        code: ErrorCode,
    },
    Writable {
        stream: StreamId,
        token: u32,
    },
    Opened,
    PingAck([u8; 8]),
}

fn own(event: Event<'_>, headers: &Headers) -> Seen {
    match event {
        Event::Headers {
            stream,
            token,
            kind,
            end_stream,
            too_large,
        } => Seen::Headers {
            stream,
            token,
            kind,
            end_stream,
            too_large,
            fields: fields_of(headers),
        },
        Event::Data {
            stream,
            token,
            bytes,
            end_stream,
        } => Seen::Data {
            stream,
            token,
            bytes: bytes.to_vec(),
            end_stream,
        },
        Event::Reset {
            stream,
            token,
            code,
            by_us,
        } => Seen::Reset {
            stream,
            token,
            code,
            by_us,
        },
        Event::Refused { stream, token } => Seen::Refused { stream, token },
        Event::GoAway { last_stream, code } => Seen::GoAway { last_stream, code },
        Event::Writable { stream, token } => Seen::Writable { stream, token },
        Event::Opened => Seen::Opened,
        Event::PingAck { opaque } => Seen::PingAck(opaque),
    }
}

pub(crate) fn fields_of(headers: &Headers) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    headers
        .iter()
        .map(|field| (text(field.name), text(field.value)))
        .collect()
}

pub(crate) fn list(fields: &[(&str, &str)]) -> Headers {
    let mut list = Headers::new();
    list.extend(fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())));
    list
}

/// A frame that the connection sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The number that the payload starts with.
    pub(crate) fn word(&self) -> u32 {
        u32::from_be_bytes(self.payload[..4].try_into().unwrap())
    }
}

pub(crate) fn parse_frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let len = usize::from(bytes[0]) << 16 | usize::from(bytes[1]) << 8 | usize::from(bytes[2]);
        frames.push(Frame {
            kind: bytes[3],
            flags: bytes[4],
            stream: u32::from_be_bytes(bytes[5..9].try_into().unwrap()),
            payload: bytes[9..9 + len].to_vec(),
        });
        bytes = &bytes[9 + len..];
    }
    frames
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    Encoder::new().encode(&list(fields), &mut out);
    out
}

/// HEADERS with END_HEADERS and more flags.
pub(crate) fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, stream, &block(fields))
}

pub(crate) fn data(stream: u32, flags: u8, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, flags, stream, bytes)
}

pub(crate) fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in values {
        payload.extend(id.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame(SETTINGS, 0, 0, &payload)
}

pub(crate) fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

pub(crate) fn rst_stream(stream: u32, code: ErrorCode) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.0.to_be_bytes())
}

pub(crate) fn goaway(last: u32, code: ErrorCode) -> Vec<u8> {
    frame(
        GOAWAY,
        0,
        0,
        &[last.to_be_bytes(), code.0.to_be_bytes()].concat(),
    )
}

/// A connection under test.
pub(crate) struct Side {
    pub(crate) connection: Connection,
    headers: Headers,
    /// Decodes what the connection sends.
    pub(crate) decoder: Decoder,
}

impl Side {
    /// A connection of which nothing was read or written yet.
    pub(crate) fn raw(role: Role, config: Config) -> Side {
        Side {
            connection: Connection::new(role, config),
            headers: Headers::new(),
            decoder: Decoder::new(4096),
        }
    }

    /// A connection whose prefaces and SETTINGS were exchanged and acknowledged.
    pub(crate) fn with(role: Role, config: Config) -> Side {
        let mut side = Side::raw(role, config);
        if role == Role::Server {
            side.see(PREFACE);
        }
        side.see(&settings(&[]));
        side.see(&frame(SETTINGS, ACK, 0, &[]));
        side.drop_output();
        side
    }

    pub(crate) fn server() -> Side {
        Side::with(Role::Server, Config::default())
    }

    pub(crate) fn client() -> Side {
        Side::with(Role::Client, Config::default())
    }

    /// Feeds bytes and gives the events, and the error if that came of it.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> (Vec<Seen>, Option<ConnectionError>) {
        let mut input = bytes;
        let mut seen = Vec::new();
        loop {
            match self.connection.next(&mut input, &mut self.headers) {
                Ok(Some(event)) => seen.push(own(event, &self.headers)),
                Ok(None) => {
                    assert!(input.is_empty(), "input is left");
                    return (seen, None);
                }
                Err(error) => return (seen, Some(error)),
            }
        }
    }

    /// Feeds bytes that break nothing.
    pub(crate) fn see(&mut self, bytes: &[u8]) -> Vec<Seen> {
        let (seen, error) = self.feed(bytes);
        assert_eq!(error, None);
        seen
    }

    /// Feeds bytes that break the connection, and checks that GOAWAY says so.
    pub(crate) fn breaks(&mut self, bytes: &[u8], code: ErrorCode) {
        self.drop_output();
        let (_, error) = self.feed(bytes);
        let error = error.expect("an error of the connection");
        assert_eq!(error.code, code, "{}", error.reason);
        let sent = self.sent();
        let last = sent.last().expect("GOAWAY");
        assert_eq!((last.kind, last.stream), (GOAWAY, 0));
        assert_eq!(last.payload[4..8], code.0.to_be_bytes());
        assert!(self.connection.is_closed());
        assert_eq!(self.feed(&frame(PING, 0, 0, &[0; 8])).1, Some(error));
        assert_eq!(self.sent(), []);
    }

    /// Feeds bytes that reset one stream, and checks RST_STREAM. Gives the events.
    pub(crate) fn resets(&mut self, bytes: &[u8], stream: u32, code: ErrorCode) -> Vec<Seen> {
        self.drop_output();
        let seen = self.see(bytes);
        let resets: Vec<Frame> = self
            .sent()
            .into_iter()
            .filter(|frame| frame.kind == RST_STREAM)
            .collect();
        assert_eq!(resets.len(), 1, "one RST_STREAM: {resets:?} after {seen:?}");
        assert_eq!(resets[0].stream, stream);
        assert_eq!(ErrorCode(resets[0].word()), code);
        seen
    }

    /// What was sent since the last look.
    pub(crate) fn sent(&mut self) -> Vec<Frame> {
        let output = self.connection.output();
        let frames = parse_frames(output.strip_prefix(PREFACE).unwrap_or(output));
        self.drop_output();
        frames
    }

    pub(crate) fn drop_output(&mut self) {
        self.connection.advance(self.connection.output_len());
    }

    /// The fields of the one section among these frames.
    pub(crate) fn section(&mut self, frames: &[Frame]) -> Vec<(String, String)> {
        let block: Vec<u8> = frames
            .iter()
            .filter(|frame| frame.kind == HEADERS || frame.kind == CONTINUATION)
            .flat_map(|frame| frame.payload.clone())
            .collect();
        let mut headers = Headers::new();
        let any = Limits {
            max_list_size: usize::MAX,
            max_fields: usize::MAX,
        };
        self.decoder.decode(&block, &mut headers, any).unwrap();
        fields_of(&headers)
    }

    /// Sends a request to a server and gives its stream.
    pub(crate) fn request(&mut self, stream: u32, flags: u8, fields: &[(&str, &str)]) -> StreamId {
        let seen = self.see(&headers(stream, flags, fields));
        match seen.as_slice() {
            [
                Seen::Headers {
                    stream: id,
                    token: NO_TOKEN,
                    kind: HeadersKind::Request,
                    end_stream,
                    ..
                },
            ] => {
                assert_eq!(id.number(), stream);
                assert_eq!(*end_stream, flags & END_STREAM != 0);
                *id
            }
            other => panic!("a request: {other:?}"),
        }
    }

    /// Opens a stream of a client.
    pub(crate) fn open(&mut self, end_stream: bool) -> StreamId {
        let fields = if end_stream { GET } else { POST };
        let id = self.connection.open(&list(fields), end_stream, 7).unwrap();
        self.drop_output();
        id
    }

    /// Answers a request of a server.
    pub(crate) fn respond(&mut self, stream: StreamId, end_stream: bool) {
        self.connection.send_headers(stream, &list(OK), end_stream);
    }
}

/// The bytes of all DATA among events.
pub(crate) fn content(seen: &[Seen]) -> Vec<u8> {
    seen.iter()
        .flat_map(|event| match event {
            Seen::Data { bytes, .. } => bytes.clone(),
            _ => Vec::new(),
        })
        .collect()
}
