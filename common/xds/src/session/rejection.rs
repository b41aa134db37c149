//! Which resources a client's error text names. The protocol has no field for that: clients write
//! the names into the text (Envoy: `Error adding/updating cluster(s) NAME: why, NAME: why`).

use std::sync::Arc;

/// The names among `sent` that stand in `error` as whole words, in the order of `sent`.
pub fn named<'a>(error: &str, sent: impl IntoIterator<Item = &'a Arc<str>>) -> Vec<Arc<str>> {
    sent.into_iter()
        .filter(|name| !name.is_empty() && stands_in(error, name))
        .cloned()
        .collect()
}

fn stands_in(error: &str, name: &str) -> bool {
    error.match_indices(name).any(|(at, _)| {
        let before = error.get(..at).and_then(|text| text.chars().next_back());
        let mut after = error.get(at + name.len()..).unwrap_or_default().chars();
        let next = after.next();
        // A full stop ends a sentence unless a name goes on behind it.
        let ends_sentence = next == Some('.') && !after.next().is_some_and(is_of_name);
        !before.is_some_and(is_of_name) && (ends_sentence || !next.is_some_and(is_of_name))
    })
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '|' | '.' | '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(error: &str, sent: &[&str]) -> Vec<String> {
        let sent: Vec<Arc<str>> = sent.iter().map(|name| Arc::from(*name)).collect();
        named(error, &sent).iter().map(|n| n.to_string()).collect()
    }

    #[test]
    fn names_in_envoys_words_are_found() {
        let error = "Error adding/updating cluster(s) outbound|80||a.b.c: bad, inbound|8081||: x";
        assert_eq!(
            find(error, &["outbound|80||a.b.c", "inbound|8081||", "other"]),
            ["outbound|80||a.b.c", "inbound|8081||"]
        );
    }

    #[test]
    fn a_name_within_a_longer_name_is_not_meant() {
        let error = "Error adding/updating listener(s) 0.0.0.0_8081: no filters.";
        assert_eq!(find(error, &["0.0.0.0_80", "0.0.0_8081"]), [""; 0]);
        assert_eq!(find(error, &["0.0.0.0_8081"]), ["0.0.0.0_8081"]);
    }

    #[test]
    fn a_name_at_the_end_of_a_sentence_is_meant() {
        assert_eq!(find("cannot use a.b. Really", &["a.b"]), ["a.b"]);
        assert_eq!(find("cannot use a.b.c", &["a.b"]), [""; 0]);
        assert_eq!(
            find("virtualInbound", &["virtualInbound", ""]),
            ["virtualInbound"]
        );
    }
}
