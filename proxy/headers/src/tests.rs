#![allow(clippy::unwrap_used)]

use super::*;

fn list(fields: &[(&str, &str)]) -> Headers {
    let mut h = Headers::new();
    h.extend(fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())));
    h
}

fn text(h: &Headers) -> Vec<(String, String)> {
    h.iter()
        .map(|f| {
            (
                String::from_utf8_lossy(f.name).into_owned(),
                String::from_utf8_lossy(f.value).into_owned(),
            )
        })
        .collect()
}

#[test]
fn every_known_name_is_found_by_its_own_text() {
    for k in Known::ALL {
        assert_eq!(Known::of(k.name().as_bytes()), Some(*k));
        assert_eq!(k.is_pseudo(), k.name().starts_with(':'), "{}", k.name());
    }
    assert_eq!(Known::of(b"x-other"), None);
}

#[test]
fn order_and_repetition_are_kept() {
    let h = list(&[
        ("via", "a"),
        ("x-other", "1"),
        ("via", "b"),
        ("x-other", "2"),
    ]);
    assert_eq!(h.get(Known::Via), Some(&b"a"[..]));
    assert_eq!(h.all(Known::Via).collect::<Vec<_>>(), [b"a", b"b"]);
    assert_eq!(h.find(b"x-other"), Some(&b"1"[..]));
    assert_eq!(h.find_all(b"x-other").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!(h.len(), 4);
    assert_eq!(h.size(), 2 * (3 + 1 + 32) + 2 * (7 + 1 + 32));
}

#[test]
fn set_leaves_one_field_in_the_place_of_the_first() {
    for value in ["s", "a much longer value", ""] {
        let mut h = list(&[
            (":path", "/"),
            ("server", "one"),
            ("x", "y"),
            ("server", "two"),
        ]);
        h.set(Known::Server, value.as_bytes());
        let want = [(":path", "/"), ("server", value), ("x", "y")];
        assert_eq!(text(&h), want.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(h.size(), list(&want).size());
        h.set(Known::Server, b"again");
        assert_eq!(h.get(Known::Server), Some(&b"again"[..]));
    }
    let mut h = Headers::new();
    h.set(Known::Server, b"new");
    assert_eq!(h.get(Known::Server), Some(&b"new"[..]));
}

#[test]
fn removed_fields_are_gone_and_can_come_back() {
    let mut h = list(&[("te", "trailers"), ("x", "1"), ("te", "gzip"), ("y", "2")]);
    assert!(h.remove(Known::Te));
    assert!(!h.remove(Known::Te));
    assert!(!h.has(Known::Te));
    assert!(h.remove_name(b"x"));
    assert!(!h.remove_name(b"x"));
    h.push_known(Known::Te, b"trailers");
    h.replace(b"y", b"3");
    assert_eq!(text(&h), text(&list(&[("te", "trailers"), ("y", "3")])));
    assert_eq!(h.size(), list(&[("te", "trailers"), ("y", "3")]).size());
    assert_eq!(h, list(&[("te", "trailers"), ("y", "3")]));
}

#[test]
fn retain_keeps_slots_true() {
    let mut h = list(&[("via", "a"), ("te", "x"), ("via", "b")]);
    h.retain(|f| f.value != b"a");
    assert_eq!(h.get(Known::Via), Some(&b"b"[..]));
    assert_eq!(h.get(Known::Te), Some(&b"x"[..]));
    h.retain(|_| false);
    assert!(h.is_empty() && !h.has(Known::Te));
    assert_eq!(h.size(), 0);
}

#[test]
fn a_cleared_list_allocates_nothing_when_used_again() {
    let mut h = list(&[("te", "x"), ("via", "b")]);
    let before = h.clone();
    h.clear();
    assert!(h.is_empty() && !h.has(Known::Via));
    h.extend(before.iter().map(|f| (f.name, f.value)));
    assert_eq!(h, before);
}
