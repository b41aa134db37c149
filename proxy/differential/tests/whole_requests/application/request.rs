//! Requests of HTTP/1.

use std::io::Write;
use std::net::TcpStream;

use super::{Application, Seen, act, fill};
use crate::case::{Act, Plain, Reply};
use crate::client::http1::{Body, Head, read_body, read_head};
use crate::compare::text;

pub(super) fn serve(application: &Application, stream: &TcpStream, place: &str) {
    let mut buffer = Vec::new();
    while let Ok(head) = read_head(&mut buffer, &mut |buffer, length| {
        fill(stream, buffer, length)
    }) {
        let case = head.value("user-agent");
        let (seen, reply) = application.reply(case);
        seen.add(format!(
            "at {place} from {}",
            stream
                .peer_addr()
                .map_or("?".to_owned(), |a| a.ip().to_string())
        ));
        seen.add(head.first.clone());
        for line in head.normal() {
            seen.add(line);
        }
        let goes_on = match &reply {
            Reply::Plain(plain) => {
                body(stream, &mut buffer, &head, &seen) && answer(stream, &head, plain)
            }
            Reply::Raw(acts) => acts.iter().all(|step| match step {
                Act::ReadBody => body(stream, &mut buffer, &head, &seen),
                other => act(stream, &mut buffer, &seen, other),
            }),
            Reply::Frames(_) => panic!("{}: HTTP/1 came where the row expects HTTP/2", seen.case),
        };
        if !goes_on {
            return;
        }
    }
}

/// Reads the body that the head frames; whether it came whole.
fn body(stream: &TcpStream, buffer: &mut Vec<u8>, head: &Head, seen: &Seen) -> bool {
    let frame = match head.body() {
        Body::ToTheEnd => Body::Length(0),
        other => other,
    };
    let body = read_body(frame, buffer, &mut |buffer, length| {
        fill(stream, buffer, length)
    });
    if frame != Body::Length(0) {
        seen.add(format!("body {}", text(&body.bytes)));
    }
    for line in &body.trailers {
        seen.add(format!("trailer {line}"));
    }
    if let Some(end) = &body.cut {
        seen.add(format!("body cut by {end}"));
    }
    body.cut.is_none()
}

fn answer(mut stream: &TcpStream, head: &Head, plain: &Plain) -> bool {
    std::thread::sleep(std::time::Duration::from_millis(plain.delay));
    let mut answer = format!("HTTP/1.1 {} Reason\r\n", plain.status);
    for (name, value) in &plain.headers {
        answer.push_str(&format!("{name}: {value}\r\n"));
    }
    let bodiless = matches!(plain.status, 100..=199 | 204 | 304);
    let framed = plain
        .headers
        .iter()
        .any(|(name, _)| name == "content-length");
    if !plain.trailers.is_empty() {
        answer.push_str("transfer-encoding: chunked\r\n");
    } else if !bodiless && !framed {
        answer.push_str(&format!("content-length: {}\r\n", plain.body.len()));
    }
    answer.push_str("\r\n");
    let mut bytes = answer.into_bytes();
    if !bodiless && !head.first.starts_with("HEAD ") {
        if plain.trailers.is_empty() {
            bytes.extend_from_slice(&plain.body);
        } else {
            bytes.extend_from_slice(format!("{:x}\r\n", plain.body.len()).as_bytes());
            bytes.extend_from_slice(&plain.body);
            bytes.extend_from_slice(b"\r\n0\r\n");
            for (name, value) in &plain.trailers {
                bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
            }
            bytes.extend_from_slice(b"\r\n");
        }
    }
    stream.write_all(&bytes).is_ok()
}
