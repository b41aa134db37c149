//! Formats of access logs, and what they make of a request.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, UNIX_EPOCH};

use accesslog::{Downstream, Entry, JsonTemplate, Protocol, Template, Value};
use headers::Headers;

use crate::input::Input;

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let omit = input.flag();
    let value = input.piece();
    let text = String::from_utf8_lossy(input.rest());
    let mut request = Headers::new();
    request.extend([
        (&b":method"[..], &b"GET"[..]),
        (b":path", value),
        (b":authority", b"a.example"),
        (b"x-forwarded-for", value),
    ]);
    let mut response = Headers::new();
    response.extend([(&b"x"[..], value)]);
    let address = |port| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    let bare = Entry::new(UNIX_EPOCH, Downstream::new(address(80), address(1234)));
    let full = Entry {
        request: Some(&request),
        response: Some(&response),
        trailers: Some(&response),
        protocol: Some(Protocol::Http2),
        response_code: 200,
        response_code_details: "via_upstream",
        duration: Duration::from_micros(1_234_567),
        request_duration: Some(Duration::from_micros(1)),
        ..Entry::new(
            UNIX_EPOCH + Duration::from_nanos(1_698_763_934_279_123_456),
            Downstream::new(address(80), address(1234)),
        )
    };
    if let Ok(template) = Template::parse_with(&text, omit) {
        let mut out = Vec::new();
        template.render(&bare, &mut out);
        template.render(&full, &mut out);
        let most = 64 * (text.len() + 1) * (value.len() + 64);
        assert!(out.len() <= most, "{} of {most}", out.len());
        assert_eq!(template.constant().is_some(), template.is_constant());
    }
    // The same text as values and keys of an object: what comes out is JSON, one line of it.
    let Some((key, rest)) = text.split_once('\n') else {
        return;
    };
    let nested = Value::Object(vec![(key.to_owned(), Value::Text(rest.to_owned()))]);
    let fields = [
        (key.to_owned(), Value::Text(rest.to_owned())),
        (
            "list".to_owned(),
            Value::List(vec![nested, Value::Text(key.to_owned())]),
        ),
    ];
    if let Ok(template) = JsonTemplate::parse(&fields, omit) {
        for entry in [&bare, &full] {
            let mut out = Vec::new();
            template.render(entry, &mut out);
            let line = out.strip_suffix(b"\n").expect("a line");
            assert!(!line.contains(&b'\n'));
            let json = serde_json::from_slice::<serde_json::Value>(line);
            assert!(
                json.is_ok() || std::str::from_utf8(line).is_err(),
                "{json:?}: {}",
                String::from_utf8_lossy(line)
            );
        }
    }
}
