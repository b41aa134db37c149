//! What comes back: read, taken apart and compared with what was asked for.

use std::time::Instant;

use headers::{Headers, Known};

use super::{Client, Phase};
use crate::failure::{Doing, Failure};
use crate::load::link::{Codec, Link};

impl Client<'_> {
    /// A connection has something to read, or room to write.
    pub(super) fn ready(
        &mut self,
        at: usize,
        buffer: &mut [u8],
        headers: &mut Headers,
    ) -> Result<(), Failure> {
        loop {
            let Some(link) = self.links.get_mut(at) else {
                return Ok(());
            };
            match link.read(buffer).doing("reading from the proxy")? {
                None => return Ok(()),
                Some(0) => {
                    return Err(Failure(
                        "the proxy closed a connection under load".to_owned(),
                    ));
                }
                Some(n) => {
                    let input = buffer.get(..n).unwrap_or_default();
                    match link.codec {
                        Codec::One(_) => self.take_http1(at, input, headers)?,
                        Codec::Two(_) => self.take_http2(at, input, headers)?,
                        Codec::Tcp(_) => self.take_bytes(at, n)?,
                    }
                }
            }
        }
    }

    fn take_http2(
        &mut self,
        at: usize,
        mut input: &[u8],
        headers: &mut Headers,
    ) -> Result<(), Failure> {
        use http2::Event;
        loop {
            let Some(Link {
                codec: Codec::Two(two),
                ..
            }) = self.links.get_mut(at)
            else {
                return Ok(());
            };
            let event = two.next(&mut input, headers);
            let Some(event) = event.doing("the proxy's HTTP/2")? else {
                return Ok(());
            };
            match event {
                Event::Headers {
                    token, end_stream, ..
                } => {
                    self.fields(token as usize, headers)?;
                    if end_stream {
                        self.answered(token as usize)?;
                    }
                }
                Event::Data {
                    stream,
                    token,
                    bytes,
                    end_stream,
                } => {
                    two.release(stream, bytes.len());
                    self.content(token as usize, bytes.len());
                    if end_stream {
                        self.answered(token as usize)?;
                    }
                }
                Event::Writable { token, .. } => self.push(token as usize),
                Event::Opened => self.fill_link(at),
                Event::PingAck { .. } => {}
                Event::Reset { code, .. } => {
                    return Err(Failure(format!("a request was reset: {code:?}")));
                }
                Event::Refused { .. } | Event::GoAway { .. } => {
                    return Err(Failure("the proxy sent GOAWAY under load".to_owned()));
                }
            }
        }
    }

    fn take_http1(
        &mut self,
        at: usize,
        mut input: &[u8],
        headers: &mut Headers,
    ) -> Result<(), Failure> {
        use http1::Event;
        loop {
            let Some(Link {
                codec: Codec::One(one),
                current,
                ..
            }) = self.links.get_mut(at)
            else {
                return Ok(());
            };
            let event = one.next(&mut input, headers).doing("the proxy's HTTP/1")?;
            let key = *current;
            match (event, key) {
                (None, _) if input.is_empty() => return Ok(()),
                (None, _) => return Err(Failure("more came than was asked for".to_owned())),
                (Some(Event::Response { .. } | Event::Trailers), Some(key)) => {
                    self.fields(key, headers)?;
                }
                (Some(Event::Data(bytes)), Some(key)) => self.content(key, bytes.len()),
                (Some(Event::End), Some(key)) => {
                    *current = None;
                    self.answered(key)?;
                }
                (Some(event), _) => {
                    return Err(Failure(format!("unexpected from the proxy: {event:?}")));
                }
            }
        }
    }

    fn take_bytes(&mut self, at: usize, len: usize) -> Result<(), Failure> {
        let Some(link) = self.links.get_mut(at) else {
            return Ok(());
        };
        let Some(key) = link.current else {
            return Err(Failure("more came than was asked for".to_owned()));
        };
        self.content(key, len);
        let got = self.requests.get(key).map_or(0, |r| r.got);
        if got >= self.exchange.answer {
            if let Some(link) = self.links.get_mut(at) {
                link.current = None;
            }
            self.answered(key)?;
        }
        Ok(())
    }

    /// Fields of an answer came.
    fn fields(&mut self, key: usize, headers: &Headers) -> Result<(), Failure> {
        let Some(request) = self.requests.get_mut(key) else {
            return Ok(());
        };
        let text =
            |known| String::from_utf8_lossy(headers.get(known).unwrap_or_default()).into_owned();
        match headers.get(Known::Status) {
            Some(b"200") => request.status_seen = true,
            Some(_) => {
                return Err(Failure(format!(
                    "a request was answered {}",
                    text(Known::Status)
                )));
            }
            None => {}
        }
        match headers.get(Known::GrpcStatus) {
            Some(b"0") => request.grpc_status_seen = true,
            Some(_) => {
                return Err(Failure(format!(
                    "a request was answered grpc-status {} {}",
                    text(Known::GrpcStatus),
                    text(Known::GrpcMessage)
                )));
            }
            None => {}
        }
        Ok(())
    }

    /// Content of an answer came.
    fn content(&mut self, key: usize, len: usize) {
        let exchange = self.exchange;
        let Some(request) = self.requests.get_mut(key) else {
            return;
        };
        request.got += len as u64;
        if exchange.messages > 1 && request.got == exchange.answer * u64::from(request.message) {
            let due = request.due;
            let now = Instant::now();
            if request.message < request.messages {
                request.message += 1;
                request.due = now;
                if self.phase == Phase::Draining {
                    request.messages = request.message;
                }
                self.push(key);
            }
            self.count(due, now);
        }
    }

    /// The answer is over.
    fn answered(&mut self, key: usize) -> Result<(), Failure> {
        let Some(request) = self.requests.try_remove(key) else {
            return Ok(());
        };
        let exchange = self.exchange;
        let wanted = exchange.answer * u64::from(request.messages);
        let sent = exchange.body * u64::from(request.messages);
        if !request.status_seen
            || request.got != wanted
            || request.sent != sent
            || request.grpc_status_seen != exchange.grpc
        {
            return Err(Failure(format!(
                "a wrong answer: {} bytes of {wanted} after {} bytes of {sent} sent{}",
                request.got,
                request.sent,
                if request.grpc_status_seen == exchange.grpc {
                    ""
                } else {
                    ", and no grpc-status 0"
                }
            )));
        }
        if let Some(link) = self.links.get_mut(request.link) {
            link.open -= 1;
        }
        if exchange.messages == 1 {
            self.count(request.due, Instant::now());
        }
        if let Some(due) = self.backlog.pop_front() {
            if !self.open(request.link, due) {
                self.backlog.push_front(due);
            }
        } else {
            self.fill_link(request.link);
        }
        Ok(())
    }

    fn count(&mut self, due: Instant, now: Instant) {
        if self.phase == Phase::Counting {
            self.answered += 1;
            if due >= self.since {
                self.latencies.add(now.saturating_duration_since(due));
            }
        }
    }
}
