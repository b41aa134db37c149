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
    if is_plain(path) {
        return Normalized::Same;
    }
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
        match canonical(&without_dot_parameters(new)) {
            Some(made) => new = made,
            None => return Normalized::Reject,
        }
    }
    if rules.merge_slashes {
        let nothing_else = new.len() > 1 && new.iter().all(|b| *b == b'/');
        new.dedup_by(|b, a| *a == b'/' && *b == b'/');
        if nothing_else {
            // Envoy keeps the first slash and the last, also where they are all there is.
            new.push(b'/');
        }
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

/// Whether a path can be seen at one look to be in every form that is asked for: it begins with a slash, and up to its
/// query there is nothing to escape or unescape, no two slashes side by side and no segment that begins with a dot.
fn is_plain(path: &[u8]) -> bool {
    let mut before = 0;
    for byte in path {
        if *byte == b'?' {
            break;
        }
        let in_doubt = before == b'/' && matches!(byte, b'/' | b'.');
        if in_doubt || !PLAIN.get(usize::from(*byte)).copied().unwrap_or_default() {
            return false;
        }
        before = *byte;
    }
    path.first() == Some(&b'/')
}

/// Bytes that every form leaves as they are.
static PLAIN: [bool; 256] = plain();

#[allow(clippy::indexing_slicing)] // when the program is compiled
const fn plain() -> [bool; 256] {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        plain[byte] = matches!(class(byte as u8), Class::Plain);
        byte += 1;
    }
    plain
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
    /// Stands in no path.
    Forbidden,
}

const fn class(byte: u8) -> Class {
    match byte {
        b'\\' => Class::Backslash,
        b'%' => Class::Percent,
        0..=b' ' | b'#' | 0x7f.. => Class::Forbidden,
        b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' => Class::Escaped,
        _ => Class::Plain,
    }
}

fn canonical(path: &[u8]) -> Option<Vec<u8>> {
    if path.first() != Some(&b'/') {
        return None;
    }
    let mut spelled = Vec::with_capacity(path.len() + 8);
    // Place in `spelled` of the last `%` that begins no escape.
    let mut bare = None;
    let mut rest = path;
    while let [byte, after @ ..] = rest {
        rest = after;
        match class(*byte) {
            Class::Plain => spelled.push(*byte),
            Class::Backslash => spelled.push(b'/'),
            Class::Escaped => push_escape(&mut spelled, *byte),
            Class::Forbidden => return None,
            Class::Percent => match escape(rest) {
                None => {
                    bare = Some(spelled.len());
                    spelled.push(b'%');
                }
                Some((0, _)) => return None,
                Some((plain, after)) if is_unreserved(plain) => {
                    rest = after;
                    spelled.push(plain);
                    guard_nested(&mut spelled, bare, rest.first().copied());
                }
                Some((_, after)) => {
                    spelled.push(b'%');
                    spelled.extend_from_slice(rest.get(..2).unwrap_or_default());
                    rest = after;
                }
            },
        }
    }
    Some(without_dots(&spelled))
}

/// The byte that two hex digits name, and what follows them.
fn escape(after_percent: &[u8]) -> Option<(u8, &[u8])> {
    let ([high, low], after) = after_percent.split_first_chunk()?;
    let digit = |b: u8| char::from(b).to_digit(16);
    let byte = digit(*high)? * 16 + digit(*low)?;
    Some((u8::try_from(byte).ok()?, after))
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What was unescaped must not make an escape out of a `%` that was none: that becomes `%25`, or the path would mean
/// something else each time it is normalized.
fn guard_nested(spelled: &mut Vec<u8>, bare: Option<usize>, next: Option<u8>) {
    let Some(bare) = bare else {
        return;
    };
    let digits = match (spelled.get(bare + 1..), next) {
        (Some([one]), Some(next)) => [*one, next],
        (Some([one, two]), _) => [*one, *two],
        _ => return,
    };
    if digits.iter().all(u8::is_ascii_hexdigit) {
        spelled.splice(bare + 1..bare + 1, *b"25");
    }
}

fn push_escape(into: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    into.push(b'%');
    for nibble in [byte >> 4, byte & 0xf] {
        into.push(HEX.get(usize::from(nibble)).copied().unwrap_or(b'0'));
    }
}

/// `/..;x/` is `/../`: servers that know path parameters take it for that, and so Envoy does.
fn without_dot_parameters(path: Vec<u8>) -> Vec<u8> {
    let hides_dots = |s: &[u8]| s.starts_with(b".;") || s.starts_with(b"..;");
    if !path.split(|b| *b == b'/').any(hides_dots) {
        return path;
    }
    let mut new = Vec::with_capacity(path.len());
    for (at, segment) in path.split(|b| *b == b'/').enumerate() {
        if at > 0 {
            new.push(b'/');
        }
        let end = segment.iter().position(|b| *b == b';');
        let end = end.filter(|_| hides_dots(segment)).unwrap_or(segment.len());
        new.extend_from_slice(segment.get(..end).unwrap_or_default());
    }
    new
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
