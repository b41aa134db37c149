//! Either end of an HTTP/2 connection: any frames in any pieces, and a caller that acts; what it is told is consistent, its
//! memory bounded, and what it says is whole frames.

use std::collections::HashMap;

use headers::{Headers, Known};
use http2::{Config, Connection, ErrorCode, Event, HeadersKind, Role, StreamId};

use crate::input::Input;

/// Streams that a client has open at most, and a server allows.
const STREAMS: usize = 20;

fn config() -> Config {
    Config {
        max_concurrent_streams: STREAMS as u32,
        max_header_block: 10_000,
        initial_window: 5000,
        remembered_resets: 8,
        reset_budget: 30,
        max_queued_control: 60,
        enable_connect_protocol: true,
        ..Config::default()
    }
}

/// What a caller knows of a stream.
#[derive(Debug, Default)]
struct Book {
    received: bool,
    sent: bool,
    begun: bool,
    owed: usize,
}

struct Caller {
    connection: Connection,
    role: Role,
    open: HashMap<StreamId, Book>,
    list: Headers,
    /// Output of which the end of a frame has not come.
    said: Vec<u8>,
}

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let role = input.pick(&[Role::Server, Role::Client]);
    let mut caller = Caller {
        connection: Connection::new(role, config()),
        role,
        open: HashMap::new(),
        list: Headers::new(),
        said: Vec::new(),
    };
    if role == Role::Server && input.flag() {
        assert!(caller.feed(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    }
    let mut alive = true;
    while alive && !input.is_empty() {
        let what = input.byte();
        alive = match what {
            0..0x40 => caller.feed(input.take(usize::from(what) + 1)),
            0x40..0xb0 => {
                let frame = frame(what - 0x40, &mut input);
                let cut = usize::from(input.byte()).min(frame.len());
                caller.feed(&frame[..cut]) && caller.feed(&frame[cut..])
            }
            _ => {
                caller.act(what, &mut input);
                true
            }
        };
        caller.holds();
    }
    caller.take_output(usize::MAX);
    assert!(caller.said.is_empty(), "whole frames");
}

/// A frame whose length is right.
fn frame(kind: u8, input: &mut Input<'_>) -> Vec<u8> {
    let (flags, stream) = (input.byte(), input.byte());
    let payload = input.piece();
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind % 11, flags, 0, 0, 0, stream]);
    frame.extend_from_slice(payload);
    frame
}

impl Caller {
    /// Feeds bytes; says whether the connection lives.
    fn feed(&mut self, mut input: &[u8]) -> bool {
        let mut list = std::mem::take(&mut self.list);
        loop {
            match self.connection.next(&mut input, &mut list) {
                Ok(Some(event)) => self.told(&event, &list),
                Ok(None) => {
                    self.list = list;
                    return true;
                }
                Err(_) => {
                    // What ends with the connection is what the book has.
                    let left = self.connection.streams().count();
                    assert_eq!(left, self.open.len());
                    assert!(
                        self.connection
                            .streams()
                            .all(|(id, _)| self.open.contains_key(&id))
                    );
                    assert!(self.connection.is_closed());
                    return false;
                }
            }
        }
    }

    fn told(&mut self, event: &Event<'_>, list: &Headers) {
        match *event {
            Event::Headers {
                stream,
                kind,
                end_stream,
                too_large,
                ..
            } => {
                if kind == HeadersKind::Request {
                    assert!(self.open.insert(stream, Book::default()).is_none());
                    assert!(self.open.len() <= STREAMS);
                }
                if !too_large {
                    plain(kind, list);
                }
                self.received(stream, end_stream);
            }
            Event::Data {
                stream,
                bytes,
                end_stream,
                ..
            } => {
                assert!(!bytes.is_empty() || end_stream);
                let book = self.open.get_mut(&stream).expect("an open stream");
                book.owed += bytes.len();
                assert!(book.owed <= 65_535, "{} beyond the window", book.owed);
                self.received(stream, end_stream);
            }
            Event::Reset { stream, .. } | Event::Refused { stream, .. } => {
                assert!(self.open.remove(&stream).is_some(), "{event:?}");
            }
            Event::Writable { stream, .. } => assert!(self.open.contains_key(&stream)),
            Event::GoAway { .. } | Event::Opened | Event::PingAck { .. } => {}
        }
    }

    fn received(&mut self, stream: StreamId, end: bool) {
        let book = self.open.get_mut(&stream).expect("an open stream");
        assert!(!book.received, "nothing comes after the end");
        book.received = end;
        self.settle(stream);
    }

    fn settle(&mut self, stream: StreamId) {
        if self
            .open
            .get(&stream)
            .is_some_and(|book| book.received && book.sent)
        {
            self.open.remove(&stream);
        }
    }

