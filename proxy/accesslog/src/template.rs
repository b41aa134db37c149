//! Format strings.

use crate::{Entry, FormatError};

/// A format string compiled.
#[derive(Debug, Clone, Default)]
pub struct Template {
    text: Box<[u8]>,
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
        let _ = omit_empty_values;
        match text.find('%') {
            Some(at) => Err(FormatError::new(at, "unknown operator")),
            None => Ok(Template {
                text: text.as_bytes().into(),
            }),
        }
    }

    /// Appends the text for an entry.
    pub fn render(&self, _entry: &Entry<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.text);
    }

    /// The text, where it is the same for every entry.
    #[must_use]
    pub fn constant(&self) -> Option<&[u8]> {
        Some(&self.text)
    }

    /// Whether the text is the same for every entry.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.constant().is_some()
    }
}
