//! Two ends of ours that speak with each other through cuts and short windows: neither ever finds an error, and all that
//! is said is heard.

use std::collections::HashMap;

use headers::Headers;
use http2::{Config, Connection, Event, HeadersKind, Role, StreamId};

use crate::input::Input;

/// Requests of one run.
const MOST: usize = 64;

/// One end, with what it has to say and what it heard, by the stream's number.
struct End {
    connection: Connection,
    left: HashMap<u32, (StreamId, Vec<u8>, bool)>,
    heard: HashMap<u32, (usize, bool)>,
    /// Content that came and is not given back.
    owed: Vec<(StreamId, usize)>,
}

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let config = Config {
        initial_window: u32::from(input.short()) | 64,
        max_concurrent_streams: u32::from(input.byte() % 8) + 1,
        header_table_size: u32::from(input.short()),
        streams_wait_alone: input.flag(),
        ..Config::default()
    };
    let (mut client, mut server) = (
        End::new(Role::Client, config),
        End::new(Role::Server, config),
    );
    let mut asked = HashMap::new();
    // Who does not know the other's SETTINGS yet may be refused.
    for _ in 0..2 {
        pass(&mut client, &mut server, usize::MAX, &asked);
        pass(&mut server, &mut client, usize::MAX, &asked);
    }
    while !input.is_empty() {
        match input.byte() % 8 {
            0 | 1 if client.connection.can_open() && asked.len() < MOST => {
                let list = request(&mut input);
                let content = usize::from(input.short() % 8192);
                let stream = client.connection.open(&list, content == 0, 0).unwrap();
                asked.insert(stream.number(), (list, content));
                if content > 0 {
                    client
                        .left
                        .insert(stream.number(), (stream, vec![1; content], false));
                }
            }
            2 => client.say(),
            3 => server.say(),
            4 => client.release(),
            5 => server.release(),
            6 => pass(&mut client, &mut server, usize::from(input.short()), &asked),
            _ => pass(&mut server, &mut client, usize::from(input.short()), &asked),
        }
    }
    // In the end all is carried.
    for _ in 0..10_000 {
        for end in [&mut client, &mut server] {
            end.say();
            end.release();
        }
        if client.connection.output_len() + server.connection.output_len() == 0 {
            break;
        }
        pass(&mut client, &mut server, usize::MAX, &asked);
        pass(&mut server, &mut client, usize::MAX, &asked);
    }
    for (number, (_, content)) in &asked {
        assert_eq!(
            server.heard.get(number),
            Some(&(*content, true)),
            "stream {number}"
        );
        assert_eq!(
            client.heard.get(number),
            Some(&(content / 2, true)),
            "stream {number}"
        );
    }
    assert_eq!(
        client.connection.active_streams() + server.connection.active_streams(),
        0
    );
}

/// A request with fields of the fuzzer's own, as far as HTTP allows them.
fn request(input: &mut Input<'_>) -> Headers {
    let mut list = Headers::new();
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "a"),
    ];
    list.extend(fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())));
    for _ in 0..input.byte() % 4 {
        let name: Vec<u8> = input.piece().iter().map(|b| b'a' + b % 26).collect();
        let value: Vec<u8> = input
            .piece()
            .iter()
            .map(|b| b.clamp(&b'!', &b'~'))
            .copied()
            .collect();
        let connection = [&b"te"[..], b"connection", b"upgrade", b"host"].contains(&&*name);
        if !name.is_empty() && !connection {
            list.push(&name, &value);
        }
    }
    list
}

impl End {
    fn new(role: Role, config: Config) -> Self {
        End {
            connection: Connection::new(role, config),
            left: HashMap::new(),
            heard: HashMap::new(),
            owed: Vec::new(),
        }
    }

    fn say(&mut self) {
        for (stream, rest, trailers) in self.left.values_mut() {
            let accepted = self.connection.send_data(*stream, rest, !*trailers);
            rest.drain(..accepted);
            if rest.is_empty() && *trailers {
                let mut list = Headers::new();
                list.push(b"grpc-status", b"0");
                self.connection.send_headers(*stream, &list, true);
            }
        }
        self.left.retain(|_, (_, rest, _)| !rest.is_empty());
    }

    fn release(&mut self) {
        for (stream, n) in self.owed.drain(..) {
            self.connection.release(stream, n);
        }
    }
}

fn pass(from: &mut End, to: &mut End, most: usize, asked: &HashMap<u32, (Headers, usize)>) {
    let n = most.min(from.connection.output_len());
    let bytes = from.connection.output()[..n].to_vec();
    from.connection.advance(n);
    let (mut input, mut list) = (&*bytes, Headers::new());
    loop {
        let event = to.connection.next(&mut input, &mut list);
        match event.expect("no error between two of ours") {
            None => return,
            Some(Event::Headers {
                stream,
                kind,
                end_stream,
                too_large,
                ..
            }) => {
                assert!(!too_large);
                if kind == HeadersKind::Request {
                    let (wanted, content) = &asked[&stream.number()];
                    assert_eq!(&list, wanted);
                    answer(to, stream, content / 2);
                }
                let heard = to.heard.entry(stream.number()).or_default();
                heard.1 |= end_stream;
            }
            Some(Event::Data {
                stream,
                bytes,
                end_stream,
                ..
            }) => {
                let heard = to.heard.entry(stream.number()).or_default();
                heard.0 += bytes.len();
                heard.1 |= end_stream;
                to.owed.push((stream, bytes.len()));
            }
            Some(Event::Writable { .. } | Event::Opened) => {}
            Some(other) => panic!("{other:?}"),
        }
    }
}

/// Content and trailers, or neither.
fn answer(to: &mut End, stream: StreamId, content: usize) {
    let mut list = Headers::new();
    list.push(b":status", b"200");
    to.connection.send_headers(stream, &list, content == 0);
    if content > 0 {
        to.left.insert(
            stream.number(),
            (stream, vec![2; content], stream.number() % 4 == 1),
        );
    }
}
