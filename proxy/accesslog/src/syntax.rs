//! A format string taken apart: text and operators `%NAME(PARAMETER):LENGTH%`.

use crate::FormatError;

/// A part of a format string.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Text as it stands.
    Text(&'a str),
    /// An operator.
    Operator(Command<'a>),
}

/// An operator as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Command<'a> {
    /// Byte at which its `%` stands.
    pub(crate) at: usize,
    pub(crate) name: &'a str,
    /// Between the parentheses; empty where there are none.
    pub(crate) parameter: &'a str,
    /// The most bytes to write.
    pub(crate) length: Option<usize>,
}

/// The parts of `text` in order.
pub(crate) fn parts(text: &str) -> Result<Vec<Part<'_>>, FormatError> {
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some((before, rest)) = text.get(at..).and_then(|rest| rest.split_once('%')) {
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        at += before.len();
        if rest.starts_with('%') {
            parts.push(Part::Text("%"));
            at += 2;
            continue;
        }
        let (command, length) = command(rest, at).ok_or_else(|| malformed(rest, at))?;
        parts.push(Part::Operator(command));
        at += 1 + length;
    }
    if let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

/// The operator whose first `%` stands at `at`, before `rest`, and how many bytes of `rest` it takes.
fn command(rest: &str, at: usize) -> Option<(Command<'_>, usize)> {
    let (name, after) = rest.split_at_checked(name_length(rest))?;
    if name.is_empty() {
        return None;
    }
    let command = |parameter, length| Command {
        at,
        name,
        parameter,
        length,
    };
    let Some(inside) = after.strip_prefix('(') else {
        let (length, taken) = end(after)?;
        return Some((command("", length), name.len() + taken));
    };
    // The first `)` that ends the operator: parameters may hold parentheses and percent signs.
    inside.match_indices(')').find_map(|(close, _)| {
        let (parameter, after) = inside.split_at_checked(close)?;
        let (length, taken) = end(after.get(1..)?)?;
        Some((
            command(parameter, length),
            name.len() + 1 + close + 1 + taken,
        ))
    })
}

/// An operator's end, `%` or `:LENGTH%`: the length and the bytes it takes.
fn end(text: &str) -> Option<(Option<usize>, usize)> {
    if text.starts_with('%') {
        return Some((None, 1));
    }
    let (digits, _) = text.strip_prefix(':')?.split_once('%')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then_some(())?;
    Some((Some(digits.parse().ok()?), digits.len() + 2))
}

fn name_length(text: &str) -> usize {
    text.bytes()
        .take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
        .count()
}

fn malformed(rest: &str, at: usize) -> FormatError {
    let name = rest.get(..name_length(rest)).unwrap_or_default();
    FormatError::new(
        at,
        if name.is_empty() {
            "`%` begins an operator such as %PROTOCOL%; write `%%` for a percent sign".to_owned()
        } else {
            format!(
                "%{name} is not ended: an operator is %NAME%, %NAME(PARAMETER)% or %NAME(PARAMETER):LENGTH%"
            )
        },
    )
}
