//! What one request is, and what a right answer to it.

use headers::{Headers, Known};

use crate::mesh::HOST;

/// What is spoken: a version of HTTP, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    Http2,
    /// None: bytes.
    Tcp,
}

/// A request and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) version: Version,
    pub(crate) head: Headers,
    /// Bytes of the request's content; of each message where there are several.
    pub(crate) body: u64,
    /// Bytes of the answer's content; of the answer to each message where there are several.
    pub(crate) answer: u64,
    /// Messages sent on one stream, each after the answer to the one before. With more than one, each counts as a
    /// request.
    pub(crate) messages: u32,
    /// Whether the answer ends with `grpc-status: 0`.
    pub(crate) grpc: bool,
}

impl Exchange {
    /// A gRPC call with a 12-byte request and a 61-byte answer.
    pub(crate) fn grpc() -> Self {
        let mut head = head("POST", "/helloworld.Greeter/SayHello");
        head.push_known(Known::ContentType, b"application/grpc");
        head.push_known(Known::Te, b"trailers");
        head.push_known(Known::UserAgent, b"grpc-go/1.76.0");
        Exchange {
            version: Version::Http2,
            head,
            body: 12,
            answer: 61,
            messages: 1,
            grpc: true,
        }
    }

    /// A gRPC stream of so many messages, of the same sizes.
    pub(crate) fn grpc_stream(messages: u32) -> Self {
        let mut exchange = Exchange {
            messages,
            ..Exchange::grpc()
        };
        exchange.head.set(Known::Path, b"/helloworld.Greeter/Chat");
        exchange
    }

    /// A GET that is answered with so many bytes.
    pub(crate) fn get(version: Version, bytes: u64) -> Self {
        let mut head = head("GET", &format!("/bytes/{bytes}"));
        head.push_known(Known::UserAgent, b"bench/1");
        Exchange {
            version,
            head,
            body: 0,
            answer: bytes,
            messages: 1,
            grpc: false,
        }
    }

    /// A POST of so many bytes that is answered with their number, in 20 digits.
    pub(crate) fn post(version: Version, bytes: u64) -> Self {
        let mut head = head("POST", &format!("/count/{bytes}"));
        head.push_known(Known::UserAgent, b"bench/1");
        Exchange {
            version,
            head,
            body: bytes,
            answer: 20,
            messages: 1,
            grpc: false,
        }
    }

    /// So many bytes, asked for over a connection that carries nothing else.
    pub(crate) fn bytes(bytes: u64) -> Self {
        Exchange {
            version: Version::Tcp,
            ..Exchange::get(Version::Http1, bytes)
        }
    }

    /// The same with 1.2 KB more of fields: what a browser or a tracing library sends along.
    pub(crate) fn with_big_headers(mut self) -> Self {
        for n in 0..6_u8 {
            let value: Vec<u8> = (0..184_u8)
                .map(|i| b'a' + (i ^ n.wrapping_mul(7)) % 26)
                .collect();
            self.head.push(format!("x-bench-{n}").as_bytes(), &value);
        }
        self
    }
}

fn head(method: &str, path: &str) -> Headers {
    let mut head = Headers::new();
    head.push_known(Known::Method, method.as_bytes());
    head.push_known(Known::Scheme, b"http");
    head.push_known(Known::Authority, HOST.as_bytes());
    head.push_known(Known::Path, path.as_bytes());
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn big_headers_are_1_2_kb_more() {
        let (plain, big) = (Exchange::grpc(), Exchange::grpc().with_big_headers());
        let bytes = |e: &Exchange| {
            e.head
                .iter()
                .map(|f| f.name.len() + f.value.len())
                .sum::<usize>()
        };
        let more = bytes(&big) - bytes(&plain);
        assert!((1_100..1_300).contains(&more), "{more}");
    }
}
