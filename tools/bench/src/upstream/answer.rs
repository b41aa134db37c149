//! What is answered to which request.

use std::io;

use headers::{Headers, Known};

/// Bytes of a gRPC request and of the answer to it: five of framing each.
pub(super) const ASKED: u64 = 12;
pub(super) const SAID: &[u8; 61] =
    b"\0\0\0\0\x38\x0a\x36Hello bench, this is an answer of sixty-one bytes here";

/// Content that is made in pieces.
pub(super) static CONTENT: [u8; 64 * 1024] = [b'y'; 64 * 1024];

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// `/helloworld.Greeter/SayHello`: one message, answered with one.
    Say,
    /// `/helloworld.Greeter/Chat`: messages, each answered with one.
    Chat,
    /// `/bytes/N`: so many bytes.
    Bytes(u64),
    /// `/count/N`: the number of bytes that came, which must be N, in 20 digits.
    Count(u64),
}

impl Asked {
    /// What a request asks for.
    pub(super) fn of(headers: &Headers) -> io::Result<Self> {
        let path = headers.get(Known::Path).unwrap_or_default();
        let path = std::str::from_utf8(path).unwrap_or_default();
        let number = |text: &str| text.parse().ok();
        match path {
            "/helloworld.Greeter/SayHello" => Some(Asked::Say),
            "/helloworld.Greeter/Chat" => Some(Asked::Chat),
            _ => path
                .strip_prefix("/bytes/")
                .and_then(number)
                .map(Asked::Bytes)
                .or_else(|| {
                    path.strip_prefix("/count/")
                        .and_then(number)
                        .map(Asked::Count)
                }),
        }
        .ok_or_else(|| io::Error::other(format!("nobody asks for {path}")))
    }

    /// The head of the answer.
    pub(super) fn head(self) -> Headers {
        let mut head = Headers::new();
        head.push_known(Known::Status, b"200");
        match self {
            Asked::Say | Asked::Chat => head.push_known(Known::ContentType, b"application/grpc"),
            Asked::Bytes(_) | Asked::Count(_) => {
                head.push_known(Known::ContentType, b"application/octet-stream");
            }
        }
        head
    }
}

/// The trailers of gRPC's answers: wrong requests are answered so that the load sees it.
pub(super) fn trailers(right: bool) -> Headers {
    let mut trailers = Headers::new();
    trailers.push_known(Known::GrpcStatus, if right { b"0" } else { b"3" });
    trailers
}

/// A number in 20 digits.
pub(super) fn digits(number: u64) -> Vec<u8> {
    format!("{number:020}").into_bytes()
}
