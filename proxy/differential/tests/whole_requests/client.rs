//! What a client does, and what it sees.

pub(crate) mod http1;
pub(crate) mod http2;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::application::end;
use crate::case::{CASE, Step};
use crate::compare::text;
use http1::{Body, read_body, read_head};
use http2::Frames;

/// The longest that an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long an end is waited for that need not come.
const MOMENT: Duration = Duration::from_millis(25);

/// A case's client.
pub(crate) struct Client {
    to: SocketAddrV4,
    /// Of the next connection: known ports find back in log lines.
    port: u16,
    stream: Option<TcpStream>,
    /// Others that wait.
    aside: Vec<TcpStream>,
    buffer: Vec<u8>,
    frames: Frames,
    /// The last answer said that the connection closes.
    told: bool,
    seen: Vec<String>,
}

impl Client {
    /// Does all steps in the calling thread's namespace; what was seen.
    pub(crate) fn run(case: &str, to: (Ipv4Addr, u16), port: u16, steps: &[Step]) -> Vec<String> {
        let mut client = Self {
            to: SocketAddrV4::new(to.0, to.1),
            port,
            stream: None,
            aside: Vec::new(),
            buffer: Vec::new(),
            frames: Frames::default(),
            told: false,
            seen: Vec::new(),
        };
        client.connect();
        for step in steps {
            client.step(case, step);
        }
        client.look();
        client.seen
    }

    fn connect(&mut self) {
        self.look();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        let own = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, self.port);
        socket.bind(&own.into()).unwrap();
        self.port += 1;
        self.buffer.clear();
        self.frames = Frames::default();
        self.told = false;
        match socket.connect_timeout(&self.to.into(), PATIENCE) {
            Ok(()) => {
                let stream = TcpStream::from(socket);
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                self.stream = Some(stream);
            }
            Err(error) => self.seen.push(format!("no connection: {}", end(&error))),
        }
    }

    /// Notes whether the connection is open still, and lets it go.
    fn look(&mut self) {
        let Some(stream) = self.stream.take() else {
            return;
        };
        // Envoy closes up to a second after it has said so.
        let time = if self.told { PATIENCE } else { MOMENT };
        stream.set_read_timeout(Some(time)).unwrap();
        let state = loop {
            let mut chunk = [0; 4096];
            match (&stream).read(&mut chunk) {
                Ok(0) => break "closed by the proxy".to_owned(),
                Ok(n) => self.buffer.extend_from_slice(&chunk[..n]),
                Err(error) => match end(&error).as_str() {
                    "reset" => break "reset by the proxy".to_owned(),
                    _ => break "open".to_owned(),
                },
            }
        };
        let frames = self.frames.all(&mut self.buffer);
        self.seen.extend(frames);
        if !self.buffer.is_empty() {
            self.seen.push(format!("more: {}", text(&self.buffer)));
        }
        self.seen.push(format!("connection {state}"));
    }

    fn step(&mut self, case: &str, step: &Step) {
        match step {
            Step::Connect => return self.connect(),
            Step::Aside => {
                self.aside.extend(self.stream.take());
                return self.connect();
            }
            Step::Back => {
                self.look();
                self.stream = self.aside.pop();
                return;
            }
            _ => {}
        }
        let Some(stream) = &self.stream else {
            return;
        };
        let mut fill =
            |buffer: &mut Vec<u8>, length| crate::application::fill(stream, buffer, length);
        match step {
            Step::Connect | Step::Aside | Step::Back => {}
            Step::Send(bytes) => {
                let bytes = named(bytes, case);
                if let Err(error) = (&*stream).write_all(&bytes) {
                    self.seen.push(format!("cannot send: {}", end(&error)));
                }
            }
            Step::Answer | Step::AnswerToHead => {
                let to_head = matches!(step, Step::AnswerToHead);
                loop {
                    let head = match read_head(&mut self.buffer, &mut fill) {
                        Ok(head) => head,
                        Err(problem) => {
                            self.seen.push(format!("no answer: {problem}"));
                            break;
                        }
                    };
                    self.seen.push(head.first.clone());
                    self.seen.extend(head.normal());
                    self.told = head.value("connection") == Some("close");
                    let status = head.status();
                    if status == 101 {
                        break;
                    }
                    if (100..200).contains(&status) {
                        continue;
                    }
                    let frame = match status {
                        204 | 304 => Body::Length(0),
                        _ if to_head => Body::Length(0),
                        _ => head.body(),
                    };
                    let body = read_body(frame, &mut self.buffer, &mut fill);
                    self.seen.push(format!("body {}", text(&body.bytes)));
                    let trailers = body.trailers.iter().map(|line| format!("trailer {line}"));
                    self.seen.extend(trailers);
                    if let Some(cut) = body.cut {
                        self.seen.push(format!("body cut by {cut}"));
                    }
                    break;
                }
            }
            Step::Bytes(length) => {
                let ended = fill(&mut self.buffer, *length);
                let read: Vec<u8> = self
                    .buffer
                    .drain(..self.buffer.len().min(*length))
                    .collect();
                self.seen.push(format!("read {}", text(&read)));
                self.seen.extend(ended);
            }
            Step::Rest => {
                let ended = fill(&mut self.buffer, usize::MAX).unwrap_or_default();
                self.seen
                    .push(format!("read {} until {ended}", text(&self.buffer)));
                self.buffer.clear();
            }
            Step::Over => {
                fill(&mut self.buffer, usize::MAX);
                self.seen.push(format!("read {}", text(&self.buffer)));
                self.buffer.clear();
                self.stream = None;
            }
            Step::Streams(count) => {
                let ended = self.frames.read(&mut self.buffer, stream, *count);
                self.seen.extend(ended);
            }
            Step::Shut => drop(stream.shutdown(Shutdown::Write)),
            Step::Reset => {
                SockRef::from(stream)
                    .set_linger(Some(Duration::ZERO))
                    .unwrap();
                self.stream = None;
            }
            Step::Wait(milliseconds) => std::thread::sleep(Duration::from_millis(*milliseconds)),
        }
    }
}

/// The bytes with the case's name in its place. Names are as long as the place, so lengths stay.
fn named(bytes: &[u8], case: &str) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mark = CASE.as_bytes();
    assert_eq!(case.len(), mark.len());
    while let Some(at) = bytes.windows(mark.len()).position(|w| w == mark) {
        bytes[at..at + mark.len()].copy_from_slice(case.as_bytes());
    }
    bytes
}
