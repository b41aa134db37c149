//! Files of Kubernetes' downward API: a pod's labels and annotations, one `key="value"` a line, the
//! value quoted as Go quotes strings.

use std::collections::BTreeMap;

/// The pairs of a downward-API file. A line that cannot be read is left out and logged: the others
/// stay usable.
pub fn parse(text: &str) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match pair(line) {
            Some((key, value)) => {
                pairs.insert(key, value);
            }
            None => tracing::warn!("downward API: the line `{line}` is not KEY=\"VALUE\"; skipped"),
        }
    }
    pairs
}

fn pair(line: &str) -> Option<(String, String)> {
    let (key, quoted) = line.split_once('=')?;
    let inner = quoted.trim_end().strip_prefix('"')?.strip_suffix('"')?;
    Some((key.to_owned(), unquote(inner)?))
}

/// Undoes Go's `%q`. Bytes written as `\x..` are put together as UTF-8.
fn unquote(inner: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            push(&mut bytes, c);
            continue;
        }
        match rest.next()? {
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            'r' => bytes.push(b'\r'),
            'a' => bytes.push(7),
            'b' => bytes.push(8),
            'v' => bytes.push(11),
            'f' => bytes.push(12),
            'x' => bytes.push(u8::try_from(hex(&mut rest, 2)?).ok()?),
            'u' => push(&mut bytes, char::from_u32(hex(&mut rest, 4)?)?),
            'U' => push(&mut bytes, char::from_u32(hex(&mut rest, 8)?)?),
            c @ ('\\' | '"' | '\'') => push(&mut bytes, c),
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok()
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn hex(rest: &mut std::str::Chars<'_>, digits: usize) -> Option<u32> {
    let text: String = rest.take(digits).collect();
    (text.len() == digits)
        .then(|| u32::from_str_radix(&text, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn quoted_values_come_back_as_they_were() {
        let pairs = parse(concat!(
            "app=\"greeter\"\n",
            "note=\"a \\\"b\\\"\\n\\tc=\\u00e9\\x41\"\n",
            "empty=\"\"\n"
        ));
        assert_eq!(pairs.get("app").map(String::as_str), Some("greeter"));
        assert_eq!(
            pairs.get("note").map(String::as_str),
            Some("a \"b\"\n\tc=éA")
        );
        assert_eq!(pairs.get("empty").map(String::as_str), Some(""));
    }

    #[test]
    fn an_unreadable_line_costs_only_itself() {
        let pairs = parse("broken\napp=\"x\"\nhalf=\"y\nbad=\"\\q\"\n");
        assert_eq!(pairs.len(), 1);
        assert!(pairs.contains_key("app"));
    }
}