    fn act(&mut self, what: u8, input: &mut Input<'_>) {
        let (which, end) = (usize::from(input.byte()), input.flag());
        let streams: Vec<StreamId> = self.connection.streams().map(|(id, _)| id).collect();
        assert_eq!(streams.len(), self.open.len());
        let stream = streams.get(which % streams.len().max(1)).copied();
        match (what % 9, stream) {
            (0, _) => self.take_output(which),
            (1, _) => self.connection.ping([what; 8]),
            (2, _) if which == 0 => self.connection.drain(),
            (2, _) if which == 1 => self.connection.announce(),
            (2, _) => self.connection.shrink(),
            (3, _) if self.role == Role::Client && self.open.len() < STREAMS => {
                let request = fields(&[
                    (":method", "GET"),
                    (":scheme", "http"),
                    (":path", "/"),
                    (":authority", "a"),
                ]);
                if let Ok(stream) = self.connection.open(&request, end, 0) {
                    let book = Book {
                        sent: end,
                        begun: true,
                        ..Book::default()
                    };
                    assert!(self.open.insert(stream, book).is_none());
                }
            }
            (3 | 4, Some(stream)) if self.role == Role::Server => self.respond(stream, end),
            (5, Some(stream)) => {
                self.connection.reset(stream, ErrorCode::CANCEL);
                self.open.remove(&stream);
            }
            (6, Some(stream)) => {
                let book = self.open.get_mut(&stream).expect("an open stream");
                self.connection
                    .release(stream, std::mem::take(&mut book.owed));
            }
            (7 | 8, Some(stream)) => self.say(stream, which * 64, end),
            _ => {}
        }
    }

    fn respond(&mut self, stream: StreamId, end: bool) {
        let book = self.open.get_mut(&stream).expect("an open stream");
        if book.sent {
            return;
        }
        if book.begun {
            self.connection
                .send_headers(stream, &fields(&[("x", "y")]), true);
            book.sent = true;
        } else {
            self.connection
                .send_headers(stream, &fields(&[(":status", "200")]), end);
            (book.begun, book.sent) = (true, end);
        }
        self.settle(stream);
    }

    fn say(&mut self, stream: StreamId, n: usize, end: bool) {
        let book = self.open.get_mut(&stream).expect("an open stream");
        if !book.begun || book.sent {
            return;
        }
        let window = self.connection.send_window(stream);
        let accepted = self.connection.send_data(stream, &vec![7; n], end);
        assert_eq!(accepted, n.min(window));
        book.sent = end && accepted == n;
        self.settle(stream);
    }

    fn take_output(&mut self, n: usize) {
        let n = n.min(self.connection.output_len());
        self.said.extend_from_slice(&self.connection.output()[..n]);
        self.connection.advance(n);
        // A client's preface is no frame.
        if self.role == Role::Client && self.said.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") {
            self.said.drain(..24);
        }
        while let Some((head, rest)) = self.said.split_at_checked(9) {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            assert!(head[0] != b'P' || self.role == Role::Client);
            if head[0] == b'P' || rest.len() < length {
                return;
            }
            assert!(length <= 16_384 && head[3] <= 9, "{head:?}");
            self.said.drain(..9 + length);
        }
    }

    fn holds(&self) {
        // The caller's own output aside.
        let used = self.connection.memory();
        let bound = config().memory_bound(120) + 2 * self.connection.output_len() + (256 << 10);
        assert!(used <= bound, "{used} of {bound}");
    }
}

fn fields(of: &[(&str, &str)]) -> Headers {
    let mut list = Headers::new();
    list.extend(of.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())));
    list
}

/// What may never come through (RFC 9113, 8.2 and 8.3).
fn plain(kind: HeadersKind, list: &Headers) {
    for field in list.iter() {
        let name = field.name;
        assert!(
            !name.is_empty() && !name.iter().any(u8::is_ascii_uppercase),
            "{list:?}"
        );
        assert!(
            !field.value.iter().any(|b| matches!(b, 0 | b'\r' | b'\n')),
            "{list:?}"
        );
        assert!(!name.iter().any(|b| *b <= b' ' || *b >= 0x7f), "{list:?}");
    }
    for gone in [Known::Connection, Known::TransferEncoding, Known::Upgrade] {
        assert!(!list.has(gone), "{list:?}");
    }
    match kind {
        HeadersKind::Request => assert!(list.has(Known::Method), "{list:?}"),
        HeadersKind::Response | HeadersKind::Informational => assert!(list.has(Known::Status)),
        HeadersKind::Trailers => assert!(list.iter().all(|f| f.name[0] != b':'), "{list:?}"),
    }
}
