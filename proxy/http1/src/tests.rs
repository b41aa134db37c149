#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use headers::Headers;

use crate::output::Output;
use crate::section::Section;
use crate::{BodyLength, Config, Connection, Error, Role, digits, octets, reason};

#[test]
fn a_line_feed_is_found_wherever_it_stands() {
    for len in 0..100 {
        let mut bytes = vec![b'x'; len];
        assert_eq!(octets::line_feed(&bytes), None);
        for at in (0..len).rev() {
            bytes[at] = b'\n';
            assert_eq!(octets::line_feed(&bytes), Some(at));
        }
    }
}

#[test]
fn a_token_has_the_bytes_of_rfc_9110_and_no_others() {
    for b in 0..=255_u8 {
        let is = b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        assert_eq!(
            octets::token_lower(b),
            if is { b.to_ascii_lowercase() } else { 0 }
        );
        assert_eq!(
            octets::is_field_value(&[b]),
            b == b'\t' || (b >= b' ' && b != 0x7f)
        );
        assert_eq!(octets::is_target(&[b]), b.is_ascii_graphic());
    }
}

#[test]
fn white_space_is_trimmed_at_both_ends_alone() {
    for (from, to) in [
        (&b""[..], &b""[..]),
        (b" \t ", b""),
        (b" a b\t", b"a b"),
        (b"a", b"a"),
    ] {
        assert_eq!(octets::trim(from), to);
    }
}

#[test]
fn numbers_are_written_as_they_are_read() {
    for n in [0, 1, 9, 10, 15, 16, 255, 256, 1234567890, u64::MAX] {
        let (mut dec, mut hex) = (Vec::new(), Vec::new());
        digits::decimal(n, &mut dec);
        digits::hexadecimal(n, &mut hex);
        assert_eq!(
            (dec, hex),
            (n.to_string().into_bytes(), format!("{n:x}").into_bytes())
        );
        assert_eq!(octets::decimal(n.to_string().as_bytes()), Some(n));
    }
    assert_eq!(octets::decimal(b"18446744073709551616"), None);
}

#[test]
fn every_status_has_a_reason_phrase() {
    for status in 100..1000 {
        assert!(!reason::phrase(status).is_empty());
    }
    assert_eq!(
        reason::phrase(Error::HeadTooLarge.status()),
        "Request Header Fields Too Large"
    );
    assert_eq!(
        reason::phrase(Error::TransferEncoding.status()),
        "Not Implemented"
    );
}

#[test]
fn an_incomplete_section_takes_no_more_memory_than_the_bound() {
    for piece in [1, 7, 100, 999] {
        let mut section = Section::default();
        let bytes = vec![b'x'; 1000];
        for mut part in bytes.chunks(piece) {
            assert_eq!(section.take(&mut part, 1000), Ok(None));
        }
        assert_eq!(section.capacity(), 1000);
        assert_eq!(section.take(&mut &b"x"[..], 1000), Err(Error::HeadTooLarge));
        section.shrink_to(0);
        assert_eq!(section.capacity(), 1000, "what is still needed is kept");
    }
}

#[test]
fn output_that_is_never_written_to_the_end_does_not_grow() {
    let mut out = Output::default();
    out.tail().extend_from_slice(&[0; 100]);
    for _ in 0..10_000 {
        out.tail().extend_from_slice(&[1; 100]);
        out.advance(100);
        assert_eq!(out.pending().len(), 100);
    }
    assert!(out.tail().capacity() <= 1000);
}

#[test]
fn an_exchange_like_the_one_before_it_allocates_nothing() {
    let mut server = Connection::new(Role::Server, Config::default());
    let mut client = Connection::new(Role::Client, Config::default());
    let mut list = Headers::new();
    let mut request = Headers::new();
    for (name, value) in [
        (":method", "POST"),
        (":path", "/"),
        (":authority", "a"),
        ("x-request-id", "0123456789"),
    ] {
        request.push(name.as_bytes(), value.as_bytes());
    }
    let mut response = Headers::new();
    response.push(b":status", b"200");
    let mut exchange = || {
        client.send_request(&request, BodyLength::Unknown).unwrap();
        client.send_data(&[b'x'; 1000]).unwrap();
        client.finish().unwrap();
        // Two pieces, so that the incomplete head is kept, too.
        let (first, second) = client.output().split_at(20);
        for mut piece in [first, second] {
            while server.next(&mut piece, &mut list).unwrap().is_some() {}
        }
        client.advance(usize::MAX);
        server
            .send_response(&response, BodyLength::Exact(1000))
            .unwrap();
        server.send_data(&[b'y'; 1000]).unwrap();
        server.finish().unwrap();
        let mut piece = server.output();
        while client.next(&mut piece, &mut list).unwrap().is_some() {}
        server.advance(usize::MAX);
        [&mut server, &mut client].map(|c| {
            (
                c.section.capacity(),
                c.name_buffer.capacity(),
                c.output.tail().capacity(),
            )
        })
    };
    let first = exchange();
    for _ in 0..100 {
        assert_eq!(exchange(), first);
    }
    assert!(server.is_idle() && client.is_idle());
    for conn in [&mut server, &mut client] {
        conn.shrink_to(0);
        assert_eq!(
            conn.section.capacity() + conn.name_buffer.capacity() + conn.output.tail().capacity(),
            0
        );
    }
}

#[test]
fn an_idle_connection_is_small() {
    assert!(
        size_of::<Connection>() <= 320,
        "{}",
        size_of::<Connection>()
    );
}
