//! Client and server of this crate, joined.

use headers::Headers;
use http1::{BodyLength, Config, Connection, Event, Role};

use crate::drive::{Seen, fields, headers, push};
use crate::random::Random;

/// A message as the sender has it.
struct Message {
    head: Headers,
    length: BodyLength,
    content: Vec<Vec<u8>>,
    trailers: Option<Headers>,
}

fn message(random: &mut Random, first: &[(&str, &str)], may_have_content: bool) -> Message {
    let mut head = headers(first);
    for n in 0..random.below(5) {
        head.push(
            format!("x-{n}").as_bytes(),
            "v".repeat(random.below(300)).as_bytes(),
        );
    }
    let mut content: Vec<Vec<u8>> = Vec::new();
    if may_have_content {
        content = (0..random.below(4))
            .map(|_| vec![b'c'; random.below(5000)])
            .collect();
    }
    let total = content.iter().map(Vec::len).sum::<usize>() as u64;
    let length = match random.below(2) {
        _ if total == 0 => BodyLength::Empty,
        0 => BodyLength::Exact(total),
        _ => BodyLength::Unknown,
    };
    if let BodyLength::Exact(n) = length {
        head.push(b"content-length", n.to_string().as_bytes());
    }
    let trailers = (length == BodyLength::Unknown && random.below(2) == 0)
        .then(|| headers(&[("t", "1"), ("u", "2")]));
    Message {
        head,
        length,
        content,
        trailers,
    }
}

impl Message {
    fn send(&self, conn: &mut Connection, request: bool) {
        if request {
            conn.send_request(&self.head, self.length).unwrap();
        } else {
            conn.send_response(&self.head, self.length).unwrap();
        }
        for piece in &self.content {
            conn.send_data(piece).unwrap();
        }
        match &self.trailers {
            Some(trailers) => conn.send_trailers(trailers).unwrap(),
            None => conn.finish().unwrap(),
        }
    }

    /// Checks what the other side saw of it.
    fn check(&self, seen: &[Seen]) {
        let (Seen::Request {
            fields: came, body, ..
        }
        | Seen::Response {
            fields: came, body, ..
        }) = &seen[0]
        else {
            panic!("{seen:?}");
        };
        let without_length = |fields: &crate::drive::Fields| {
            let mut fields: Vec<_> = fields
                .iter()
                .filter(|(n, _)| n != "content-length")
                .cloned()
                .collect();
            fields.sort();
            fields
        };
        assert_eq!(without_length(came), without_length(&fields(&self.head)));
        assert_eq!(*body, self.length);
        let content = self.content.concat();
        let mut want = Vec::new();
        if !content.is_empty() {
            want.push(Seen::Data(content));
        }
        want.extend(self.trailers.as_ref().map(|t| Seen::Trailers(fields(t))));
        want.push(Seen::End);
        assert_eq!(seen[1..], want);
    }
}

/// Carries all output of one to the other, in random pieces.
fn carry(from: &mut Connection, to: &mut Connection, random: &mut Random, seen: &mut Vec<Seen>) {
    let mut list = Headers::new();
    while !from.output().is_empty() {
        let n = 1 + random.below(from.output().len().min(1500));
        let piece = from.output()[..n].to_vec();
        from.advance(n);
        let mut input = &piece[..];
        while let Some(event) = to.next(&mut input, &mut list).unwrap() {
            push(seen, event, &list);
        }
        assert!(input.is_empty());
    }
}

#[test]
fn a_thousand_exchanges_on_one_connection_arrive_as_they_were_sent() {
    let mut random = Random::new(5);
    let mut client = Connection::new(Role::Client, Config::default());
    let mut server = Connection::new(Role::Server, Config::default());
    for _ in 0..1000 {
        let method = random.pick(&["GET", "POST", "PUT", "HEAD"]);
        let first = [
            (":method", method),
            (":path", "/p?q"),
            (":authority", "a:80"),
        ];
        let request = message(&mut random, &first, method != "HEAD");
        let status = random.pick(&["200", "204", "304", "404", "500"]);
        let may_have_content = method != "HEAD" && !matches!(status, "204" | "304");
        let response = message(&mut random, &[(":status", status)], may_have_content);
        let (mut at_server, mut at_client) = (Vec::new(), Vec::new());
        request.send(&mut client, true);
        carry(&mut client, &mut server, &mut random, &mut at_server);
        request.check(&at_server);
        let hints = random.below(3);
        for _ in 0..hints {
            server
                .send_informational(&headers(&[(":status", "103"), ("link", "x")]))
                .unwrap();
        }
        response.send(&mut server, false);
        carry(&mut server, &mut client, &mut random, &mut at_client);
        assert!(
            at_client[..hints]
                .iter()
                .all(|s| matches!(s, Seen::Informational(_)))
        );
        response.check(&at_client[hints..]);
        assert!(client.is_idle() && server.is_idle() && client.keep_alive() && server.keep_alive());
    }
}

#[test]
fn a_response_that_streams_to_http_1_0_ends_with_the_connection() {
    let mut server = crate::drive::old_server();
    crate::drive::asked(&mut server, "GET / HTTP/1.0\r\nhost: a\r\n\r\n").unwrap();
    server
        .send_response(&headers(&[(":status", "200")]), BodyLength::Unknown)
        .unwrap();
    server.send_data(b"abc").unwrap();
    server.finish().unwrap();
    let mut client = crate::drive::client("GET");
    let (mut input, mut list) = (server.output(), Headers::new());
    let mut seen = Vec::new();
    while let Some(event) = client.next(&mut input, &mut list).unwrap() {
        push(&mut seen, event, &list);
    }
    assert_eq!(client.end_of_input(), Ok(Some(Event::End)));
    assert_eq!(seen[1..], [Seen::Data(b"abc".to_vec())]);
    assert!(server.should_close() && client.should_close());
}
