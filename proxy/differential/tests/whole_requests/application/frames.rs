//! Requests of HTTP/2.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use differential::frame::{
    ACK, END_HEADERS, END_STREAM, Frame, PREFACE, block, fields, kind, settings,
};
use hpack::Decoder;

use super::{Application, Seen, fill};
use crate::case::{H2, Plain, Reply};
use crate::client::http2::{LARGE_WINDOW, shown};
use crate::compare::text;

struct Request {
    seen: Seen,
    reply: Reply,
    body: Vec<u8>,
}

impl Request {
    /// Notes the body; an empty one is as good as none.
    fn end_body(&self) {
        if !self.body.is_empty() {
            self.seen.add(format!("body {}", text(&self.body)));
        }
    }
}

pub(super) fn serve(application: &Application, stream: &TcpStream, place: &str) {
    let mut connection = Connection {
        application,
        stream,
        place,
        decoder: Decoder::default(),
        requests: BTreeMap::new(),
    };
    let mut buffer = Vec::new();
    if fill(stream, &mut buffer, PREFACE.len()).is_some() {
        return;
    }
    buffer.drain(..PREFACE.len());
    let mut hello = settings(&[(4, LARGE_WINDOW)]).bytes();
    hello.extend(Frame::new(kind::WINDOW_UPDATE, 0, 0, LARGE_WINDOW.to_be_bytes()).bytes());
    if !connection.send(&hello) {
        return;
    }
    loop {
        let Some(frame) = Frame::take(&mut buffer) else {
            let more = buffer.len() + 1;
            match fill(stream, &mut buffer, more) {
                None => continue,
                Some(end) => {
                    for request in connection.requests.values() {
                        request
                            .seen
                            .add(format!("connection over before the request: {end}"));
                    }
                    return;
                }
            }
        };
        if !connection.take(&frame) {
            return;
        }
    }
}

struct Connection<'a> {
    application: &'a Application,
    stream: &'a TcpStream,
    place: &'a str,
    decoder: Decoder,
    requests: BTreeMap<u32, Request>,
}

impl Connection<'_> {
    fn send(&self, bytes: &[u8]) -> bool {
        let mut stream = self.stream;
        stream.write_all(bytes).is_ok()
    }

    /// False when the connection is over. CONTINUATION is not read: no proxy sends it for blocks of a test's size.
    fn take(&mut self, frame: &Frame) -> bool {
        match frame.kind {
            kind::SETTINGS | kind::PING if !frame.has(ACK) => {
                let payload = if frame.kind == kind::PING {
                    frame.payload.clone()
                } else {
                    Vec::new()
                };
                self.send(&Frame::new(frame.kind, ACK, 0, payload).bytes())
            }
            kind::HEADERS => {
                let list = fields(&mut self.decoder, frame.content())
                    .expect("the proxy's blocks are sound");
                match self.requests.get_mut(&frame.stream) {
                    Some(request) => {
                        request.end_body();
                        for line in shown(&list) {
                            request.seen.add(format!("trailer {line}"));
                        }
                        self.finish(frame.stream)
                    }
                    None => self.begin(frame, &list),
                }
            }
            kind::DATA => {
                if let Some(request) = self.requests.get_mut(&frame.stream) {
                    request.body.extend_from_slice(frame.content());
                    if frame.has(END_STREAM) {
                        request.end_body();
                        return self.finish(frame.stream);
                    }
                }
                true
            }
            kind::RST_STREAM => {
                if let Some(request) = self.requests.remove(&frame.stream) {
                    let code = frame.payload.last().copied().unwrap_or(0);
                    request.seen.add(format!("stream reset with {code}"));
                }
                true
            }
            kind::GOAWAY => false,
            _ => true,
        }
    }

    fn begin(&mut self, frame: &Frame, list: &[(String, String)]) -> bool {
        let case = list
            .iter()
            .find(|(name, _)| name == "user-agent")
            .map(|(_, value)| value.as_str());
        let (seen, reply) = self.application.reply(case);
        let peer = self
            .stream
            .peer_addr()
            .map_or("?".to_owned(), |a| a.ip().to_string());
        seen.add(format!("at {} from {peer} by HTTP/2", self.place));
        for line in shown(list) {
            seen.add(line);
        }
        let early =
            matches!(&reply, Reply::Frames(acts) if matches!(acts.first(), Some(H2::Early)));
        let request = Request {
            seen,
            reply,
            body: Vec::new(),
        };
        self.requests.insert(frame.stream, request);
        if frame.has(END_STREAM) || early {
            return self.finish(frame.stream);
        }
        true
    }

    /// Answers.
    fn finish(&mut self, stream: u32) -> bool {
        let Some(request) = self.requests.remove(&stream) else {
            return true;
        };
        let acts = match request.reply {
            Reply::Plain(plain) => frames_of(&plain),
            Reply::Frames(acts) => acts,
            Reply::Raw(_) => panic!(
                "{}: HTTP/2 came where the row expects HTTP/1",
                request.seen.case
            ),
        };
        acts.iter().all(|act| self.act(stream, act))
    }

    fn act(&self, stream: u32, act: &H2) -> bool {
        let end = |end: bool| if end { END_STREAM } else { 0 };
        let frame = match act {
            H2::Early => return true,
            H2::Wait(milliseconds) => {
                std::thread::sleep(Duration::from_millis(*milliseconds));
                return true;
            }
            H2::Close => {
                drop(self.stream.shutdown(Shutdown::Both));
                return false;
            }
            H2::Raw(bytes) => return self.send(bytes),
            H2::Headers(list, last) => {
                Frame::new(kind::HEADERS, END_HEADERS | end(*last), stream, block(list))
            }
            H2::Data(bytes, last) => Frame::new(kind::DATA, end(*last), stream, bytes.clone()),
            H2::Rst(code) => Frame::new(kind::RST_STREAM, 0, stream, code.to_be_bytes()),
            H2::GoAway(last, code) => {
                let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
                Frame::new(kind::GOAWAY, 0, 0, payload)
            }
        };
        self.send(&frame.bytes())
    }
}

fn frames_of(plain: &Plain) -> Vec<H2> {
    let mut list = vec![(":status".to_owned(), plain.status.to_string())];
    list.extend(plain.headers.clone());
    let (body, trailers) = (!plain.body.is_empty(), !plain.trailers.is_empty());
    let mut acts = vec![H2::Wait(plain.delay), H2::Headers(list, !body && !trailers)];
    if body {
        acts.extend(
            plain
                .body
                .chunks(16384)
                .map(|part| H2::Data(part.to_vec(), false)),
        );
        if let (false, Some(H2::Data(_, last))) = (trailers, acts.last_mut()) {
            *last = true;
        }
    }
    if trailers {
        acts.push(H2::Headers(plain.trailers.clone(), true));
    }
    acts
}
