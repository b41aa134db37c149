//! A GET over HTTP/1.1.

use std::net::TcpStream;

use headers::Headers;
use http1::{BodyLength, Config, Connection, Event, Role};

use super::{Application, Client, READ, Stream, read, write};
use crate::Failure;
use crate::messages::{PAGE, get, got};

/// Asks for the page.
pub(crate) struct Getter {
    stream: Stream,
    codec: Connection,
    request: Headers,
    headers: Headers,
    buffer: Box<[u8]>,
}

impl Client for Getter {
    fn on(stream: Stream, authority: &str) -> Self {
        Getter {
            stream,
            codec: Connection::new(Role::Client, Config::default()),
            request: get(authority),
            headers: Headers::new(),
            buffer: vec![0; READ].into(),
        }
    }

    fn into_socket(self) -> TcpStream {
        self.stream.into_socket()
    }

    fn ask(&mut self) -> Result<(), Failure> {
        let sent = self.codec.send_request(&self.request, BodyLength::Empty);
        sent.map_err(|e| format!("{e:?}"))?;
        let written = write(&mut self.stream, self.codec.output())?;
        self.codec.advance(written);
        Ok(())
    }

    fn hear(&mut self) -> Result<(), Failure> {
        let (mut over, mut heard) = (false, 0);
        while !over {
            let mut input = read(&mut self.stream, &mut self.buffer)?;
            while let Some(event) = event(&mut self.codec, &mut input, &mut self.headers)? {
                match event {
                    Event::Data(bytes) => heard += bytes.len(),
                    Event::End => over = true,
                    _ => {}
                }
            }
        }
        match heard == PAGE.len() {
            true => Ok(()),
            false => Err(format!("{heard} bytes, {:?}", self.headers).into()),
        }
    }
}

/// Answers with the page.
pub(crate) struct Pages {
    socket: TcpStream,
    codec: Connection,
    head: Headers,
    headers: Headers,
    buffer: Box<[u8]>,
}

impl Application for Pages {
    fn on(socket: TcpStream) -> Self {
        Pages {
            socket,
            codec: Connection::new(Role::Server, Config::default()),
            head: got(),
            headers: Headers::new(),
            buffer: vec![0; READ].into(),
        }
    }

    fn answer(&mut self) -> Result<(), Failure> {
        let mut answered = false;
        while !answered {
            let mut input = read(&mut self.socket, &mut self.buffer)?;
            while let Some(event) = event(&mut self.codec, &mut input, &mut self.headers)? {
                if event == Event::End {
                    let length = BodyLength::Exact(PAGE.len() as u64);
                    let codec = &mut self.codec;
                    let sent = codec
                        .send_response(&self.head, length)
                        .and_then(|()| codec.send_data(PAGE))
                        .and_then(|()| codec.finish());
                    sent.map_err(|e| format!("{e:?}"))?;
                    answered = true;
                }
            }
        }
        let written = write(&mut self.socket, self.codec.output())?;
        self.codec.advance(written);
        Ok(())
    }
}

fn event<'i>(
    codec: &mut Connection,
    input: &mut &'i [u8],
    headers: &mut Headers,
) -> Result<Option<Event<'i>>, Failure> {
    codec
        .next(input, headers)
        .map_err(|e| format!("{e:?}").into())
}
