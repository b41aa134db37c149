//! The conformance suite h2spec against a server made of the codec, each case and strict ones too. The program is named
//! by LATEEN_H2SPEC.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use headers::{Headers, Known};
use http2::{Config, Connection, Event, Role, StreamId};

/// Answers every complete request with 200 and this.
const BODY: &[u8] = b"all's well on deck\n";

/// One connection to its end.
struct Served {
    socket: TcpStream,
    connection: Connection,
    headers: Headers,
    /// What is still to be sent, for each stream that is blocked.
    unsent: Vec<(StreamId, &'static [u8])>,
}

impl Served {
    fn serve(mut self) -> std::io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        loop {
            while !self.connection.output().is_empty() {
                let written = self.socket.write(self.connection.output())?;
                self.connection.advance(written);
            }
            if self.connection.is_closed() {
                return self.close();
            }
            let read = self.socket.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            let mut input = buffer.get(..read).unwrap();
            while let Ok(Some(event)) = self.connection.next(&mut input, &mut self.headers) {
                self.react(event);
            }
        }
    }

    fn react(&mut self, event: Event<'_>) {
        match event {
            Event::Headers {
                stream,
                end_stream: true,
                ..
            } => self.answer(stream),
            Event::Data {
                stream,
                bytes,
                end_stream,
                ..
            } => {
                self.connection.release(stream, bytes.len());
                if end_stream {
                    self.answer(stream);
                }
            }
            Event::Writable { stream, .. } => {
                let at = self.unsent.iter().position(|(id, _)| *id == stream);
                let (_, rest) = self.unsent.swap_remove(at.expect("what was cut short"));
                self.send(stream, rest);
            }
            Event::Reset { stream, .. } => self.unsent.retain(|(id, _)| *id != stream),
            _ => {}
        }
    }

    fn answer(&mut self, stream: StreamId) {
        let mut response = Headers::new();
        response.push_known(Known::Status, b"200");
        response.push_known(Known::ContentType, b"text/plain");
        self.connection.send_headers(stream, &response, false);
        self.send(stream, BODY);
    }

    fn send(&mut self, stream: StreamId, bytes: &'static [u8]) {
        let sent = self.connection.send_data(stream, bytes, true);
        if sent < bytes.len() {
            self.unsent.push((stream, bytes.get(sent..).unwrap()));
        }
    }

    /// Lets the peer read the GOAWAY: a close with unread input would be a reset.
    fn close(mut self) -> std::io::Result<()> {
        self.socket.shutdown(std::net::Shutdown::Write)?;
        self.socket
            .set_read_timeout(Some(Duration::from_millis(500)))?;
        let mut rest = [0; 4096];
        while self.socket.read(&mut rest)? > 0 {}
        Ok(())
    }
}

fn serve() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let served = Served {
                socket: socket.unwrap(),
                connection: Connection::new(Role::Server, config()),
                headers: Headers::new(),
                unsent: Vec::new(),
            };
            std::thread::spawn(move || match served.serve() {
                Err(e) if !is_over(e.kind()) => eprintln!("{e}"),
                _ => {}
            });
        }
    });
    port
}

fn is_over(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::WouldBlock
    )
}

/// Few streams, for the suite opens one more than it is told.
fn config() -> Config {
    Config {
        max_concurrent_streams: 100,
        ..Config::default()
    }
}

#[test]
fn every_case_of_h2spec_passes() {
    let program = std::env::var_os("LATEEN_H2SPEC").expect("LATEEN_H2SPEC names the program");
    let port = serve().to_string();
    let run = Command::new(program)
        .args([
            "--strict",
            "--host",
            "127.0.0.1",
            "--port",
            &port,
            "--timeout",
            "2",
        ])
        .output()
        .expect("LATEEN_H2SPEC starts");
    let said = String::from_utf8_lossy(&run.stdout);
    let summary = said
        .lines()
        .find(|line| line.contains("tests,"))
        .unwrap_or("no summary");
    assert!(run.status.success(), "{said}");
    let (all, rest) = summary.split_once(" tests, ").expect(summary);
    let (passed, rest) = rest.split_once(" passed, ").expect(summary);
    assert_eq!(all, passed, "{said}");
    assert_eq!(rest, "0 skipped, 0 failed", "{said}");
    assert!(all.parse::<u32>().unwrap() >= 146, "{summary}");
}
