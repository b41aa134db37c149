//! What clients ask and applications answer: a gRPC call of 12 bytes answered by 61, and a GET answered by 1 KiB.

use headers::Headers;

/// A gRPC message with its prefix, as the client sends it.
pub(crate) const ASKED: &[u8; 12] = b"\0\0\0\0\x07\n\x05world";
/// The answer's, with its prefix.
pub(crate) const SAID: &[u8; 61] =
    b"\0\0\0\0\x38\n\x36hello world from greeter-v1 and its three neighbours!!";
/// The answer to GET.
pub(crate) const PAGE: &[u8; 1024] = &[b'p'; 1024];

fn list(fields: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::new();
    headers.extend(
        fields
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes())),
    );
    headers
}

/// The head of the gRPC call, as grpc-go sends it.
pub(crate) fn call(authority: &str) -> Headers {
    list(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/helloworld.Greeter/SayHello"),
        (":authority", authority),
        ("content-type", "application/grpc"),
        ("user-agent", "grpc-go/1.58.3"),
        ("te", "trailers"),
        ("grpc-timeout", "4999m"),
    ])
}

/// The head of its answer.
pub(crate) fn called() -> Headers {
    list(&[(":status", "200"), ("content-type", "application/grpc")])
}

/// The trailers of its answer.
pub(crate) fn trailers() -> Headers {
    list(&[("grpc-status", "0"), ("grpc-message", "")])
}

/// The head of the GET.
pub(crate) fn get(authority: &str) -> Headers {
    list(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/page"),
        (":authority", authority),
        ("user-agent", "curl/7.88.1"),
        ("accept", "*/*"),
    ])
}

/// The head of its answer.
pub(crate) fn got() -> Headers {
    list(&[
        (":status", "200"),
        ("content-type", "text/plain"),
        ("content-length", "1024"),
        ("date", "Tue, 31 Oct 2023 14:52:14 GMT"),
    ])
}
