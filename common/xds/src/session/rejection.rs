//! Which resources a client's error text names. The protocol has no field for that: clients write
//! the names into the text (Envoy: `Error adding/updating cluster(s) NAME: why, NAME: why`).

use std::collections::HashSet;
use std::sync::Arc;

/// The most bytes that are compared in the search for names that are no plain words.
const MAX_SEARCH: usize = 16 * 1024 * 1024;

/// The names among `sent` that stand in `error` as whole words, in the order of `sent`. It takes
/// the time of reading both once: a client can name very many resources in a long text.
pub(super) fn named<'a>(
    error: &str,
    sent: impl IntoIterator<Item = &'a Arc<str>>,
) -> Vec<Arc<str>> {
    let sent: Vec<&Arc<str>> = sent.into_iter().filter(|name| !name.is_empty()).collect();
    let words = words(error);
    let others = sent.iter().filter(|name| !is_word(name)).count();
    let searched = start(error, MAX_SEARCH / others.max(1));
    sent.into_iter()
        .filter(|name| {
            if is_word(name) {
                words.contains(&***name)
            } else {
                stands_in(searched, name)
            }
        })
        .cloned()
        .collect()
}

/// The longest runs of characters that names are made of; one that ends with a full stop also
/// without it.
fn words(text: &str) -> HashSet<&str> {
    let runs = text.split(|c| !is_of_name(c)).filter(|run| !run.is_empty());
    runs.flat_map(|run| [Some(run), run.strip_suffix('.')])
        .flatten()
        .collect()
}

fn is_word(name: &str) -> bool {
    name.chars().all(is_of_name)
}

/// The beginning of a text, of so many bytes at most.
fn start(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
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
    fn names_with_other_signs_in_them_are_found_as_well() {
        let error = "cannot use [::]_80, a.b:80: no such thing";
        assert_eq!(
            find(error, &["[::]_80", "a.b:80", "a.b", "b:80"]),
            ["[::]_80", "a.b:80", "a.b"]
        );
    }

    /// As the whole-word rule says it of each name by itself.
    #[test]
    fn plain_words_are_found_exactly_where_a_search_would_find_them() {
        let parts = ["a", "b.c", ".", " ", ":", "a|b", "-", "a."];
        let mut state = 7_u64;
        for _ in 0..2000 {
            let mut text = String::new();
            for _ in 0..6 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let part = usize::try_from(state >> 33).unwrap_or_default() % parts.len();
                text.push_str(parts.get(part).copied().unwrap_or_default());
            }
            for name in ["a", "b.c", "a|b", "a.", "-", "a.b.c"] {
                assert_eq!(
                    !find(&text, &[name]).is_empty(),
                    stands_in(&text, name),
                    "{name:?} in {text:?}"
                );
            }
        }
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
