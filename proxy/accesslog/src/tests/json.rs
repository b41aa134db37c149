use super::{bare, fields};
use crate::{Entry, JsonTemplate, Protocol, Value};

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn object(fields: Vec<(&str, Value)>) -> Vec<(String, Value)> {
    fields
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn render(fields: Vec<(&str, Value)>, omit: bool, entry: &Entry<'_>) -> String {
    let mut out = Vec::new();
    JsonTemplate::parse(&object(fields), omit)
        .unwrap()
        .render(entry, &mut out);
    String::from_utf8(out).unwrap()
}

/// A format that was given to Envoy 1.40, and the request that it logged.
fn given() -> Vec<(&'static str, Value)> {
    vec![
        ("z", text("%REQ(x-odd)%")),
        (
            "a",
            Value::Object(object(vec![
                ("c", Value::Number(1.0)),
                ("b", Value::Bool(true)),
                (
                    "l",
                    Value::List(vec![
                        text("%PROTOCOL%"),
                        text("x"),
                        Value::Number(2.5),
                        text("%REQ(nope)%"),
                        Value::Null,
                    ]),
                ),
            ])),
        ),
        ("n", Value::Null),
        ("m", text("x%REQ(nope)%y")),
        ("num", Value::Number(12_345_678_901_234_567_890.0)),
        ("num2", Value::Number(0.1)),
        ("e", text("")),
        ("dur", text("%DURATION%")),
        ("code", text("%RESPONSE_CODE% ")),
        ("Z", text("up")),
        ("é\"", text("k")),
        ("neg", Value::Number(-1e30)),
        ("tab", text("%REQ(x-tab)%")),
        (
            "nest",
            Value::Object(object(vec![("only", text("%REQ(nope)%"))])),
        ),
        ("nl", Value::List(vec![text("%REQ(nope)%")])),
        ("fl", text("%RESPONSE_FLAGS%")),
    ]
}

#[test]
fn keys_are_sorted_and_values_typed_as_envoy_1_40_wrote_them() {
    let request = fields(&[("x-odd", "q\"\\u{}%"), ("x-tab", "a\tb")]);
    let entry = Entry {
        request: Some(&request),
        protocol: Some(Protocol::Http11),
        response_code: 200,
        ..bare()
    };
    assert_eq!(
        render(given(), false, &entry),
        "{\"Z\":\"up\",\"a\":{\"b\":true,\"c\":1,\"l\":[\"HTTP/1.1\",\"x\",2.5,null,null]},\"code\":\"200 \",\"dur\":0,\"e\":\"\",\"fl\":\"-\",\"m\":\"x-y\",\"n\":null,\"neg\":-1e+30,\"nest\":{\"only\":null},\"nl\":[null],\"num\":12345678901234567168,\"num2\":0.1,\"tab\":\"a\\tb\",\"z\":\"q\\\"\\\\u{}%\",\"é\\\"\":\"k\"}\n"
    );
}

#[test]
fn empty_values_are_left_out_where_asked_and_objects_with_them_but_not_lists() {
    let request = fields(&[("x-odd", "o")]);
    let entry = Entry {
        request: Some(&request),
        protocol: Some(Protocol::Http11),
        ..bare()
    };
    let mut fields = given();
    fields
        .retain(|(key, _)| !matches!(*key, "num" | "num2" | "neg" | "code" | "dur" | "Z" | "é\""));
    assert_eq!(
        render(fields, true, &entry),
        "{\"a\":{\"b\":true,\"c\":1,\"l\":[\"HTTP/1.1\",\"x\",2.5]},\"e\":\"\",\"fl\":\"-\",\"m\":\"xy\",\"nl\":[],\"z\":\"o\"}\n"
    );
    assert_eq!(
        render(vec![("a", text("%PROTOCOL%"))], true, &bare()),
        "{}\n"
    );
}

#[test]
fn text_that_is_no_utf_8_is_escaped_byte_by_byte() {
    let mut request = headers::Headers::new();
    request.push(b"user-agent", b"\"ag\\ent\"\x80\xc3\xa9");
    request.push(b"x-fine", "né".as_bytes());
    let entry = Entry {
        request: Some(&request),
        ..bare()
    };
    assert_eq!(
        render(
            vec![
                ("a", text("%REQ(user-agent)%")),
                ("b", text("%REQ(x-fine)%"))
            ],
            false,
            &entry
        ),
        "{\"a\":\"\\u0022ag\\u005cent\\u0022\\u0080\\u00c3\\u00a9\",\"b\":\"né\"}\n"
    );
}

#[test]
fn every_byte_is_escaped_so_that_the_line_stays_one_line_of_json() {
    for byte in 0..=255_u8 {
        let mut request = headers::Headers::new();
        request.push(b"a", &[b'x', byte, b'y']);
        let entry = Entry {
            request: Some(&request),
            ..bare()
        };
        let mut out = Vec::new();
        JsonTemplate::parse(&object(vec![("a", text("%REQ(a)%"))]), false)
            .unwrap()
            .render(&entry, &mut out);
        let line = String::from_utf8(out).unwrap();
        let inside = line
            .strip_prefix("{\"a\":\"x")
            .unwrap()
            .strip_suffix("y\"}\n")
            .unwrap();
        assert!(inside.bytes().all(|b| b >= b' '), "{inside:?}");
        let back = match inside {
            "\\\"" => b'"',
            "\\\\" => b'\\',
            "\\n" => b'\n',
            "\\r" => b'\r',
            "\\t" => b'\t',
            "\\b" => 8,
            "\\f" => 12,
            _ => match inside.strip_prefix("\\u00") {
                Some(hex) => u8::from_str_radix(hex, 16).unwrap(),
                None => inside.as_bytes()[0],
            },
        };
        assert_eq!(back, byte, "{inside:?}");
    }
}

#[test]
fn numbers_ports_and_grpc_numbers_are_numbers() {
    let line = render(
        vec![
            ("a", text("%BYTES_SENT%")),
            ("b", text("%DOWNSTREAM_REMOTE_PORT%")),
            ("c", text("%RESPONSE_DURATION%")),
            ("d", text("%GRPC_STATUS(NUMBER)%")),
            ("e", text("%%")),
            ("f", text("%CUSTOM_FLAGS%")),
        ],
        false,
        &bare(),
    );
    assert_eq!(
        line,
        "{\"a\":0,\"b\":1234,\"c\":null,\"d\":null,\"e\":\"%\",\"f\":\"\"}\n"
    );
}

#[test]
fn an_error_names_the_keys_that_lead_to_it() {
    let fields = object(vec![
        ("fine", text("x")),
        (
            "outer",
            Value::Object(object(vec![(
                "list",
                Value::List(vec![text("a"), text("b %NOPE%")]),
            )])),
        ),
    ]);
    let error = JsonTemplate::parse(&fields, false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "outer.list.1: at byte 2: unknown operator %NOPE%"
    );
}

#[test]
fn nesting_is_bounded() {
    let nested = |deep| (0..deep).fold(Value::Null, |inner, _| Value::List(vec![inner]));
    assert!(JsonTemplate::parse(&object(vec![("a", nested(90))]), false).is_ok());
    assert!(JsonTemplate::parse(&object(vec![("a", nested(1_000))]), false).is_err());
}

#[test]
fn operators_that_have_no_value_here_are_listed() {
    let template = JsonTemplate::parse(
        &object(vec![("a", text("%UNIQUE_ID%")), ("b", text("x%TRACE_ID%"))]),
        false,
    )
    .unwrap();
    assert_eq!(
        template.unserved().collect::<Vec<_>>(),
        ["UNIQUE_ID", "TRACE_ID"]
    );
}
