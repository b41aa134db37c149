use graph::manager::EscapedSlashes;

use super::Numbers;
use crate::normalize::Rules;
use crate::{Normalized, normalize};

const NORMAL: Rules = Rules {
    normalize: true,
    merge_slashes: false,
    escaped_slashes: EscapedSlashes::Keep,
};
const ALL: Rules = Rules {
    normalize: true,
    merge_slashes: true,
    escaped_slashes: EscapedSlashes::UnescapeAndForward,
};
const REDIRECT: Rules = Rules {
    escaped_slashes: EscapedSlashes::UnescapeAndRedirect,
    ..ALL
};
const REJECT: Rules = Rules {
    normalize: false,
    merge_slashes: false,
    escaped_slashes: EscapedSlashes::Reject,
};

fn becomes(path: &str, rules: Rules) -> String {
    match normalize(path.as_bytes(), rules) {
        Normalized::Same => path.to_owned(),
        Normalized::Changed(new) => {
            assert_ne!(new, path.as_bytes());
            String::from_utf8(new).unwrap()
        }
        Normalized::Redirect(to) => format!("307 {}", String::from_utf8(to).unwrap()),
        Normalized::Reject => "400".to_owned(),
    }
}

/// Envoy 1.40: `normalize_path`; then with `merge_slashes` and `UNESCAPE_AND_FORWARD`; `UNESCAPE_AND_REDIRECT`;
/// `REJECT_REQUEST` alone.
#[test]
fn paths_become_what_envoy_makes_of_them() {
    let cases = [
        ("/", "/", "/", "/", "/"),
        ("/a%", "/a%", "/a%", "/a%", "/a%"),
        ("/a%zz", "/a%zz", "/a%zz", "/a%zz", "/a%zz"),
        ("/a/./b", "/a/b", "/a/b", "/a/b", "/a/./b"),
        ("/a/../b", "/b", "/b", "/b", "/a/../b"),
        ("/../b", "/b", "/b", "/b", "/../b"),
        ("/a/..", "/", "/", "/", "/a/.."),
        ("/a/.", "/a/", "/a/", "/a/", "/a/."),
        ("/a/b/..", "/a/", "/a/", "/a/", "/a/b/.."),
        ("/a/%2e%2e/b", "/b", "/b", "/b", "/a/%2e%2e/b"),
        ("/a/.%2E/b", "/b", "/b", "/b", "/a/.%2E/b"),
        ("//a//b", "//a//b", "/a/b", "/a/b", "//a//b"),
        ("/a//../b", "/a/b", "/a/b", "/a/b", "/a//../b"),
        ("/a\\..\\b", "/b", "/b", "/b", "/a\\..\\b"),
        ("/a/.../b", "/a/.../b", "/a/.../b", "/a/.../b", "/a/.../b"),
        ("/a/..b", "/a/..b", "/a/..b", "/a/..b", "/a/..b"),
        ("/.", "/", "/", "/", "/."),
        (
            "/a?x=/../b",
            "/a?x=/../b",
            "/a?x=/../b",
            "/a?x=/../b",
            "/a?x=/../b",
        ),
        ("/a/..?q", "/?q", "/?q", "/?q", "/a/..?q"),
        ("/a/%2E%2E%2f..", "/a/..%2f..", "/", "307 /", "400"),
        ("/a%2fb", "/a%2fb", "/a/b", "307 /a/b", "400"),
        ("/a%5cb", "/a%5cb", "/a/b", "307 /a/b", "400"),
        ("/a%252fb", "/a%252fb", "/a%252fb", "/a%252fb", "/a%252fb"),
        ("/%c3%a9", "/%c3%a9", "/%c3%a9", "/%c3%a9", "/%c3%a9"),
        ("///..//x", "///x", "/x", "/x", "///..//x"),
        ("/a//", "/a//", "/a/", "/a/", "/a//"),
        ("///", "///", "//", "//", "///"),
        ("/%2f", "/%2f", "//", "307 //", "400"),
        ("/a\\", "/a/", "/a/", "/a/", "/a\\"),
        ("/a%00", "400", "400", "400", "/a%00"),
        ("/x/%2e%2e", "/", "/", "/", "/x/%2e%2e"),
        ("/a/..%5cb", "/a/..%5cb", "/b", "307 /b", "400"),
        ("/a/.%5c", "/a/.%5c", "/a/", "307 /a/", "400"),
        ("/a?x=%2f", "/a?x=%2f", "/a?x=%2f", "/a?x=%2f", "/a?x=%2f"),
    ];
    for (path, normal, all, redirect, reject) in cases {
        assert_eq!(becomes(path, NORMAL), normal, "{path} normalized");
        assert_eq!(becomes(path, ALL), all, "{path} unescaped and merged");
        assert_eq!(becomes(path, REDIRECT), redirect, "{path} redirected");
        assert_eq!(becomes(path, REJECT), reject, "{path} rejected");
    }
}

