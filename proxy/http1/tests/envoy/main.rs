//! The same bytes to Envoy and to this codec: accepted or refused alike, with the same status and details, and
//! forwarded with the same fields. Where not, the case says why.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod cases;
mod process;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use headers::{Headers, Known};
use http1::{BodyLength, Config, Connection, Event, Role};

use cases::{Case, REQUESTS, RESPONSES};
use process::Envoy;

/// What became of a request: what the client was answered, and what the upstream was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Outcome {
    status: u16,
    /// Of a refusal.
    details: String,
    /// Of an accepted one: head and content as forwarded, without what only a whole proxy adds, fields sorted.
    forwarded: String,
}

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Answers the request to `/N` with the Nth of `RESPONSES`, others with [`ANSWER`], and tells each whole request.
fn upstream() -> (u16, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, tell) = (stream.unwrap(), tell.clone());
            std::thread::spawn(move || be_upstream(stream, &tell));
        }
    });
    (port, told)
}

fn be_upstream(mut stream: TcpStream, tell: &Sender<Vec<u8>>) {
    let (mut conn, mut list) = (
        Connection::new(Role::Server, Config::default()),
        Headers::new(),
    );
    let (mut buffer, mut all, mut answer) = ([0; 65536], Vec::new(), ANSWER);
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        all.extend_from_slice(&buffer[..n]);
        let mut input = &buffer[..n];
        let over = loop {
            let event = match conn.next(&mut input, &mut list) {
                Ok(Some(event)) => event,
                Ok(None) => break false,
                // Envoy forwards what this codec refuses.
                Err(_) => break true,
            };
            if let Some(path) = list.get(Known::Path)
                && let Ok(index) = String::from_utf8_lossy(&path[1..]).parse::<usize>()
            {
                answer = RESPONSES[index].text;
            }
            if event == Event::End {
                break true;
            }
        };
        if over {
            drop(tell.send(all));
            drop(stream.write_all(answer.as_bytes()));
            return;
        }
    }
}

fn normal(forwarded: &[u8]) -> String {
    let text = String::from_utf8_lossy(forwarded);
    let (head, content) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let mut lines: Vec<_> = lines
        .filter(|l| !l.starts_with("x-forwarded-proto:") && !l.starts_with("x-envoy-"))
        .collect();
    lines.sort_unstable();
    format!("{first}\n{}\n\n{content}", lines.join("\n"))
}

/// The answer's status and content, read without the codec: it may be one that the codec refuses.
fn read_answer(stream: &mut TcpStream) -> (u16, String) {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    let mut ended = false;
    loop {
        // An interim answer and the final one may have come in one read.
        while all.starts_with(b"HTTP/1.1 1")
            && let Some(end) = all.windows(4).position(|bytes| bytes == b"\r\n\r\n")
        {
            all.drain(..end + 4);
        }
        let text = String::from_utf8_lossy(&all);
        if let Some((head, content)) = text.split_once("\r\n\r\n") {
            let length = head
                .split("\r\n")
                .find_map(|l| l.strip_prefix("content-length: "))
                .filter(|_| !head.starts_with("HTTP/1.1 304"))
                .map_or(0, |l| l.parse().unwrap());
            if content.len() >= length || ended {
                return (
                    head[9..].split(' ').next().unwrap().parse().unwrap(),
                    content.to_owned(),
                );
            }
        }
        assert!(!ended, "closed without an answer: {text:?}");
        let n = stream.read(&mut buffer).expect("an answer in time");
        ended = n == 0;
        all.extend_from_slice(&buffer[..n]);
    }
}

