//! One form for paths that mean the same, before anything compares them.

use graph::manager::EscapedSlashes;

/// What becomes of a request's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Normalized {
    /// It is in that form.
    Same,
    /// It becomes this.
    Changed(Vec<u8>),
    /// It is answered with 307 to this.
    Redirect(Vec<u8>),
    /// It is answered with 400.
    Reject,
}

/// What the manager does to paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Dot segments are resolved, backslashes made slashes, characters escaped as RFC 3986 has them.
    pub normalize: bool,
    /// Several slashes are one.
    pub merge_slashes: bool,
    /// What is done with escaped slashes.
    pub escaped_slashes: EscapedSlashes,
}

/// Brings `:path` (with its query, which stays as it is) into one form.
#[must_use]
pub fn normalize(path: &[u8], rules: Rules) -> Normalized {
    let query_at = path.iter().position(|b| *b == b'?').unwrap_or(path.len());
    let (before, query) = path.split_at_checked(query_at).unwrap_or((path, b""));
    let escaped = rules.escaped_slashes != EscapedSlashes::Keep && has_escaped_slash(before);
    if escaped && rules.escaped_slashes == EscapedSlashes::Reject {
        return Normalized::Reject;
    }
    let changes = escaped
        || (rules.normalize && needs_canonical(before))
        || (rules.merge_slashes && has_double_slash(before));
    if !changes {
        return Normalized::Same;
    }
    let mut new = before.to_vec();
    if escaped {
        new = unescape_slashes(&new);
    }
    if rules.normalize {
        match canonical(&new) {
            Some(made) => new = made,
            None => return Normalized::Reject,
        }
    }
    if rules.merge_slashes {
        new.dedup_by(|b, a| *a == b'/' && *b == b'/');
    }
    new.extend_from_slice(query);
    if escaped && rules.escaped_slashes == EscapedSlashes::UnescapeAndRedirect {
        Normalized::Redirect(new)
    } else if new == path {
        Normalized::Same
    } else {
        Normalized::Changed(new)
    }
}

fn has_double_slash(path: &[u8]) -> bool {
    path.windows(2).any(|two| two == b"//")
}

fn has_escaped_slash(path: &[u8]) -> bool {
    path.windows(3).any(|three| slash_of(three).is_some())
}

/// The slash that three bytes escape.
fn slash_of(three: &[u8]) -> Option<u8> {
    match three {
        [b'%', b'2', b'f' | b'F'] => Some(b'/'),
        [b'%', b'5', b'c' | b'C'] => Some(b'\\'),
        _ => None,
    }
}

fn unescape_slashes(path: &[u8]) -> Vec<u8> {
    let mut new = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [first, after @ ..] = rest {
        match rest.get(..3).and_then(slash_of) {
            Some(slash) => {
                new.push(slash);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                new.push(*first);
                rest = after;
            }
        }
    }
    new
}

/// Whether a path can be anything but canonical: cheap, and right for almost all that come.
fn needs_canonical(path: &[u8]) -> bool {
    path.first() != Some(&b'/')
        || path.iter().any(|b| class(*b) != Class::Plain)
        || path.windows(2).any(|two| two == b"/.")
}

/// What the canonical form does to a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Stays.
    Plain,
    /// Becomes a slash.
    Backslash,
    /// May begin an escape.
    Percent,
    /// Is escaped.
    Escaped,
}

fn class(byte: u8) -> Class {
    match byte {
        b'\\' => Class::Backslash,
        b'%' => Class::Percent,
        0..=b' ' | b'"' | b'#' | b'<' | b'>' | b'`' | b'{' | b'}' | 0x7f.. => Class::Escaped,
        _ => Class::Plain,
    }
}

fn canonical(path: &[u8]) -> Option<Vec<u8>> {
    let mut spelled = Vec::with_capacity(path.len() + 8);
    let mut rest = path;
    while let [byte, after @ ..] = rest {
        rest = after;
        match class(*byte) {
            Class::Plain => spelled.push(*byte),
            Class::Backslash => spelled.push(b'/'),
            Class::Escaped => push_escape(&mut spelled, *byte),
            Class::Percent => match after {
                [b'2', b'e' | b'E', more @ ..] => {
                    spelled.push(b'.');
                    rest = more;
                }
                [b'0', b'0', ..] => return None,
                _ => spelled.push(b'%'),
            },
        }
    }
    Some(without_dots(&spelled))
}

fn push_escape(into: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    into.push(b'%');
    for nibble in [byte >> 4, byte & 0xf] {
        into.push(HEX.get(usize::from(nibble)).copied().unwrap_or(b'0'));
    }
}

/// RFC 3986, 5.2.4.
fn without_dots(path: &[u8]) -> Vec<u8> {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let mut new = vec![b'/'];
    let mut segments = path.split(|b| *b == b'/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"." => {}
            b".." => {
                new.pop();
                let parent = new.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
                new.truncate(parent);
                if new.is_empty() {
                    new.push(b'/');
                }
            }
            other => {
                new.extend_from_slice(other);
                if !last {
                    new.push(b'/');
                }
            }
        }
    }
    new
}
