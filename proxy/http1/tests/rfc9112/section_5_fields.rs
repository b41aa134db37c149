//! RFC 9112, 5: field syntax.

use http1::{Config, Connection, Error, Role};

use crate::drive::{Seen, answer, ask, asked, get, list, value};

#[test]
fn s5_names_are_lower_case_and_values_without_white_space_around_them() {
    let seen = ask(get(
        "X-MiXeD:a b\r\nY:  \t c\t \r\nEmpty:\r\nColon: a:b\r\n",
    ))
    .unwrap();
    let Seen::Request { fields, .. } = &seen[0] else {
        panic!()
    };
    assert_eq!(
        fields[3..],
        list(&[
            ("x-mixed", "a b"),
            ("y", "c"),
            ("empty", ""),
            ("colon", "a:b")
        ])
    );
}

#[test]
fn s5_1_white_space_before_the_colon_of_a_request_is_answered_with_400() {
    for line in [
        "x : y",
        "x\t: y",
        "content-length : 3",
        "transfer-encoding\t: chunked",
        "x y: z",
    ] {
        let error = ask(get(&format!("{line}\r\n"))).unwrap_err();
        assert_eq!((error, error.status()), (Error::FieldName, 400), "{line:?}");
    }
}

#[test]
fn s5_1_white_space_before_the_colon_of_a_response_is_removed() {
    let seen = answer(
        "GET",
        "HTTP/1.1 200 OK\r\nX \t: y\r\nContent-Length : 2\r\n\r\nok",
    )
    .unwrap();
    let Seen::Response { fields, .. } = &seen[0] else {
        panic!()
    };
    assert_eq!(
        fields,
        &list(&[(":status", "200"), ("x", "y"), ("content-length", "2")])
    );
    assert_eq!(
        answer("GET", "HTTP/1.1 200 OK\r\nx y: z\r\n\r\n"),
        Err(Error::FieldName)
    );
}

#[test]
fn s5_1_names_are_tokens() {
    for line in [
        "", ": a", "xabc", "a(b: c", "a\"b: c", "a/b: c", "a@b: c", "[a]: c", "a\x01: c",
        ":path: /",
    ] {
        if !line.is_empty() {
            assert_eq!(
                ask(get(&format!("{line}\r\n"))),
                Err(Error::FieldName),
                "{line:?}"
            );
        }
    }
    assert_eq!(
        ask(b"GET / HTTP/1.1\r\nhost: a\r\na\x80b: c\r\n\r\n"),
        Err(Error::FieldName)
    );
    assert_eq!(
        ask(b"GET / HTTP/1.1\r\nhost: a\r\na\0: c\r\n\r\n"),
        Err(Error::FieldName)
    );
    let odd = "!#$%&'*+-.^_`|~09az";
    assert_eq!(
        value(&ask(get(&format!("{odd}: c\r\n"))).unwrap(), odd).unwrap(),
        "c"
    );
}

#[test]
fn s5_1_a_name_may_be_as_long_as_the_head() {
    for len in [1, 62, 63, 64, 65, 66, 128, 5000] {
        let seen = ask(get(&format!("{}: c\r\n", "X".repeat(len)))).unwrap();
        assert_eq!(value(&seen, &"x".repeat(len)).unwrap(), "c");
        assert_eq!(
            ask(get(&format!("{}(: c\r\n", "X".repeat(len)))),
            Err(Error::FieldName)
        );
        assert_eq!(
            ask(get(&format!("{}\r\n", "X".repeat(len)))),
            Err(Error::FieldName)
        );
    }
}

#[test]
fn s5_2_a_folded_line_in_a_request_is_answered_with_400() {
    for fold in [
        "x: a\r\n b\r\n",
        "x: a\r\n\tb\r\n",
        "x: a\r\n \r\n",
        "x: a\n b\r\n",
        "transfer-encoding:\r\n chunked\r\n",
    ] {
        let error = ask(get(fold)).unwrap_err();
        assert_eq!(
            (error, error.status()),
            (Error::ObsoleteFold, 400),
            "{fold:?}"
        );
    }
}

#[test]
fn s5_2_a_folded_line_in_a_response_discards_it() {
    assert_eq!(
        answer("GET", "HTTP/1.1 200 OK\r\nx: a\r\n b\r\n\r\n"),
        Err(Error::ObsoleteFold)
    );
}

#[test]
fn the_number_of_fields_is_bounded_as_envoys() {
    assert!(ask(get(&"x: y\r\n".repeat(99))).is_ok());
    let error = ask(get(&"x: y\r\n".repeat(100))).unwrap_err();
    assert_eq!(
        (error.status(), error.details()),
        (431, "http1.too_many_headers")
    );
}

#[test]
fn the_size_of_a_head_is_bounded_whether_it_comes_at_once_or_in_pieces() {
    let config = Config {
        max_head_bytes: 64,
        ..Config::default()
    };
    let request = |n: usize| get(&format!("x: {}\r\n", "y".repeat(n)));
    let fits = (0..)
        .take_while(|n| request(*n).len() <= 64)
        .last()
        .unwrap();
    for piece in [1, 7, 63, 64, 65, 1000] {
        let fed = |text: &str| {
            let mut conn = Connection::new(Role::Server, config);
            let mut seen = Vec::new();
            for part in text.as_bytes().chunks(piece) {
                seen.extend(asked(&mut conn, part)?);
            }
            Ok::<_, Error>(seen)
        };
        assert_eq!(fed(&request(fits)).unwrap().len(), 2);
        assert_eq!(fed(&request(fits + 1)), Err(Error::HeadTooLarge), "{piece}");
        assert_eq!(fed(&"x".repeat(65)), Err(Error::HeadTooLarge), "{piece}");
    }
}
