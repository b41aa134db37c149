//! A client of HTTP/2 frames.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::TcpStream;

use differential::frame::{
    ACK, END_HEADERS, END_STREAM, Frame, PREFACE, block, fields, kind, settings,
};
use differential::nature;
use hpack::Decoder;

use crate::application::fill;
use crate::case::Step;
use crate::compare::text;

/// Of streams and, besides what it has, of the connection: no answer of a test waits for more.
pub(crate) const LARGE_WINDOW: u32 = 1 << 24;

/// Fields by name, pseudo-header fields first, without what differs by nature.
pub(crate) fn shown(list: &[(String, String)]) -> Vec<String> {
    let mut list = list.to_vec();
    list.retain(|(name, value)| !nature::is_introduction(name, value));
    list.sort_by(|a, b| a.0.cmp(&b.0));
    list.iter()
        .map(|(name, value)| format!("  {name}: {}", nature::header(name, value)))
        .collect()
}

/// Preface, SETTINGS and a wide window.
pub(crate) fn hello() -> Step {
    let mut bytes = PREFACE.to_vec();
    bytes.extend(settings(&[(4, LARGE_WINDOW)]).bytes());
    bytes.extend(Frame::new(kind::WINDOW_UPDATE, 0, 0, LARGE_WINDOW.to_be_bytes()).bytes());
    Step::Send(bytes)
}

/// HEADERS of a request or its trailers.
pub(crate) fn headers(stream: u32, list: &[(&str, &str)], last: bool) -> Step {
    let flags = END_HEADERS | if last { END_STREAM } else { 0 };
    Step::Send(Frame::new(kind::HEADERS, flags, stream, block(list)).bytes())
}

/// DATA.
pub(crate) fn data(stream: u32, bytes: &[u8], last: bool) -> Step {
    let flags = if last { END_STREAM } else { 0 };
    Step::Send(Frame::new(kind::DATA, flags, stream, bytes).bytes())
}

/// Any frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Step {
    Step::Send(Frame::new(kind, flags, stream, payload).bytes())
}

#[derive(Default)]
struct Stream {
    lines: Vec<String>,
    body: Vec<u8>,
}

impl Stream {
    fn end_body(&mut self) {
        if !self.body.is_empty() {
            self.lines.push(format!("body {}", text(&self.body)));
            self.body.clear();
        }
    }
}

/// What came.
#[derive(Default)]
pub(crate) struct Frames {
    decoder: Decoder,
    streams: BTreeMap<u32, Stream>,
    /// Streams that have ended: a reset may follow the end.
    over: BTreeSet<u32>,
    /// How many of them since the last step.
    ended: usize,
    began: bool,
    connection: Vec<String>,
    block: Vec<u8>,
}

impl Frames {
    /// Reads until so many streams have ended or the connection has; all that came by stream.
    pub(crate) fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        stream: &TcpStream,
        count: usize,
    ) -> Vec<String> {
        self.began = true;
        let end = loop {
            while let Some(frame) = Frame::take(buffer) {
                if let Some(answer) = self.take(&frame) {
                    drop((&*stream).write_all(&answer));
                }
            }
            if self.ended >= count {
                break None;
            }
            let more = buffer.len() + 1;
            if let Some(end) = fill(stream, buffer, more) {
                // A reset overtakes the end where the proxy left bytes of ours unread, which is chance.
                let end = end.replace("reset", "end");
                break Some(format!("connection ends: {end}"));
            }
        };
        self.ended = 0;
        let mut lines = self.lines();
        lines.extend(end);
        lines
    }

    /// What else has come.
    pub(crate) fn all(&mut self, buffer: &mut Vec<u8>) -> Vec<String> {
        if self.began {
            while let Some(frame) = Frame::take(buffer) {
                drop(self.take(&frame));
            }
        }
        self.lines()
    }

    fn lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for (id, mut stream) in std::mem::take(&mut self.streams) {
            stream.end_body();
            lines.extend(
                stream
                    .lines
                    .iter()
                    .map(|line| format!("stream {id} {line}")),
            );
        }
        lines.append(&mut self.connection);
        lines
    }

    /// What is to be answered.
    fn take(&mut self, frame: &Frame) -> Option<Vec<u8>> {
        let code = |payload: &[u8]| {
            payload
                .last_chunk::<4>()
                .map_or(0, |c| u32::from_be_bytes(*c))
        };
        match frame.kind {
            kind::SETTINGS if !frame.has(ACK) => {
                return Some(Frame::new(kind::SETTINGS, ACK, 0, Vec::new()).bytes());
            }
            kind::PING if !frame.has(ACK) => {
                return Some(Frame::new(kind::PING, ACK, 0, frame.payload.clone()).bytes());
            }
            kind::PING => self.connection.push("ping answered".to_owned()),
            kind::GOAWAY => {
                let code = frame.payload.get(4..8).map_or(0, code);
                self.connection.push(format!("goaway with {code}"));
            }
            kind::HEADERS | kind::CONTINUATION => {
                self.block.extend_from_slice(frame.content());
                let stream = self.streams.entry(frame.stream).or_default();
                if frame.has(END_HEADERS) {
                    stream.end_body();
                    let list = fields(&mut self.decoder, &std::mem::take(&mut self.block));
                    stream
                        .lines
                        .extend(shown(&list.expect("the proxy's blocks are sound")));
                }
            }
            kind::DATA => {
                let stream = self.streams.entry(frame.stream).or_default();
                stream.body.extend_from_slice(frame.content());
            }
            kind::RST_STREAM => {
                let stream = self.streams.entry(frame.stream).or_default();
                stream.end_body();
                stream
                    .lines
                    .push(format!("reset with {}", code(&frame.payload)));
                self.end(frame.stream);
            }
            _ => {}
        }
        if matches!(frame.kind, kind::HEADERS | kind::DATA) && frame.has(END_STREAM) {
            let stream = self.streams.entry(frame.stream).or_default();
            stream.end_body();
            stream.lines.push("end".to_owned());
            self.end(frame.stream);
        }
        None
    }

    fn end(&mut self, stream: u32) {
        if self.over.insert(stream) {
            self.ended += 1;
        }
    }
}