fn of_envoy(envoy: &Envoy, told: &Receiver<Vec<u8>>, bytes: &[u8]) -> Outcome {
    let mut stream = TcpStream::connect(("127.0.0.1", envoy.port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream.write_all(bytes).unwrap();
    let (status, details) = read_answer(&mut stream);
    if status == 200 {
        let forwarded = normal(&told.recv_timeout(Duration::from_secs(20)).unwrap());
        return Outcome {
            status,
            details: String::new(),
            forwarded,
        };
    }
    Outcome {
        status,
        details,
        forwarded: String::new(),
    }
}

/// Envoy's answer to the request that the upstream answers by the case of this number.
fn status_of_envoy(envoy: &Envoy, case: usize) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", envoy.port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
        .write_all(format!("GET /{case} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes())
        .unwrap();
    read_answer(&mut stream).0
}

/// What a proxy made of this codec does with it.
fn of_ours(mut bytes: &[u8]) -> Outcome {
    let mut from = Connection::new(Role::Server, Config::default());
    let mut to = Connection::new(Role::Client, Config::default());
    let mut list = Headers::new();
    loop {
        match from.next(&mut bytes, &mut list) {
            Ok(Some(Event::Request {
                body,
                expect_continue,
                ..
            })) => {
                if expect_continue {
                    list.remove(Known::Expect);
                }
                to.send_request(&list, body).unwrap();
            }
            Ok(Some(Event::Data(data))) => to.send_data(data).unwrap(),
            // Envoy drops trailers unless told not to.
            Ok(Some(Event::Trailers)) => {}
            Ok(Some(Event::End)) => {
                to.finish().unwrap();
                return Outcome {
                    status: 200,
                    details: String::new(),
                    forwarded: normal(to.output()),
                };
            }
            Err(error) => {
                return Outcome {
                    status: error.status(),
                    details: error.details().to_owned(),
                    forwarded: String::new(),
                };
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn requests_are_accepted_refused_and_forwarded_as_envoy_does() {
    let (port, told) = upstream();
    let envoy = Envoy::start(port);
    let mut wrong = Vec::new();
    for case in REQUESTS {
        let bytes = case.bytes();
        let (theirs, ours) = (of_envoy(&envoy, &told, &bytes), of_ours(&bytes));
        check(case, &theirs, &ours, &mut wrong);
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        REQUESTS.len(),
        wrong.join("\n")
    );
}

#[test]
fn responses_are_accepted_and_refused_as_envoy_does() {
    let (port, _told) = upstream();
    let envoy = Envoy::start(port);
    let mut wrong = Vec::new();
    for (index, case) in RESPONSES.iter().enumerate() {
        // A kept connection that the upstream ended just then is a 503, too: asked again, it is not.
        let status = (0..3)
            .map(|_| status_of_envoy(&envoy, index))
            .find(|status| *status != 503)
            .unwrap_or(503);
        let theirs = Outcome {
            status,
            ..Outcome::default()
        };
        check(
            case,
            &theirs,
            &of_our_client(case.text.as_bytes()),
            &mut wrong,
        );
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        RESPONSES.len(),
        wrong.join("\n")
    );
}

/// The status that a proxy made of this codec passes on: 502 for a response that it refuses.
fn of_our_client(mut bytes: &[u8]) -> Outcome {
    let mut conn = Connection::new(Role::Client, Config::default());
    let mut list = Headers::new();
    for (name, value) in [(":method", "GET"), (":path", "/"), (":authority", "a")] {
        list.push(name.as_bytes(), value.as_bytes());
    }
    conn.send_request(&list, BodyLength::Empty).unwrap();
    loop {
        match conn.next(&mut bytes, &mut list) {
            Ok(Some(Event::Response { .. })) => {
                let status = String::from_utf8_lossy(list.get(Known::Status).unwrap())
                    .parse()
                    .unwrap();
                return Outcome {
                    status,
                    ..Outcome::default()
                };
            }
            Ok(Some(Event::Informational)) => {}
            Err(_) => {
                return Outcome {
                    status: 502,
                    ..Outcome::default()
                };
            }
            other => panic!("{other:?}"),
        }
    }
}

fn check(case: &Case, theirs: &Outcome, ours: &Outcome, wrong: &mut Vec<String>) {
    match case.differs {
        None if theirs != ours => wrong.push(format!(
            "{:?}:\n  Envoy {theirs:?}\n  we    {ours:?}",
            case.text
        )),
        Some(reason) if theirs == ours => {
            wrong.push(format!("{:?} is no difference: {reason}", case.text))
        }
        _ => {}
    }
}
