//! A server of ours that sends back what it gets.

use std::collections::HashMap;

use headers::{Headers, Known};
use http2::{Config, Connection, ErrorCode, Event, HeadersKind, Role, StreamId};

use crate::Driver;

/// What of a request is not sent back yet.
#[derive(Default)]
struct Unsent {
    content: Vec<u8>,
    ended: bool,
    trailers: Option<Headers>,
}

pub(crate) struct Echo {
    connection: Connection,
    headers: Headers,
    unsent: HashMap<StreamId, Unsent>,
    /// The codes of resets that came.
    pub(crate) resets: Vec<(ErrorCode, bool)>,
    /// Leave once this many requests have come.
    pub(crate) drain_after: Option<usize>,
    requests: usize,
}

impl Echo {
    pub(crate) fn new(config: Config) -> Echo {
        Echo {
            connection: Connection::new(Role::Server, config),
            headers: Headers::new(),
            unsent: HashMap::new(),
            resets: Vec::new(),
            drain_after: None,
            requests: 0,
        }
    }

    fn request(&mut self, stream: StreamId, end_stream: bool) {
        self.requests += 1;
        if self.drain_after == Some(self.requests) {
            self.connection.drain();
        }
        match self.headers.get(Known::Path) {
            Some(b"/reset") => return self.connection.reset(stream, ErrorCode::CANCEL),
            Some(b"/refuse") => return self.connection.reset(stream, ErrorCode::REFUSED_STREAM),
            Some(b"/early") => {
                let mut response = Headers::new();
                response.push_known(Known::Status, b"413");
                self.connection.send_headers(stream, &response, true);
                return self.connection.reset(stream, ErrorCode::NO_ERROR);
            }
            Some(b"/silent") => return,
            Some(b"/informational") => {
                let mut early = Headers::new();
                early.push_known(Known::Status, b"103");
                self.connection.send_headers(stream, &early, false);
            }
            _ => {}
        }
        let mut response = Headers::new();
        response.push_known(Known::Status, b"200");
        for field in self.headers.iter().filter(|f| !f.name.starts_with(b":")) {
            response.push_field(field);
        }
        self.connection.send_headers(stream, &response, false);
        self.unsent.insert(
            stream,
            Unsent {
                ended: end_stream,
                ..Unsent::default()
            },
        );
    }

    fn flush(&mut self, stream: StreamId) {
        let Some(unsent) = self.unsent.get_mut(&stream) else {
            return;
        };
        let end = unsent.ended && unsent.trailers.is_none();
        let sent = self.connection.send_data(stream, &unsent.content, end);
        unsent.content.drain(..sent);
        self.connection.release(stream, sent);
        if !unsent.content.is_empty() || !unsent.ended {
            return;
        }
        if let Some(trailers) = unsent.trailers.take() {
            self.connection.send_headers(stream, &trailers, true);
        }
        self.unsent.remove(&stream);
    }
}

impl Driver for Echo {
    fn turn(&mut self, mut input: &[u8]) -> bool {
        while let Some(event) = self
            .connection
            .next(&mut input, &mut self.headers)
            .expect("no error of the connection")
        {
            match event {
                Event::Headers {
                    stream,
                    kind,
                    end_stream,
                    ..
                } => {
                    if kind == HeadersKind::Request {
                        self.request(stream, end_stream);
                    } else if let Some(unsent) = self.unsent.get_mut(&stream) {
                        unsent.trailers = Some(self.headers.clone());
                        unsent.ended = true;
                    }
                    self.flush(stream);
                }
                Event::Data {
                    stream,
                    bytes,
                    end_stream,
                    ..
                } => {
                    match self.unsent.get_mut(&stream) {
                        Some(unsent) => {
                            unsent.content.extend_from_slice(bytes);
                            unsent.ended = end_stream;
                        }
                        None => self.connection.release(stream, bytes.len()),
                    }
                    self.flush(stream);
                }
                Event::Writable { stream, .. } => self.flush(stream),
                Event::Reset {
                    stream,
                    code,
                    by_us,
                    ..
                } => {
                    self.resets.push((code, by_us));
                    if let Some(unsent) = self.unsent.remove(&stream) {
                        self.connection.release(stream, unsent.content.len());
                    }
                }
                _ => {}
            }
        }
        self.connection.is_drained()
    }

    fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }
}
