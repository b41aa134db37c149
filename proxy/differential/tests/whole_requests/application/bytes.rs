//! Connections of bytes.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;

use super::{Seen, act};
use crate::case::Reply;

/// Reads until the buffer has so many bytes. How the connection ended, where it did before.
pub(crate) fn fill(mut stream: &TcpStream, buffer: &mut Vec<u8>, length: usize) -> Option<String> {
    let mut chunk = [0; 16384];
    while buffer.len() < length {
        match stream.read(&mut chunk) {
            Ok(0) => return Some("end".to_owned()),
            Ok(n) => buffer.extend_from_slice(&chunk[..n]),
            Err(error) => return Some(end(&error)),
        }
    }
    None
}

/// How a connection that cannot be read on has ended.
pub(crate) fn end(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => "reset".to_owned(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "nothing more in time".to_owned(),
        other => format!("{other:?}"),
    }
}

pub(super) fn serve(stream: &TcpStream, seen: &Seen, reply: &Reply) {
    let Reply::Raw(acts) = reply else {
        panic!("a connection of bytes has an answer of bytes");
    };
    let mut buffer = Vec::new();
    for step in acts {
        if !act(stream, &mut buffer, seen, step) {
            return;
        }
    }
}
