//! The application's HTTP/1.1.

use std::io;

use headers::Headers;
use http1::{BodyLength, Config, Event, Role};

use super::answer::{Asked, CONTENT, digits};
use super::connection;

pub(super) struct Speaker {
    codec: http1::Connection,
    headers: Headers,
    asked: Option<Asked>,
    got: u64,
    /// Bytes of the answer that are still to be sent.
    left: u64,
}

impl Speaker {
    pub(super) fn new() -> Self {
        Speaker {
            codec: http1::Connection::new(Role::Server, Config::default()),
            headers: Headers::new(),
            asked: None,
            got: 0,
            left: 0,
        }
    }

    fn end(&mut self) -> io::Result<()> {
        let sent = match self.asked.take() {
            Some(asked @ Asked::Bytes(n)) => {
                self.left = n;
                let sent = self
                    .codec
                    .send_response(&asked.head(), BodyLength::Exact(n));
                self.push();
                sent
            }
            Some(asked @ Asked::Count(n)) => {
                let count = digits(self.got);
                let content: &[u8] = if self.got == n { &count } else { b"wrong" };
                let length = BodyLength::Exact(content.len() as u64);
                self.codec
                    .send_response(&asked.head(), length)
                    .and_then(|()| self.codec.send_data(content))
                    .and_then(|()| self.codec.finish())
            }
            _ => return Err(io::Error::other("asked for what HTTP/1.1 has not")),
        };
        sent.map_err(io::Error::other)
    }

    /// Makes a piece of the answer.
    fn push(&mut self) {
        let len = usize::try_from(self.left).unwrap_or(usize::MAX);
        let piece = CONTENT.get(..len.min(CONTENT.len())).unwrap_or(&CONTENT);
        self.left -= piece.len() as u64;
        // The length was announced, and no more than it is sent.
        let _ = self.codec.send_data(piece);
        if self.left == 0 {
            let _ = self.codec.finish();
        }
    }
}

impl connection::Speaker for Speaker {
    fn take(&mut self, mut input: &[u8]) -> io::Result<()> {
        loop {
            let event = self.codec.next(&mut input, &mut self.headers);
            match event.map_err(io::Error::other)? {
                None if input.is_empty() => return Ok(()),
                None => {
                    return Err(io::Error::other(
                        "a request before the last one was answered",
                    ));
                }
                Some(Event::Request { .. }) => {
                    self.asked = Some(Asked::of(&self.headers)?);
                    self.got = 0;
                }
                Some(Event::Data(bytes)) => self.got += bytes.len() as u64,
                Some(Event::End) => {
                    self.end()?;
                }
                Some(_) => {}
            }
        }
    }

    fn output(&mut self) -> &[u8] {
        if self.left > 0 && self.codec.output().is_empty() {
            self.push();
        }
        self.codec.output()
    }

    fn advance(&mut self, n: usize) {
        self.codec.advance(n);
    }
}