/// Envoy 1.40, `normalize_path`: dot segments with parameters are dot segments, unless the dots are escaped.
#[test]
fn parameters_do_not_hide_dot_segments() {
    let cases = [
        ("/a/.;/b", "/a/b"),
        ("/a/..;x=1/b", "/b"),
        ("/a;x/b", "/a;x/b"),
        ("/a/;/b", "/a/;/b"),
        ("/a/.;x", "/a/"),
        ("/a/..;", "/"),
        ("/a/.%2e;q/b", "/a/..;q/b"),
        ("/a/..%3b/b", "/a/..%3b/b"),
        ("/a/...;/b", "/a/...;/b"),
        ("/a/b;/..;/c", "/a/c"),
        ("/a/..;b/..c;/d", "/..c;/d"),
        ("/a/..;x\\b", "/"),
        ("/a\\..;/b", "/a/..;/b"),
        ("/a;x=1/../b", "/b"),
    ];
    for (path, normal) in cases {
        assert_eq!(becomes(path, NORMAL), normal, "{path}");
    }
}

/// Envoy 1.40, `normalize_path`.
#[test]
fn unescaping_makes_no_new_escapes() {
    let cases = [
        ("/a%%32e", "/a%252e"),
        ("/%%30%30", "/%2500"),
        ("/%%330", "/%2530"),
        ("/%3%30", "/%2530"),
        ("/a%%41z", "/a%Az"),
        ("/%%4%31", "/%%2541"),
        ("/%%32%65x", "/%252ex"),
        ("/%%zz", "/%%zz"),
        ("/%%", "/%%"),
        ("/%%32", "/%2"),
        ("/%2%65/..", "/"),
        ("/x%2%%65", "/x%2%e"),
    ];
    for (path, normal) in cases {
        assert_eq!(becomes(path, NORMAL), normal, "{path}");
    }
}

/// Envoy 1.40, `normalize_path`, all 256 values of one byte, as it is and escaped.
#[test]
fn each_byte_is_kept_escaped_or_unescaped_as_envoy_does() {
    for byte in 0..=255u8 {
        let raw = [b"/a", &[byte][..], b"z"].concat();
        let expected = match byte {
            b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                Normalized::Changed(format!("/a%{byte:02X}z").into_bytes())
            }
            b'\\' => Normalized::Changed(b"/a/z".to_vec()),
            0..=b' ' | b'#' | 0x7f.. => Normalized::Reject,
            _ => Normalized::Same,
        };
        assert_eq!(normalize(&raw, NORMAL), expected, "raw {byte:#04x}");
        for escaped in [format!("/a%{byte:02X}z"), format!("/a%{byte:02x}z")] {
            let expected = match byte {
                0 => "400".to_owned(),
                b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                    format!("/a{}z", char::from(byte))
                }
                _ => escaped.clone(),
            };
            assert_eq!(becomes(&escaped, NORMAL), expected, "{escaped}");
        }
    }
}

#[test]
fn a_path_that_begins_with_no_slash_is_refused() {
    for path in ["a/b", "*", "", "?x"] {
        assert_eq!(becomes(path, NORMAL), "400", "{path}");
    }
}

#[test]
fn what_was_normalized_once_stays_and_has_no_dot_segments() {
    let pieces = [
        "/", "..", ".", "%2e", "%2f", "%5C", "\\", "a", ";", "%", "25", "2", "e", "%41", "?", "//",
    ];
    let mut numbers = Numbers(3);
    for _ in 0..50_000 {
        let mut path = "/".to_owned();
        for _ in 0..numbers.next() % 10 {
            path.push_str(pieces[numbers.next() as usize % pieces.len()]);
        }
        for rules in [NORMAL, ALL] {
            let once = becomes(&path, rules);
            let before = once.split('?').next().unwrap();
            assert!(
                before.split('/').all(|s| s != "." && s != ".."),
                "{path} became {once}"
            );
            if rules == NORMAL && !before.contains(';') {
                assert_eq!(becomes(&once, rules), once, "{path}");
            }
        }
    }
}
