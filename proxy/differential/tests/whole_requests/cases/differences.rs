//! What we do otherwise than Envoy, and why. Each row here is tried, too: one that is equal again fails.

/// Reason, and the rows that it is of.
pub(super) const ALL: &[(&str, &[&str])] = &[
    (
        "a connection that carried an answer made here is kept where nothing is wrong with it; Envoy closes it",
        &[
            "target /a%00b",
            "WebSocket to nobody",
            "an upgrade to something else",
            "CONNECT",
            "CONNECT to another",
        ],
    ),
    (
        "what the codec refuses has no request: the line has no method and DPE, and the answer says what is wrong",
        &["target /a#b", "no host"],
    ),
    (
        "RFC 3986, 6.2.3: an empty path is a slash; Envoy has a path that routes nowhere",
        &["target http://echo?q"],
    ),
    (
        "RFC 9112, 3.2.4 asks for an asterisk, which routes nowhere; Envoy sends a slash",
        &["target of OPTIONS without a path"],
    ),
    (
        "RFC 9112, 3.2 asks for 400: this is no host and port, or there are two",
        &["host \"echo@80\"", "two hosts"],
    ),
    (
        "Envoy without Istio's ALPN filter offers the name istio alone, so the inbound side takes HTTP for bytes",
        &[
            "a port of undeclared protocol",
            "HTTP/2 to a port of undeclared protocol",
        ],
    ),
    (
        "RFC 9110, 10.1.4: te is nominated in connection; Envoy does not",
        &["header te trailers", "HTTP/2 te trailers"],
    ),
    (
        "fields of one name stay apart, which means the same (RFC 9110, 5.3); Envoy joins those it knows",
        &[
            "header a second user agent",
            "forwarding x-forwarded-for twice",
            "forwarding from outside x-forwarded-for twice",
            "forwarding x-request-id twice",
            "forwarding from outside x-request-id twice",
            "gRPC of another content type",
        ],
    ),
    (
        "the mesh's own fields are taken from requests, as Istio's filters do",
        &["header a header of the mesh's own"],
    ),
    (
        "RFC 9110, 7.6.1: fields that connection names go no further; Envoy sends them on",
        &["header of an answer connection with a token"],
    ),
    (
        "RFC 9112, 5.1: the space is removed from an answer; Envoy refuses it",
        &["head of an answer with a space before the colon"],
    ),
    (
        "an answer of HTTP/1 has a version of HTTP/1; Envoy takes any",
        &["head of an answer of HTTP/2.0"],
    ),
    (
        "no chunks are no body: content-length 0",
        &["body of no chunks"],
    ),
    (
        "trailers are sent on; Envoy drops them where HTTP/1 is on one side",
        &[
            "body in chunks with trailers",
            "HTTP/2 a body with trailers",
            "HTTP/2 trailers without a body",
            "answer with trailers",
            "HTTP/2 an answer with trailers",
        ],
    ),
    (
        "bytes that came at once are looked at before anything is sent on, so a request that breaks in them is not begun",
        &[
            "body in chunks of broken size",
            "HTTP/2 a body shorter than its length",
            "HTTP/2 a body longer than its length",
        ],
    ),
    (
        "RFC 9112, 6.3 asks for 400 where chunked is not last; Envoy answers 501",
        &["body with an encoding that is none"],
    ),
    (
        "what was good of a body has been sent on when the rest is broken",
        &[
            "body in chunks without their end",
            "answer in chunks with a broken size",
        ],
    ),
    (
        "RFC 9110, 15.2: interim answers are sent on, but for 100, which is answered here; Envoy drops them",
        &[
            "answer 102 before",
            "answer 103 before",
            "HTTP/2 an interim answer",
            "gRPC an interim head",
            "closed after an interim answer",
        ],
    ),
    (
        "an answer of 101 that nobody asked for is broken (RFC 9110, 15.2.2); Envoy sends it on",
        &["answer 101 unasked"],
    ),
    (
        "folded lines are refused, as RFC 9112, 5.2 allows; Envoy joins them",
        &["a folded line"],
    ),
    (
        "a bare CR is refused, as RFC 9112, 2.2 asks; Envoy drops it",
        &["a bare CR in a value"],
    ),
    (
        "bytes of a body that came with its head are counted though the answer is made here",
        &[
            "no endpoint and a body",
            "gRPC no endpoint",
            "answer of the route to a body",
            "fault and a body",
        ],
    ),
    (
        "an answer that is reset is told apart from a whole one; Envoy takes a reset for the end",
        &["reset within a body to the end"],
    ),
    (
        "RFC 9113, 8.1.1: a malformed request is an error of its stream; Envoy ends the connection",
        &[
            "HTTP/2 a path that is empty",
            "HTTP/2 a path with a space",
            "HTTP/2 a method with a space",
            "HTTP/2 an authority with a user",
            "HTTP/2 an unknown pseudo-header",
            "HTTP/2 a pseudo-header after a field",
            "HTTP/2 a pseudo-header twice",
            "HTTP/2 a status in a request",
            "HTTP/2 a name of upper case",
            "HTTP/2 connection",
            "HTTP/2 keep-alive",
            "HTTP/2 proxy-connection",
            "HTTP/2 transfer-encoding",
            "HTTP/2 upgrade",
            "HTTP/2 te gzip",
            "HTTP/2 an empty name",
            "HTTP/2 a CR in a value",
            "HTTP/2 an LF in a value",
            "HTTP/2 a NUL in a value",
            "HTTP/2 a colon in a name",
            "HTTP/2 content-length that is none",
            "HTTP/2 two content-lengths",
            "HTTP/2 a path without a slash",
            "HTTP/2 no method",
            "HTTP/2 no scheme",
            "HTTP/2 no path",
            "HTTP/2 content-length without a body",
            "HTTP/2 trailers that do not end",
            "HTTP/2 trailers with a pseudo-header",
        ],
    ),
    (
        "RFC 9113, 8.2.1: a value with spaces around is malformed; Envoy trims it",
        &["HTTP/2 spaces around a value"],
    ),
    (
        "RFC 9113, 8.3.1 does not ask for an authority; Envoy does",
        &["HTTP/2 no authority"],
    ),
    (
        "between two of us HTTP/1.1 goes by HTTP/2, where any method passes; Envoy's HTTP/1 parser knows some",
        &["HTTP/2 a method of lower case", "HTTP/2 an unknown method"],
    ),
    (
        "fields beyond the limit are answered with 431 (RFC 6585, 5); Envoy resets the stream",
        &["HTTP/2 fields longer than allowed"],
    ),
    (
        "RFC 9113, 5.4.1: GOAWAY tells why a connection ends; Envoy's words for it are its library's, or there are none",
        &[
            "HTTP/2 an answer to settings that were not sent",
            "HTTP/2 headers on an even stream",
            "HTTP/2 headers on a lower stream",
            "HTTP/2 a window of 0 more",
            "HTTP/2 a window too wide",
            "HTTP/2 a broken block",
            "HTTP/2 no settings after the preface",
        ],
    ),
    (
        "RFC 9113, 5.1: data after the end of its stream is an error of the stream; Envoy ends the connection",
        &["HTTP/2 data after the end"],
    ),
    (
        "RFC 9113, 8.1: the rest of a request that is answered is not wanted; Envoy reads it",
        &["gRPC to a service with faults for other paths"],
    ),
    (
        "an answer without a body to HEAD has the length that GET would have; Envoy calls it chunked",
        &["route by method HEAD", "answer of the route to HEAD /r/uri"],
    ),
    (
        "64 KiB of a body are kept to send them again, as docs/design/dataplane.md says; Envoy keeps 1 MiB",
        &["a large body and 503"],
    ),
    (
        "a TLS library's words for a connection that ends within the handshake",
        &[
            "mutual TLS by rule to a port that has none",
            "bytes of TLS where the server has none",
        ],
    ),
    (
        "a request to upgrade says that it has no body",
        &[
            "WebSocket",
            "WebSocket with bytes at once",
            "WebSocket reset by the client",
            "WebSocket answered with another protocol",
            "WebSocket from outside",
            "WebSocket to a service without a sidecar",
        ],
    ),
    (
        "an upgraded connection that the server ends is over as it should be; Envoy calls it UC",
        &[
            "WebSocket ended by the server",
            "WebSocket reset by the server",
        ],
    ),
    (
        "who does not upgrade has answered as any other request, body and connection included; Envoy drops both",
        &["WebSocket refused", "WebSocket answered with 200"],
    ),
    (
        "a body beside an upgrade: Envoy takes it for the other protocol's and waits for ever",
        &["an upgrade with a body"],
    ),
];
