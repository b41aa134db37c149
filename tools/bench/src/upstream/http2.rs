//! The application's HTTP/2.

use std::io;

use headers::Headers;
use http2::{Config, Event, Role, StreamId};
use slab::Slab;

use super::answer::{ASKED, Asked, CONTENT, SAID, digits, trailers};
use super::connection;

/// Content that may wait in the output.
const MOST_UNWRITTEN: usize = 256 * 1024;

pub(super) struct Speaker {
    codec: http2::Connection,
    requests: Slab<Request>,
    headers: Headers,
    /// Requests whose answer waits for room in the output.
    waiting: Vec<usize>,
}

struct Request {
    stream: StreamId,
    asked: Asked,
    got: u64,
    /// Messages answered.
    said: u64,
    /// Bytes of the answer that are still to be sent.
    left: u64,
}

impl Speaker {
    pub(super) fn new() -> Self {
        let config = Config {
            max_concurrent_streams: 10_000,
            initial_window: 16 << 20,
            connection_window: 64 << 20,
            max_window_updates_per_data: u32::MAX,
            ..Config::default()
        };
        Speaker {
            codec: http2::Connection::new(Role::Server, config),
            requests: Slab::new(),
            headers: Headers::new(),
            waiting: Vec::new(),
        }
    }

    fn begin(&mut self, stream: StreamId) -> io::Result<usize> {
        let asked = Asked::of(&self.headers)?;
        let key = self.requests.insert(Request {
            stream,
            asked,
            got: 0,
            said: 0,
            left: 0,
        });
        self.codec
            .set_token(stream, u32::try_from(key).unwrap_or(http2::NO_TOKEN));
        if asked == Asked::Chat {
            self.codec.send_headers(stream, &asked.head(), false);
        }
        Ok(key)
    }

    fn content(&mut self, key: usize, len: usize) {
        let Some(request) = self.requests.get_mut(key) else {
            return;
        };
        request.got += len as u64;
        while request.asked == Asked::Chat && request.said < request.got / ASKED {
            request.said += 1;
            // 61 bytes of each message stay far below the client's window.
            self.codec.send_data(request.stream, SAID, false);
        }
    }

    fn end(&mut self, key: usize) {
        let Some(request) = self.requests.get_mut(key) else {
            return;
        };
        let stream = request.stream;
        match request.asked {
            Asked::Say => {
                self.codec
                    .send_headers(stream, &request.asked.head(), false);
                self.codec.send_data(stream, SAID, false);
                self.codec
                    .send_headers(stream, &trailers(request.got == ASKED), true);
            }
            Asked::Chat => {
                let right = request.got == request.said * ASKED;
                self.codec.send_headers(stream, &trailers(right), true);
            }
            Asked::Bytes(n) => {
                request.left = n;
                self.codec
                    .send_headers(stream, &request.asked.head(), n == 0);
                if n > 0 {
                    self.push(key);
                    return;
                }
            }
            Asked::Count(n) => {
                self.codec
                    .send_headers(stream, &request.asked.head(), false);
                let count = digits(request.got);
                let right = request.got == n;
                self.codec
                    .send_data(stream, if right { &count } else { b"wrong" }, true);
            }
        }
        self.requests.remove(key);
    }

    fn push(&mut self, key: usize) {
        let Some(request) = self.requests.get_mut(key) else {
            return;
        };
        while request.left > 0 {
            if self.codec.output_len() >= MOST_UNWRITTEN {
                self.waiting.push(key);
                return;
            }
            let len = usize::try_from(request.left).unwrap_or(usize::MAX);
            let piece = CONTENT.get(..len.min(CONTENT.len())).unwrap_or(&CONTENT);
            let is_last = piece.len() == len;
            let accepted = self.codec.send_data(request.stream, piece, is_last);
            request.left -= accepted as u64;
            if accepted < piece.len() {
                return;
            }
        }
        self.requests.remove(key);
    }
}

impl connection::Speaker for Speaker {
    fn take(&mut self, mut input: &[u8]) -> io::Result<()> {
        loop {
            let event = self.codec.next(&mut input, &mut self.headers);
            match event.map_err(io::Error::other)? {
                None => return Ok(()),
                Some(Event::Headers {
                    stream,
                    token,
                    kind,
                    end_stream,
                    ..
                }) => {
                    let key = match kind {
                        http2::HeadersKind::Request => self.begin(stream)?,
                        _ => token as usize,
                    };
                    if end_stream {
                        self.end(key);
                    }
                }
                Some(Event::Data {
                    stream,
                    token,
                    bytes,
                    end_stream,
                }) => {
                    self.codec.release(stream, bytes.len());
                    self.content(token as usize, bytes.len());
                    if end_stream {
                        self.end(token as usize);
                    }
                }
                Some(Event::Writable { token, .. }) => self.push(token as usize),
                Some(Event::Reset { token, .. } | Event::Refused { token, .. }) => {
                    self.requests.try_remove(token as usize);
                }
                Some(Event::GoAway { .. } | Event::Opened | Event::PingAck { .. }) => {}
            }
        }
    }

    fn output(&mut self) -> &[u8] {
        if self.codec.output_len() == 0 {
            for key in std::mem::take(&mut self.waiting) {
                self.push(key);
            }
        }
        self.codec.output()
    }

    fn advance(&mut self, n: usize) {
        self.codec.advance(n);
    }
}
