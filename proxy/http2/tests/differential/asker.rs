//! A client of ours that sends requests and keeps what comes back.

use std::collections::{HashMap, VecDeque};

use headers::{Headers, Known};
use http2::{Config, Connection, ErrorCode, Event, HeadersKind, Role, StreamId};

use crate::{Driver, Message, fields_of, list};

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered(Message),
    Reset(ErrorCode),
    Refused,
}

pub(crate) struct Asker {
    connection: Connection,
    headers: Headers,
    /// Requests that are not opened yet.
    waiting: VecDeque<(u32, Message)>,
    /// What of each is not sent yet.
    unsent: HashMap<StreamId, Message>,
    answers: HashMap<u32, Message>,
    pub(crate) informational: usize,
    pub(crate) outcomes: HashMap<u32, Outcome>,
    asked: usize,
    /// Open nothing before the peer's SETTINGS have come: h2 breaks a connection that opens more streams than it allows
    /// and sends content on them, even before it has said so.
    pub(crate) patient: bool,
    /// The peer has said GOAWAY.
    pub(crate) left: bool,
}

impl Asker {
    pub(crate) fn new(config: Config, requests: Vec<Message>) -> Asker {
        Asker {
            connection: Connection::new(Role::Client, config),
            headers: Headers::new(),
            asked: requests.len(),
            waiting: (0..).zip(requests).collect(),
            unsent: HashMap::new(),
            answers: HashMap::new(),
            informational: 0,
            outcomes: HashMap::new(),
            patient: false,
            left: false,
        }
    }

    fn open(&mut self) {
        if self.patient && !self.connection.has_peer_settings() {
            return;
        }
        while self.connection.can_open()
            && let Some((token, request)) = self.waiting.pop_front()
        {
            let end = request.content.is_empty() && request.trailers.is_none();
            let stream = self
                .connection
                .open(&list(&request.fields), end, token)
                .unwrap();
            self.answers.insert(token, Message::default());
            if !end {
                self.unsent.insert(stream, request);
                self.flush(stream);
            }
        }
    }

    fn flush(&mut self, stream: StreamId) {
        let Some(unsent) = self.unsent.get_mut(&stream) else {
            return;
        };
        let end = unsent.trailers.is_none();
        let sent = self.connection.send_data(stream, &unsent.content, end);
        unsent.content.drain(..sent);
        if !unsent.content.is_empty() {
            return;
        }
        if let Some(trailers) = unsent.trailers.take() {
            self.connection.send_headers(stream, &list(&trailers), true);
        }
        self.unsent.remove(&stream);
    }

    fn end(&mut self, token: u32) {
        let answer = self.answers.remove(&token).unwrap();
        let before = self.outcomes.insert(token, Outcome::Answered(answer));
        assert_eq!(before, None);
    }
}

impl Driver for Asker {
    fn turn(&mut self, mut input: &[u8]) -> bool {
        self.open();
        while let Some(event) = self
            .connection
            .next(&mut input, &mut self.headers)
            .expect("no error of the connection")
        {
            match event {
                Event::Headers {
                    token,
                    kind,
                    end_stream,
                    ..
                } => {
                    let answer = self.answers.get_mut(&token).unwrap();
                    match kind {
                        HeadersKind::Informational => {
                            assert_eq!(self.headers.get(Known::Status), Some(&b"103"[..]));
                            self.informational += 1;
                        }
                        HeadersKind::Trailers => answer.trailers = Some(fields_of(&self.headers)),
                        _ => answer.fields = fields_of(&self.headers),
                    }
                    if end_stream {
                        self.end(token);
                    }
                }
                Event::Data {
                    stream,
                    token,
                    bytes,
                    end_stream,
                } => {
                    self.connection.release(stream, bytes.len());
                    let answer = self.answers.get_mut(&token).unwrap();
                    answer.content.extend_from_slice(bytes);
                    if end_stream {
                        self.end(token);
                    }
                }
                Event::Writable { stream, .. } => self.flush(stream),
                Event::Reset {
                    stream,
                    token,
                    code,
                    ..
                } => {
                    self.unsent.remove(&stream);
                    // After a whole answer the reset only says that no more is wanted.
                    self.outcomes.entry(token).or_insert(Outcome::Reset(code));
                }
                Event::Refused { stream, token } => {
                    self.unsent.remove(&stream);
                    assert_eq!(self.outcomes.insert(token, Outcome::Refused), None);
                }
                Event::GoAway { .. } => self.left = true,
                Event::Opened | Event::PingAck { .. } => {}
            }
            self.open();
        }
        let all = self.outcomes.len() == self.asked;
        (all && self.connection.active_streams() == 0) || self.connection.is_drained()
    }

    fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }
}
