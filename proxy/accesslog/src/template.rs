//! Format strings.

use crate::operator::Operator;
use crate::syntax::{self, Part};
use crate::{Entry, FormatError};

/// A format string compiled.
#[derive(Debug, Clone, Default)]
pub struct Template {
    pieces: Box<[Piece]>,
    /// Operators of Envoy's that have no value here.
    unserved: Box<[Box<str>]>,
    /// What an operator without a value renders as.
    absent: &'static [u8],
}

#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Text(Box<[u8]>),
    Operator(Operator),
}

impl Template {
    /// Compiles a format string (Envoy's command operators). An operator without a value renders as `-`.
    ///
    /// # Errors
    /// An operator is unknown or not well formed.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        Self::parse_with(text, false)
    }

    /// As `parse`, where with `omit_empty_values` an operator without a value renders as nothing: formats with that
    /// field set (`SubstitutionFormatString.omit_empty_values`), and values of header fields in routes.
    ///
    /// # Errors
    /// An operator is unknown or not well formed.
    pub fn parse_with(text: &str, omit_empty_values: bool) -> Result<Self, FormatError> {
        let absent: &[u8] = if omit_empty_values { b"" } else { b"-" };
        let mut pieces = Vec::new();
        let mut unserved = Vec::new();
        for part in syntax::parts(text)? {
            match part {
                Part::Text(text) => append(text.as_bytes(), &mut pieces),
                Part::Operator(command) => {
                    let operator = Operator::parse(&command)
                        .map_err(|problem| FormatError::new(command.at, problem))?;
                    match operator {
                        Operator::Constant(text) => {
                            append(&text, &mut pieces);
                        }
                        Operator::Unserved => {
                            unserved.push(command.name.into());
                            append(absent, &mut pieces);
                        }
                        operator => pieces.push(Piece::Operator(operator)),
                    }
                }
            }
        }
        Ok(Template {
            pieces: pieces.into(),
            unserved: unserved.into(),
            absent,
        })
    }

    /// Appends the text for an entry. Values of header fields stand as they came (they hold no CR, LF or NUL: the codecs
    /// refuse those), as Envoy writes them.
    pub fn render(&self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Operator(operator) => {
                    if !operator.write(entry, out) {
                        out.extend_from_slice(self.absent);
                    }
                }
            }
        }
    }

    /// The text, where it is the same for every entry.
    #[must_use]
    pub fn constant(&self) -> Option<&[u8]> {
        match &*self.pieces {
            [] => Some(&[]),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether the text is the same for every entry.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.constant().is_some()
    }

    /// Names of the operators in it that Envoy knows and that never have a value here: what is configured and not
    /// honoured must be shown to the operator.
    pub fn unserved(&self) -> impl Iterator<Item = &str> {
        self.unserved.iter().map(AsRef::as_ref)
    }
}

/// Appends text to the text before it, so that rendering copies once.
fn append(text: &[u8], pieces: &mut Vec<Piece>) {
    if text.is_empty() {
        return;
    }
    if let Some(Piece::Text(before)) = pieces.last_mut() {
        let mut joined = std::mem::take(before).into_vec();
        joined.extend_from_slice(text);
        *before = joined.into();
    } else {
        pieces.push(Piece::Text(text.into()));
    }
}
