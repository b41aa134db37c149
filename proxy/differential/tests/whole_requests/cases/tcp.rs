//! Connections of bytes.

use std::net::Ipv4Addr;

use crate::case::{Act, Case, Reply, Step, To};

pub(super) fn cases() -> Vec<Case> {
    let send = |text: &str| Step::Send(text.as_bytes().to_vec());
    let talk = || Reply::Raw(vec![Act::Read(5), Act::Send(b"world".to_vec()), Act::Rest]);
    let greeting = || {
        Reply::Raw(vec![
            Act::Send(b"welcome".to_vec()),
            Act::Read(5),
            Act::Send(b"bye".to_vec()),
            Act::Close,
        ])
    };
    let case = |name: &str, service: &'static str, port: u16, steps: Vec<Step>, reply: Reply| {
        Case::new(format!("bytes {name}"), service, steps)
            .to(To::Service(service, port))
            .reply(reply)
    };
    let hello = || vec![send("hello"), Step::Bytes(5), Step::Shut, Step::Rest];
    vec![
        case("both ways", "echo", 9000, hello(), talk()),
        case(
            "both ways without a sidecar",
            "plain",
            9000,
            hello(),
            talk(),
        ),
        case(
            "many",
            "echo",
            9000,
            vec![send(&"x".repeat(500_000)), Step::Shut, Step::Rest],
            Reply::Raw(vec![Act::Rest]),
        ),
        case(
            "many back",
            "echo",
            9000,
            vec![send("x"), Step::Bytes(1_000_000), Step::Rest],
            Reply::Raw(vec![
                Act::Read(1),
                Act::Send(vec![b'y'; 1_000_000]),
                Act::Close,
            ]),
        ),
        case(
            "where the server speaks first",
            "echo",
            9001,
            vec![Step::Bytes(7), send("hello"), Step::Bytes(3), Step::Rest],
            greeting(),
        ),
        case(
            "where the server speaks first, no sidecar",
            "plain",
            9001,
            vec![Step::Bytes(7), send("hello"), Step::Bytes(3), Step::Rest],
            greeting(),
        ),
        case(
            "closed by the server",
            "echo",
            9000,
            vec![send("hello"), Step::Rest],
            Reply::Raw(vec![Act::Read(5), Act::Close]),
        ),
        case(
            "reset by the server",
            "echo",
            9000,
            vec![send("hello"), Step::Rest],
            Reply::Raw(vec![Act::Read(5), Act::Wait(30), Act::Reset]),
        ),
        case(
            "reset by the server, no sidecar",
            "plain",
            9000,
            vec![send("hello"), Step::Rest],
            Reply::Raw(vec![Act::Read(5), Act::Wait(30), Act::Reset]),
        ),
        case(
            "reset by the client",
            "echo",
            9000,
            vec![
                send("hello"),
                Step::Bytes(5),
                Step::Wait(30),
                Step::Reset,
                Step::Wait(60),
            ],
            talk(),
        ),
        case(
            "reset by the client, no sidecar",
            "plain",
            9000,
            vec![
                send("hello"),
                Step::Bytes(5),
                Step::Wait(30),
                Step::Reset,
                Step::Wait(60),
            ],
            talk(),
        ),
        case(
            "none",
            "echo",
            9000,
            vec![Step::Shut, Step::Rest],
            Reply::Raw(vec![Act::Rest]),
        ),
        case(
            "half closed and answered",
            "echo",
            9000,
            vec![send("hello"), Step::Shut, Step::Bytes(5), Step::Rest],
            Reply::Raw(vec![Act::Rest]),
        ),
        case(
            "to nobody",
            "empty",
            9000,
            vec![send("hello"), Step::Over],
            talk(),
        ),
        case(
            "where nobody listens",
            "refused",
            9000,
            vec![send("hello"), Step::Over],
            talk(),
        ),
        case(
            "where nobody listens, no sidecar",
            "refused-plain",
            9000,
            vec![send("hello"), Step::Over],
            talk(),
        ),
        case(
            "on a port of undeclared protocol",
            "echo",
            81,
            vec![send("hello\r\n\r\n"), Step::Rest],
            Reply::Raw(vec![Act::ReadBody, Act::Close]),
        ),
        case(
            "of TLS where the server has none",
            "tls",
            9000,
            vec![send("hello"), Step::Over],
            Reply::Raw(vec![Act::Wait(50), Act::Close]),
        ),
        Case::new("bytes to a pod's address", "echo", hello())
            .to(To::Pod("a", 9000))
            .reply(talk()),
        Case::new("bytes to a pod without a sidecar", "echo", hello())
            .to(To::Pod("plain", 9000))
            .reply(talk()),
        Case::new(
            "bytes to an unknown address",
            "echo",
            vec![send("hello"), Step::Over],
        )
        .to(To::Address(Ipv4Addr::new(10, 96, 7, 7), 9000)),
        Case::new("bytes from outside", "echo", hello())
            .to(To::Pod("a", 9000))
            .outside()
            .reply(talk()),
        Case::new(
            "bytes from outside to a port that no service has",
            "echo",
            hello(),
        )
        .to(To::Pod("a", 9002))
        .outside()
        .reply(talk()),
        Case::new(
            "bytes from outside to a port of HTTP",
            "echo",
            vec![send("hello\r\n\r\n"), Step::Answer],
        )
        .to(To::Pod("a", 8080))
        .outside(),
        Case::new(
            "bytes from outside to a port that wants mutual TLS",
            "echo",
            vec![send("hello"), Step::Rest],
        )
        .to(To::Pod("a", 8082))
        .outside(),
        Case::new(
            "bytes from outside where nobody listens",
            "echo",
            vec![send("hello"), Step::Over],
        )
        .to(To::Pod("a", 9099))
        .outside(),
    ]
}
