//! What is forwarded says to the next server what it said to us: no accepted request turns into two, or into another.

use headers::Headers;
use http1::{Config, Connection, Event, Role};

use crate::drive::{self, Seen};
use crate::random::Random;

const LINES: &[&str] = &[
    "x: y\r\n",
    "X-Y:  z \r\n",
    "content-length: 5\r\n",
    "content-length: 05\r\n",
    "transfer-encoding: chunked\r\n",
    "Transfer-Encoding: CHUNKED\r\n",
    "transfer-encoding: gzip, chunked\r\n",
    "connection: close\r\n",
    "connection: x\r\n",
    "Connection: keep-alive, X-Y\r\n",
    "te: trailers\r\n",
    "upgrade: h2c\r\n",
    "connection: upgrade\r\n",
    "keep-alive: 3\r\n",
    "expect: 100-continue\r\n",
    "x: \u{e9}\r\n",
    "x: a\nb: c\r\n",
    "x : y\r\n",
    " x: y\r\n",
    "host: b\r\n",
    "cookie: a=b\r\n",
    "trailer: t\r\n",
    "x\r\n",
    "content-length: 5, 5\r\n",
];
const BODIES: &[&str] = &[
    "",
    "hello",
    "5\r\nhello\r\n0\r\n\r\n",
    "2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nt: 1\r\ncontent-length: 9\r\n\r\n",
    "0\r\n\r\n",
    "helloGET /hidden HTTP/1.1\r\nhost: a\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nhost: a\r\n\r\n",
    "5\nhello\n0\n\n",
];

/// Reads one request and writes it for the next server, as far as it is there.
fn forward(stream: &[u8]) -> Option<(Vec<Seen>, Vec<u8>)> {
    let mut from = drive::server();
    let mut to = Connection::new(Role::Client, Config::default());
    let (mut input, mut list) = (stream, Headers::new());
    let mut seen = Vec::new();
    loop {
        let event = from.next(&mut input, &mut list).ok()??;
        drive::push(&mut seen, event, &list);
        match event {
            Event::Request { body, .. } => to.send_request(&list, body).unwrap(),
            Event::Data(data) => to.send_data(data).unwrap(),
            Event::Trailers => to.send_trailers(&list).unwrap(),
            Event::End => {
                to.finish().unwrap();
                return Some((seen, to.output().to_vec()));
            }
            Event::Tunnel | Event::Informational | Event::Response { .. } => panic!("{event:?}"),
        }
    }
}

#[test]
fn what_is_forwarded_is_read_as_the_same_one_request() {
    let mut random = Random::new(11);
    let mut forwarded = 0;
    for _ in 0..60_000 {
        let method = random.pick(&["GET", "POST", "PUT", "DELETE", "OPTIONS"]);
        let target = random.pick(&["/", "/a?b", "http://c/d", "http://c?e", "http://c"]);
        let mut stream = format!("{method} {target} HTTP/1.1\r\nhost: a\r\n");
        for _ in 0..random.below(4) {
            stream += random.pick(LINES);
        }
        stream += "\r\n";
        stream += random.pick(BODIES);
        let mut stream = stream.into_bytes();
        if random.below(3) == 0 {
            let at = random.below(stream.len());
            stream[at] = u8::try_from(random.below(256)).unwrap();
        }
        let Some((came, out)) = forward(&stream) else {
            continue;
        };
        forwarded += 1;
        let text = String::from_utf8_lossy(&out);
        let mut next = drive::server();
        let mut again = Vec::new();
        let left =
            drive::feed(&mut next, &out, &mut again).unwrap_or_else(|e| panic!("{e}: {text:?}"));
        assert!(left.is_empty(), "another request hides in {text:?}");
        assert_eq!(normal(&came), normal(&again), "{text:?}");
        let (_, twice) = forward(&out).unwrap();
        let (_, thrice) = forward(&twice).unwrap();
        assert_eq!(thrice, twice, "forwarding comes to rest");
    }
    assert!(
        forwarded > 15_000,
        "only {forwarded} were accepted: the lines do not fit"
    );
}

/// Without what each hop may choose: whether to say that there is no content.
fn normal(seen: &[Seen]) -> Vec<Seen> {
    let mut seen = seen.to_vec();
    if let Some(Seen::Request {
        fields,
        expect_continue,
        ..
    }) = seen.first_mut()
    {
        fields.retain(|(name, value)| name != "content-length" || value != b"0");
        fields.sort_by_key(|(name, _)| !name.starts_with(':'));
        *expect_continue = false;
    }
    seen
}
