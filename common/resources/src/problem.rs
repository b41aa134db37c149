//! What is wrong with an input, said so that its author can mend it: where it is, which object and
//! field it concerns, what is wrong and what to do.

use std::fmt;

use serde::Serialize;

/// How much was lost because of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Everything is in use, but perhaps not as its author meant it (an unknown field, say).
    Warning,
    /// The object or the document named is not in use.
    Error,
}

/// One finding about an input. `Display` is the line for a log: severity, place, object, field,
/// message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Problem {
    /// Whether the object was refused or only doubted.
    pub severity: Severity,
    /// Where the input came from: a file's path, or the name of an API source.
    pub source: String,
    /// Which YAML document of the source, counted from 1; `None` when the whole source is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<u32>,
    /// The line in the source, counted from 1, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The object, as `Kind namespace/name` (or `Kind name` for kinds without a namespace).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The path of the field within the object, such as `spec.ports[0].port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Problem {
    /// A finding because of which the input named is not in use.
    pub fn error(source: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, source, message)
    }

    /// A finding that leaves the input in use.
    pub fn warning(source: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, source, message)
    }

    fn new(severity: Severity, source: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity,
            source: source.into(),
            document: None,
            line: None,
            object: None,
            field: None,
            message: message.into(),
        }
    }

    /// Names the YAML document, counted from 1.
    #[must_use]
    pub fn in_document(mut self, document: usize) -> Self {
        self.document = Some(u32::try_from(document).unwrap_or(u32::MAX));
        self
    }

    /// Names the line of the source, counted from 1.
    #[must_use]
    pub fn at_line(mut self, line: u64) -> Self {
        self.line = Some(u32::try_from(line).unwrap_or(u32::MAX));
        self
    }

    /// Names the object, as `Kind namespace/name`.
    #[must_use]
    pub fn about(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    /// Names the field within the object, as a path such as `spec.ports[0].port`.
    #[must_use]
    pub fn at_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.severity {
            Severity::Warning => "warning: ",
            Severity::Error => "error: ",
        })?;
        f.write_str(&self.source)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(document) = self.document {
            write!(f, " (document {document})")?;
        }
        f.write_str(": ")?;
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_place_object_field_and_message() {
        let problem = Problem::error("a.yaml", "is not a number; give one from 1 to 65535")
            .in_document(2)
            .at_line(7)
            .about("Service default/greeter")
            .at_field("spec.ports[0].port");
        assert_eq!(
            problem.to_string(),
            "error: a.yaml:7 (document 2): Service default/greeter: spec.ports[0].port: \
             is not a number; give one from 1 to 65535"
        );
    }

    #[test]
    fn an_error_weighs_more_than_a_warning() {
        assert!(Severity::Error > Severity::Warning);
    }
}
