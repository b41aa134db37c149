//! The header `x-forwarded-client-cert`, in which a proxy tells whom it authenticated (Envoy's format).

use crate::SpiffeId;
use crate::spiffe::excerpt;

/// The header's name.
pub const HEADER: &str = "x-forwarded-client-cert";
/// The longest header value that is read, in bytes.
const MAX_VALUE: usize = 16 * 1024;

/// What a forwarder sends for a caller that it authenticated by certificate as `id`.
pub fn value(id: &SpiffeId) -> String {
    format!("URI={id}")
}

/// Whom a header value names: it must hold exactly one element with exactly one `URI=`, else it is not clear who the
/// caller is.
///
/// # Errors
/// What is wrong, in words.
pub fn parse(value: &str) -> Result<SpiffeId, String> {
    if value.len() > MAX_VALUE {
        return Err(format!("{} bytes are more than {MAX_VALUE}", value.len()));
    }
    let mut uri = None;
    for pair in pairs(value)? {
        let (key, text) = pair
            .split_once('=')
            .ok_or_else(|| format!("{:?} is not Key=value", excerpt(pair)))?;
        if key.trim().eq_ignore_ascii_case("uri") {
            let text = text.trim().trim_matches('"');
            if uri.replace(text).is_some() {
                return Err("more than one URI".to_owned());
            }
        }
    }
    uri.ok_or_else(|| "no URI".to_owned())?
        .parse()
        .map_err(|e: crate::spiffe::SpiffeError| e.to_string())
}

/// The `Key=value` pairs of the only element. Quoted values can hold separators and escaped quotes.
fn pairs(value: &str) -> Result<Vec<&str>, String> {
    let mut pairs = Vec::new();
    let (mut rest, mut quoted, mut escaped, mut from) = (value.char_indices(), false, false, 0);
    for (at, c) in rest.by_ref() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => return Err("more than one element".to_owned()),
            ';' if !quoted => {
                pairs.push(value.get(from..at).unwrap_or_default());
                from = at + 1;
            }
            _ => {}
        }
    }
    if quoted {
        return Err("a quote is not closed".to_owned());
    }
    pairs.push(value.get(from..).unwrap_or_default());
    pairs.retain(|pair| !pair.trim().is_empty());
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ID: &str = "spiffe://cluster.local/ns/a/sa/b";

    #[test]
    fn what_a_forwarder_writes_is_read_back() {
        let id: SpiffeId = ID.parse().unwrap();
        assert_eq!(parse(&value(&id)), Ok(id));
    }

    #[test]
    fn other_keys_and_quoted_separators_do_not_confuse() {
        let text = format!(
            "By=spiffe://x;Hash=ab;Subject=\"CN=\\\"a\\\",O=b;URI=spiffe://td/ns/x/sa/y\";URI={ID};DNS=a"
        );
        assert_eq!(parse(&text).unwrap().to_string(), ID);
    }

    #[test]
    fn a_value_that_names_two_callers_or_none_is_refused() {
        for text in [
            String::new(),
            "Hash=ab".to_owned(),
            format!("URI={ID};URI={ID}"),
            format!("URI={ID},URI={ID}"),
            format!("URI=\"{ID}"),
            "URI=spiffe://cluster.local/ns/a".to_owned(),
            ID.to_owned(),
            format!("URI={ID};Subject=\"{}\"", "x".repeat(MAX_VALUE)),
        ] {
            assert!(parse(&text).is_err(), "{text:?} was accepted");
        }
    }
}
