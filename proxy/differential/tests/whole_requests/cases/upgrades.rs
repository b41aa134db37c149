//! Upgrades, CONNECT and HTTP/2 asked for by HTTP/1.

use crate::case::{Act, Case, Reply, Step, To, answer, http1, raw};

const SOCKET: [&str; 4] = [
    "connection: Upgrade",
    "upgrade: websocket",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version: 13",
];

fn switching(more: Vec<Act>) -> Reply {
    let head = b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: s3pP\r\n\r\n";
    let mut acts = vec![Act::ReadBody, Act::Send(head.to_vec())];
    acts.extend(more);
    Reply::Raw(acts)
}

pub(super) fn cases() -> Vec<Case> {
    let open = http1("GET /chat", "echo", &SOCKET, "");
    let send = |text: &str| Step::Send(text.as_bytes().to_vec());
    let talk = || switching(vec![Act::Read(5), Act::Send(b"world".to_vec()), Act::Rest]);
    vec![
        Case::new(
            "WebSocket",
            "echo",
            vec![
                Step::Send(open.clone()),
                Step::Answer,
                send("hello"),
                Step::Bytes(5),
                Step::Shut,
                Step::Rest,
            ],
        )
        .reply(talk()),
        Case::new(
            "WebSocket with bytes at once",
            "echo",
            vec![
                Step::Send([open.clone(), b"hello".to_vec()].concat()),
                Step::Answer,
                Step::Bytes(5),
                Step::Shut,
                Step::Rest,
            ],
        )
        .reply(talk()),
        Case::new(
            "WebSocket ended by the server",
            "echo",
            vec![Step::Send(open.clone()), Step::Answer, Step::Rest],
        )
        .reply(switching(vec![Act::Send(b"bye".to_vec()), Act::Close])),
        Case::new(
            "WebSocket reset by the server",
            "echo",
            vec![Step::Send(open.clone()), Step::Answer, Step::Rest],
        )
        .reply(switching(vec![Act::Wait(40), Act::Reset])),
        Case::new(
            "WebSocket reset by the client",
            "echo",
            vec![
                Step::Send(open.clone()),
                Step::Answer,
                Step::Wait(40),
                Step::Reset,
                Step::Wait(40),
            ],
        )
        .reply(switching(vec![Act::Rest])),
        Case::new(
            "WebSocket refused",
            "echo",
            vec![Step::Send(open.clone()), Step::Answer],
        )
        .reply(answer(403, &[], b"no")),
        Case::new(
            "WebSocket answered with 200",
            "echo",
            vec![Step::Send(open.clone()), Step::Answer],
        )
        .reply(answer(200, &[], b"no")),
        Case::new(
            "WebSocket answered with another protocol",
            "echo",
            vec![Step::Send(open.clone()), Step::Answer],
        )
        .reply(raw(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: other\r\n\r\n",
        )),
        Case::new(
            "WebSocket to a service without a sidecar",
            "plain",
            vec![
                Step::Send(http1("GET /chat", "plain", &SOCKET, "")),
                Step::Answer,
                send("hello"),
                Step::Bytes(5),
                Step::Shut,
                Step::Rest,
            ],
        )
        .reply(talk()),
        Case::new(
            "WebSocket to nobody",
            "empty",
            vec![
                Step::Send(http1("GET /chat", "empty", &SOCKET, "")),
                Step::Answer,
            ],
        ),
        Case::new(
            "WebSocket from outside",
            "echo",
            vec![
                Step::Send(open),
                Step::Answer,
                send("hello"),
                Step::Bytes(5),
                Step::Shut,
                Step::Rest,
            ],
        )
        .to(To::Pod("a", 8080))
        .outside()
        .reply(talk()),
        Case::http1(
            "an upgrade to something else",
            "echo",
            "GET /",
            &["connection: upgrade", "upgrade: other"],
            "",
        ),
        Case::http1(
            "an upgrade to h2c",
            "echo",
            "GET /",
            &[
                "connection: upgrade, http2-settings",
                "upgrade: h2c",
                "http2-settings: AAMAAABkAAQAAP__",
            ],
            "",
        ),
        Case::http1(
            "an upgrade with a body",
            "echo",
            "POST /",
            &[
                "connection: upgrade",
                "upgrade: websocket",
                "content-length: 5",
            ],
            "hello",
        ),
        Case::http1("CONNECT", "echo", "CONNECT echo:80", &[], ""),
        Case::http1(
            "CONNECT to another",
            "echo",
            "CONNECT other.example:443",
            &["host: other.example:443"],
            "",
        ),
    ]
}
