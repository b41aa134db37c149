//! Patterns over bytes.

/// A compiled matcher of a header's, path's or parameter's text (`type.matcher.v3.StringMatcher`).
#[derive(Debug, Clone)]
pub enum TextMatch {
    /// The whole text.
    Exact(Box<[u8]>),
    /// Its beginning.
    Prefix(Box<[u8]>),
    /// Its end.
    Suffix(Box<[u8]>),
    /// Anywhere in it.
    Contains(Box<[u8]>),
    /// The whole text, as RE2 full match.
    Regex(regex::bytes::Regex),
}

/// A matcher and whether upper and lower case are one. With `ignore_case` the pattern is lower case already
/// (a regular expression ignores the flag, as Envoy's does).
#[derive(Debug, Clone, PartialEq)]
pub struct TextMatcher {
    /// What must match.
    pub pattern: TextMatch,
    /// Compare ASCII letters without case.
    pub ignore_case: bool,
}

impl PartialEq for TextMatch {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b))
            | (Self::Prefix(a), Self::Prefix(b))
            | (Self::Suffix(a), Self::Suffix(b))
            | (Self::Contains(a), Self::Contains(b)) => a == b,
            (Self::Regex(a), Self::Regex(b)) => a.as_str() == b.as_str(),
            _ => false,
        }
    }
}

impl TextMatcher {
    /// Whether `text` matches.
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        let same = |a: &[u8], b: &[u8]| {
            if self.ignore_case {
                a.eq_ignore_ascii_case(b)
            } else {
                a == b
            }
        };
        match &self.pattern {
            TextMatch::Exact(want) => same(text, want),
            TextMatch::Prefix(want) => text.get(..want.len()).is_some_and(|head| same(head, want)),
            TextMatch::Suffix(want) => text
                .len()
                .checked_sub(want.len())
                .and_then(|at| text.get(at..))
                .is_some_and(|tail| same(tail, want)),
            TextMatch::Contains(want) => {
                want.is_empty() || text.windows(want.len()).any(|part| same(part, want))
            }
            TextMatch::Regex(regex) => regex
                .find(text)
                .is_some_and(|m| m.start() == 0 && m.end() == text.len()),
        }
    }
}
