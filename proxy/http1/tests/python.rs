//! A client made of this codec asks Python's http.server, a server that is not ours, over blocking sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use headers::{Headers, Known};
use http1::{BodyLength, Config, Connection, Event, Role};

const SERVER: &str = r#"
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def content(self):
        if self.headers.get("transfer-encoding") == "chunked":
            all = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                all += self.rfile.read(size)
                assert self.rfile.readline() == b"\r\n"
            while (line := self.rfile.readline()) != b"\r\n":
                all += b"+" + line.strip()
            return all
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def answer(self):
        body = f"{self.command} {self.headers['host']} {self.path} ".encode() + self.content()
        if self.path == "/hints":
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
        if self.path == "/old":
            self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + body)
            self.close_connection = True
            return
        self.send_response(204 if self.path == "/none" else 200)
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in (body[:5], body[5:]):
                self.wfile.write(b"%X;a=b\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\nX-Trailer: t\r\n\r\n")
        elif self.path == "/close":
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)
        elif self.path == "/none":
            self.end_headers()
        else:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_HEAD = answer

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

struct Python {
    child: Child,
    address: String,
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn start() -> Python {
    let python = std::env::var_os("LATEEN_PYTHON").unwrap_or_else(|| "python3".into());
    let mut child = Command::new(python)
        .args(["-c", SERVER])
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs python3: on the PATH or named by LATEEN_PYTHON");
    let mut port = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut port)
        .unwrap();
    Python {
        child,
        address: format!("127.0.0.1:{}", port.trim()),
    }
}

struct Client {
    stream: TcpStream,
    conn: Connection,
    address: String,
}

#[derive(Debug, Default)]
struct Answer {
    status: String,
    content: String,
    trailers: usize,
    hints: usize,
}

impl Client {
    fn new(python: &Python) -> Self {
        let stream = TcpStream::connect(&python.address).unwrap();
        stream
            .set_read_timeout(Some(std::time::Duration::from_secs(20)))
            .unwrap();
        Client {
            stream,
            conn: Connection::new(Role::Client, Config::default()),
            address: python.address.clone(),
        }
    }

    fn ask(&mut self, method: &str, path: &str, content: &[u8], length: BodyLength) -> Answer {
        let mut request = Headers::new();
        for (name, value) in [
            (":method", method),
            (":path", path),
            (":authority", &self.address),
        ] {
            request.push(name.as_bytes(), value.as_bytes());
        }
        self.conn.send_request(&request, length).unwrap();
        if !content.is_empty() {
            for piece in content.chunks(3) {
                self.conn.send_data(piece).unwrap();
            }
            let mut trailers = Headers::new();
            trailers.push(b"t", b"1");
            self.conn.send_trailers(&trailers).unwrap();
        }
        self.stream.write_all(self.conn.output()).unwrap();
        self.conn.advance(usize::MAX);
        let (mut answer, mut list, mut buffer) = (Answer::default(), Headers::new(), [0; 50]);
        loop {
            let n = self.stream.read(&mut buffer).unwrap();
            let mut input = &buffer[..n];
            let mut event = self.conn.next(&mut input, &mut list).unwrap();
            if n == 0 {
                event = self.conn.end_of_input().unwrap();
            }
            while let Some(e) = event {
                match e {
                    Event::Response { .. } => {
                        answer.status =
                            String::from_utf8(list.get(Known::Status).unwrap().to_vec()).unwrap();
                    }
                    Event::Informational => answer.hints += 1,
                    Event::Data(data) => answer.content += std::str::from_utf8(data).unwrap(),
                    Event::Trailers => answer.trailers = list.len(),
                    Event::End => return answer,
                    Event::Request { .. } | Event::Tunnel => panic!("{e:?}"),
                }
                event = self.conn.next(&mut input, &mut list).unwrap();
            }
        }
    }
}

#[test]
fn every_framing_is_read_and_the_connection_used_again() {
    let python = start();
    let mut client = Client::new(&python);
    let at = python.address.clone();
    for round in 0..3 {
        let answer = client.ask("GET", "/a?b", b"", BodyLength::Empty);
        assert_eq!(
            (answer.status.as_str(), answer.content),
            ("200", format!("GET {at} /a?b "))
        );
        let answer = client.ask("GET", "/chunked", b"", BodyLength::Empty);
        assert_eq!(
            (answer.content, answer.trailers),
            (format!("GET {at} /chunked "), 1)
        );
        let answer = client.ask("HEAD", "/", b"", BodyLength::Empty);
        assert_eq!(
            (answer.status.as_str(), answer.content.as_str()),
            ("200", "")
        );
        let answer = client.ask("GET", "/none", b"", BodyLength::Empty);
        assert_eq!(
            (answer.status.as_str(), answer.content.as_str()),
            ("204", "")
        );
        let answer = client.ask("GET", "/hints", b"", BodyLength::Empty);
        assert_eq!(
            (answer.hints, answer.content),
            (1, format!("GET {at} /hints "))
        );
        assert!(
            client.conn.is_idle() && client.conn.keep_alive(),
            "round {round}"
        );
    }
}

#[test]
fn content_is_understood_with_a_length_and_in_chunks() {
    let python = start();
    let mut client = Client::new(&python);
    let at = python.address.clone();
    let answer = client.ask("POST", "/", b"hello world", BodyLength::Exact(11));
    assert_eq!(answer.content, format!("POST {at} / hello world"));
    let answer = client.ask("PUT", "/", b"hello world", BodyLength::Unknown);
    assert_eq!(answer.content, format!("PUT {at} / hello world+t: 1"));
    let answer = client.ask("POST", "/", b"", BodyLength::Empty);
    assert_eq!(answer.content, format!("POST {at} / "));
}

#[test]
fn content_up_to_the_end_of_the_connection_is_read() {
    let python = start();
    let at = python.address.clone();
    for path in ["/close", "/old"] {
        let mut client = Client::new(&python);
        let answer = client.ask("GET", path, b"", BodyLength::Empty);
        assert_eq!(answer.content, format!("GET {at} {path} "));
        assert!(client.conn.should_close() && !client.conn.keep_alive());
    }
}
