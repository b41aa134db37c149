//! HTTP/1 from one server to the next: the same bytes give the same events however they are cut, and what is forwarded is
//! read as the one request or answer that came.

use headers::Headers;
use http1::{BodyLength, Config, Connection, Error, Event, Role};

use crate::input::Input;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Head(Option<BodyLength>, bool, Fields),
    Data(Vec<u8>),
    Trailers(Fields),
    End,
    Tunnel,
}

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let method = input.pick(&[b"".as_slice(), b"GET", b"HEAD", b"CONNECT"]);
    let cut = usize::from(input.byte()) + 1;
    let stream = input.rest();
    let (whole, error, out) = read(method, &[stream]);
    let pieces: Vec<&[u8]> = stream.chunks(cut).collect();
    let (again, same_error, same_out) = read(method, &pieces);
    assert_eq!(again, whole);
    // What has no end may be seen to be wrong before that is missed, or not.
    if error != Some(Error::Truncated) && same_error != Some(Error::Truncated) {
        assert_eq!(same_error, error);
    }
    assert_eq!(same_error.is_some(), error.is_some());
    if error.is_some() || whole.last() != Some(&Seen::End) || whole.contains(&Seen::Tunnel) {
        return;
    }
    assert_eq!(same_out.is_empty(), out.is_empty());
    let (forwarded, error, twice) = read(method, &[&out]);
    let shown = out.escape_ascii();
    assert_eq!(error, None, "{shown}");
    assert_eq!(normal(&forwarded), normal(&whole), "{shown}");
    assert_eq!(read(method, &[&twice]).2, twice, "forwarding comes to rest");
}

/// A server where `method` is empty, else a client that asked so: the first message, and what the next one is told.
fn read(method: &[u8], pieces: &[&[u8]]) -> (Vec<Seen>, Option<Error>, Vec<u8>) {
    let (mut from, mut to) = if method.is_empty() {
        (
            Connection::new(Role::Server, config()),
            Connection::new(Role::Client, config()),
        )
    } else {
        (asked(method), answering(method))
    };
    let mut seen = Vec::new();
    let mut list = Headers::new();
    let mut kept = Vec::new();
    'all: for piece in pieces {
        kept.extend_from_slice(piece);
        let mut input = &*kept;
        loop {
            let event = match from.next(&mut input, &mut list) {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(error) => return (seen, Some(error), Vec::new()),
            };
            forward(event, &list, &mut to);
            push(&mut seen, event, &list);
            if event == Event::End || event == Event::Tunnel {
                break 'all;
            }
        }
        kept = input.to_vec();
    }
    if seen.last() != Some(&Seen::End) {
        match from.end_of_input() {
            Ok(Some(event)) => {
                forward(event, &list, &mut to);
                push(&mut seen, event, &list);
            }
            Ok(None) => {}
            Err(error) => return (seen, Some(error), Vec::new()),
        }
    }
    (seen, None, to.output().to_vec())
}

fn config() -> Config {
    Config {
        accept_http_10: true,
        allow_custom_methods: true,
        ..Config::default()
    }
}

fn asked(method: &[u8]) -> Connection {
    let mut connection = Connection::new(Role::Client, config());
    let mut head = Headers::new();
    head.push(b":method", method);
    head.push(b":authority", b"a:80");
    if method != b"CONNECT" {
        head.push(b":path", b"/");
    }
    connection.send_request(&head, BodyLength::Empty).unwrap();
    connection.advance(usize::MAX);
    connection
}

/// A server that was asked so.
fn answering(method: &[u8]) -> Connection {
    let mut connection = Connection::new(Role::Server, config());
    let target = if method == b"CONNECT" { "a:80" } else { "/" };
    let text = [
        method,
        format!(" {target} HTTP/1.1\r\nhost: a:80\r\n\r\n").as_bytes(),
    ]
    .concat();
    let mut input = &*text;
    while let Ok(Some(_)) = connection.next(&mut input, &mut Headers::new()) {}
    connection
}

fn forward(event: Event<'_>, list: &Headers, to: &mut Connection) {
    // A peer of HTTP/1.0 in front is told less; what it is told is compared.
    match event {
        Event::Request { body, .. } => to.send_request(list, body).unwrap(),
        Event::Informational => to.send_informational(list).unwrap(),
        Event::Response { body, .. } => to.send_response(list, body).unwrap(),
        Event::Data(data) => drop(to.send_data(data)),
        Event::Trailers => drop(to.send_trailers(list)),
        Event::End => drop(to.finish()),
        Event::Tunnel => {}
    }
}

fn push(seen: &mut Vec<Seen>, event: Event<'_>, list: &Headers) {
    let fields = || {
        list.iter()
            .map(|field| (field.name.to_vec(), field.value.to_vec()))
            .collect()
    };
    let next = match event {
        Event::Request { body, upgrade, .. } => Seen::Head(Some(body), upgrade, fields()),
        Event::Response { body, .. } => Seen::Head(Some(body), false, fields()),
        Event::Informational => Seen::Head(None, false, fields()),
        Event::Data(data) => {
            if let Some(Seen::Data(all)) = seen.last_mut() {
                all.extend_from_slice(data);
                return;
            }
            Seen::Data(data.to_vec())
        }
        Event::Trailers => Seen::Trailers(fields()),
        Event::End => Seen::End,
        Event::Tunnel => Seen::Tunnel,
    };
    seen.push(next);
}

/// Without what each hop may choose: how the content's end is told, and whether to say that there is none. A request of
/// HTTP/1.0 may name no host, which is an empty one in HTTP/1.1.
fn normal(seen: &[Seen]) -> Vec<Seen> {
    let mut seen = seen.to_vec();
    for one in &mut seen {
        if let Seen::Head(body, _, fields) = one {
            *body = None;
            let answer = fields.iter().any(|(name, _)| name == b":status");
            fields.retain(|(name, value)| match &**name {
                // What a client takes (RFC 9110, 10.1.4) means nothing in an answer, and is not said there.
                b"te" => !answer,
                b"content-length" => value != b"0",
                b":authority" => !value.is_empty(),
                _ => true,
            });
            fields.sort_by_key(|(name, _)| !name.starts_with(b":"));
        }
    }
    seen
}
