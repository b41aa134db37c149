//! A gRPC call over HTTP/2.

use std::net::TcpStream;

use headers::Headers;
use http2::{Config, Connection, Event, Role};

use super::{Application, Client, READ, Stream, read, write};
use crate::Failure;
use crate::messages::{ASKED, SAID, call, called, trailers};

/// Calls.
pub(crate) struct Caller {
    stream: Stream,
    codec: Connection,
    request: Headers,
    headers: Headers,
    buffer: Box<[u8]>,
}

impl Client for Caller {
    fn on(stream: Stream, authority: &str) -> Self {
        Caller {
            stream,
            codec: Connection::new(Role::Client, Config::default()),
            request: call(authority),
            headers: Headers::new(),
            buffer: vec![0; READ].into(),
        }
    }

    fn into_socket(self) -> TcpStream {
        self.stream.into_socket()
    }

    fn ask(&mut self) -> Result<(), Failure> {
        let opened = self.codec.open(&self.request, false, 0);
        let stream = opened.map_err(|e| format!("{e:?}"))?;
        self.codec.send_data(stream, ASKED, true);
        let written = write(&mut self.stream, self.codec.output())?;
        self.codec.advance(written);
        Ok(())
    }

    fn hear(&mut self) -> Result<(), Failure> {
        let (mut over, mut heard) = (false, 0);
        while !over {
            let mut input = read(&mut self.stream, &mut self.buffer)?;
            while let Some(event) = self.codec.next(&mut input, &mut self.headers)? {
                match event {
                    Event::Headers { end_stream, .. } => over = end_stream,
                    Event::Data { stream, bytes, .. } => {
                        heard += bytes.len();
                        self.codec.release(stream, bytes.len());
                    }
                    Event::Reset { code, .. } => return Err(format!("reset: {code:?}").into()),
                    _ => {}
                }
            }
        }
        match heard == SAID.len() && self.headers.find(b"grpc-status") == Some(b"0") {
            true => Ok(()),
            false => Err(format!("{heard} bytes, {:?}", self.headers).into()),
        }
    }
}

/// Answers calls.
pub(crate) struct Greeter {
    socket: TcpStream,
    codec: Connection,
    head: Headers,
    tail: Headers,
    headers: Headers,
    buffer: Box<[u8]>,
}

impl Application for Greeter {
    fn on(socket: TcpStream) -> Self {
        Greeter {
            socket,
            codec: Connection::new(Role::Server, Config::default()),
            head: called(),
            tail: trailers(),
            headers: Headers::new(),
            buffer: vec![0; READ].into(),
        }
    }

    fn answer(&mut self) -> Result<(), Failure> {
        let mut answered = false;
        while !answered {
            let mut input = read(&mut self.socket, &mut self.buffer)?;
            while let Some(event) = self.codec.next(&mut input, &mut self.headers)? {
                let Event::Data {
                    stream,
                    bytes,
                    end_stream,
                    ..
                } = event
                else {
                    continue;
                };
                self.codec.release(stream, bytes.len());
                if end_stream {
                    self.codec.send_headers(stream, &self.head, false);
                    self.codec.send_data(stream, SAID, false);
                    self.codec.send_headers(stream, &self.tail, true);
                    answered = true;
                }
            }
            let written = write(&mut self.socket, self.codec.output())?;
            self.codec.advance(written);
        }
        Ok(())
    }
}
