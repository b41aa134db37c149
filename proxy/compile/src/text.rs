//! Patterns: regular expressions and string matchers.

use envoy_types::pb::envoy::r#type::matcher::v3::{
    RegexMatchAndSubstitute, RegexMatcher, StringMatcher, string_matcher::MatchPattern,
};
use graph::text::{TextMatch, TextMatcher};
use regex::bytes::{Regex, RegexBuilder};

use crate::place::{Compiled, Place, take};

/// The largest compiled program of an expression, in bytes.
const REGEX_SIZE: usize = 1 << 20;

/// A regular expression that is searched for anywhere.
pub(crate) fn search(place: &Place<'_>, field: &str, value: &RegexMatcher) -> Compiled<Regex> {
    let inside = place.field(field);
    take!(inside, value, RegexMatcher { regex } refuse {} note {} inert { engine_type });
    compile(&inside, regex, regex)
}

/// A regular expression that must match a whole text.
pub(crate) fn whole(place: &Place<'_>, field: &str, value: &RegexMatcher) -> Compiled<Regex> {
    let inside = place.field(field);
    take!(inside, value, RegexMatcher { regex } refuse {} note {} inert { engine_type });
    // On its own first: `a)(b` is none, and would become one by what is written around it.
    compile(&inside, regex, regex)?;
    // Anchored, so that the leftmost of several alternatives cannot hide one that matches all.
    compile(&inside, regex, &format!("^(?:{regex})$"))
}

fn compile(place: &Place<'_>, written: &str, used: &str) -> Compiled<Regex> {
    RegexBuilder::new(used)
        .size_limit(REGEX_SIZE)
        .dfa_size_limit(REGEX_SIZE)
        .unicode(false)
        .build()
        .or_else(|_| {
            RegexBuilder::new(used)
                .size_limit(REGEX_SIZE)
                .dfa_size_limit(REGEX_SIZE)
                .build()
        })
        .map_err(|e| {
            place.refuse(
                "regex",
                format!("`{written}` is not a usable expression: {e}"),
            )
        })
}

/// A replacement of what an expression finds; the text is in the form that the regex library reads.
pub(crate) fn substitution(
    place: &Place<'_>,
    field: &str,
    value: &RegexMatchAndSubstitute,
) -> Compiled<(Regex, Box<[u8]>)> {
    let inside = place.field(field);
    take!(inside, value, RegexMatchAndSubstitute { pattern, substitution } refuse {} note {} inert {});
    let pattern = search(&inside, "pattern", inside.required("pattern", pattern)?)?;
    let mut out = Vec::with_capacity(substitution.len());
    let mut bytes = substitution.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'$' => out.extend_from_slice(b"$$"),
            b'\\' => match bytes.next() {
                Some(b'\\') => out.push(b'\\'),
                Some(digit @ b'0'..=b'9') if usize::from(digit - b'0') < pattern.captures_len() => {
                    out.extend_from_slice(&[b'$', b'{', digit, b'}']);
                }
                _ => {
                    return Err(inside.refuse(
                        "substitution",
                        "has a backslash that names no group of the pattern; write \\\\ for a backslash",
                    ));
                }
            },
            other => out.push(other),
        }
    }
    Ok((pattern, out.into()))
}

/// A matcher of text.
pub(crate) fn matcher(
    place: &Place<'_>,
    field: &str,
    value: &StringMatcher,
) -> Compiled<TextMatcher> {
    let inside = place.field(field);
    take!(inside, value, StringMatcher { ignore_case, match_pattern } refuse {} note {} inert {});
    let text = |text: &str| -> Box<[u8]> {
        match ignore_case {
            true => text.to_ascii_lowercase().into_bytes().into(),
            false => text.as_bytes().into(),
        }
    };
    let pattern = match inside.required("match_pattern", match_pattern)? {
        MatchPattern::Exact(exact) => TextMatch::Exact(text(exact)),
        MatchPattern::Prefix(prefix) => TextMatch::Prefix(text(prefix)),
        MatchPattern::Suffix(suffix) => TextMatch::Suffix(text(suffix)),
        MatchPattern::Contains(part) => TextMatch::Contains(text(part)),
        MatchPattern::SafeRegex(regex) => TextMatch::Regex(whole(&inside, "safe_regex", regex)?),
        MatchPattern::Custom(_) => {
            return Err(inside.refuse(
                "custom",
                "is not supported; use exact, prefix, suffix, contains or safe_regex",
            ));
        }
    };
    Ok(TextMatcher {
        pattern,
        ignore_case: *ignore_case,
    })
}

/// A matcher from one of the older forms that say the text alone.
pub(crate) fn sensitive(pattern: TextMatch) -> TextMatcher {
    TextMatcher {
        pattern,
        ignore_case: false,
    }
}
