//! Drives connections in tests, with what comes out in owned form.

use headers::Headers;
use http1::{BodyLength, Config, Connection, Error, Event, Role, Version};

pub(crate) type Fields = Vec<(String, Vec<u8>)>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Request {
        version: Version,
        body: BodyLength,
        upgrade: bool,
        expect_continue: bool,
        fields: Fields,
    },
    Informational(Fields),
    Response {
        version: Version,
        body: BodyLength,
        fields: Fields,
    },
    /// Pieces that follow each other are one.
    Data(Vec<u8>),
    Trailers(Fields),
    End,
    Tunnel,
}

pub(crate) fn fields(headers: &Headers) -> Fields {
    headers
        .iter()
        .map(|f| {
            (
                String::from_utf8(f.name.to_vec()).unwrap(),
                f.value.to_vec(),
            )
        })
        .collect()
}

/// The list from text, as `fields` gives it.
pub(crate) fn list(of: &[(&str, &str)]) -> Fields {
    of.iter()
        .map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec()))
        .collect()
}

pub(crate) fn headers(of: &[(&str, &str)]) -> Headers {
    let mut h = Headers::new();
    h.extend(of.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())));
    h
}

pub(crate) fn push(seen: &mut Vec<Seen>, event: Event<'_>, headers: &Headers) {
    let next = match event {
        Event::Request {
            version,
            body,
            upgrade,
            expect_continue,
        } => Seen::Request {
            version,
            body,
            upgrade,
            expect_continue,
            fields: fields(headers),
        },
        Event::Informational => Seen::Informational(fields(headers)),
        Event::Response { version, body } => Seen::Response {
            version,
            body,
            fields: fields(headers),
        },
        Event::Data(data) => {
            assert!(!data.is_empty());
            if let Some(Seen::Data(all)) = seen.last_mut() {
                all.extend_from_slice(data);
                return;
            }
            Seen::Data(data.to_vec())
        }
        Event::Trailers => Seen::Trailers(fields(headers)),
        Event::End => Seen::End,
        Event::Tunnel => Seen::Tunnel,
    };
    seen.push(next);
}

/// Gives all of `input`, and says what came of it and what is left.
pub(crate) fn feed<'i>(
    conn: &mut Connection,
    mut input: &'i [u8],
    seen: &mut Vec<Seen>,
) -> Result<&'i [u8], Error> {
    let mut list = Headers::new();
    while let Some(event) = conn.next(&mut input, &mut list)? {
        push(seen, event, &list);
    }
    assert!(
        input.is_empty() || !conn.wants_input(),
        "left {input:?} though it wants input"
    );
    Ok(input)
}

pub(crate) fn end(conn: &mut Connection, seen: &mut Vec<Seen>) -> Result<(), Error> {
    while let Some(event) = conn.end_of_input()? {
        push(seen, event, &Headers::new());
    }
    Ok(())
}

pub(crate) fn server() -> Connection {
    Connection::new(Role::Server, Config::default())
}

/// A server that takes HTTP/1.0, too.
pub(crate) fn old_server() -> Connection {
    Connection::new(
        Role::Server,
        Config {
            accept_http_10: true,
            ..Config::default()
        },
    )
}

/// A client that has sent a request with this method.
pub(crate) fn client(method: &str) -> Connection {
    let mut conn = Connection::new(Role::Client, Config::default());
    let head = if method == "CONNECT" {
        headers(&[(":method", method), (":authority", "a:80")])
    } else {
        headers(&[(":method", method), (":authority", "a"), (":path", "/")])
    };
    conn.send_request(&head, BodyLength::Empty).unwrap();
    written(&mut conn);
    conn
}

/// What a server makes of `input`.
pub(crate) fn asked(conn: &mut Connection, input: impl AsRef<[u8]>) -> Result<Vec<Seen>, Error> {
    let mut seen = Vec::new();
    feed(conn, input.as_ref(), &mut seen)?;
    Ok(seen)
}

/// What a fresh server makes of `input`.
pub(crate) fn ask(input: impl AsRef<[u8]>) -> Result<Vec<Seen>, Error> {
    asked(&mut server(), input)
}

/// What a client that has sent a request with `method` makes of `input`.
pub(crate) fn answer(method: &str, input: impl AsRef<[u8]>) -> Result<Vec<Seen>, Error> {
    asked(&mut client(method), input)
}

/// The value of a field of the first head.
pub(crate) fn value(seen: &[Seen], name: &str) -> Option<String> {
    let (Seen::Request { fields, .. }
    | Seen::Response { fields, .. }
    | Seen::Informational(fields)) = &seen[0]
    else {
        panic!("{seen:?} begins with no head");
    };
    let found = fields.iter().find(|(n, _)| n == name)?;
    Some(String::from_utf8_lossy(&found.1).into_owned())
}

/// All content of the message.
pub(crate) fn content(seen: &[Seen]) -> Vec<u8> {
    seen.iter()
        .filter_map(|s| {
            if let Seen::Data(d) = s {
                Some(d.clone())
            } else {
                None
            }
        })
        .flatten()
        .collect()
}

/// Takes all output.
pub(crate) fn written(conn: &mut Connection) -> String {
    let out = String::from_utf8_lossy(conn.output()).into_owned();
    conn.advance(usize::MAX);
    out
}

/// What a server writes in answer to a GET.
pub(crate) fn reply(
    conn: &mut Connection,
    status: &str,
    more: &[(&str, &str)],
    body: BodyLength,
) -> String {
    let mut head = headers(&[(":status", status)]);
    head.extend(more.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())));
    conn.send_response(&head, body).unwrap();
    written(conn)
}

/// A request of HTTP/1.1 with these field lines and content behind its `host`.
pub(crate) fn get(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nhost: a\r\n{lines}\r\n")
}

/// As [`get`], with POST and content.
pub(crate) fn post(lines: &str, content: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: a\r\n{lines}\r\n{content}")
}
