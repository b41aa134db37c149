//! Why a format string cannot be used.

use std::fmt;

/// What is wrong with a format string, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatError {
    /// What is wrong; names the operator.
    pub problem: String,
    /// Byte of the format string at which the operator starts.
    pub at: usize,
    /// Keys of the JSON format that lead to the string, joined by `.`; empty for a text format.
    pub key: String,
}

impl FormatError {
    pub(crate) fn new(at: usize, problem: impl Into<String>) -> Self {
        FormatError {
            problem: problem.into(),
            at,
            key: String::new(),
        }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "at byte {}: {}", self.at, self.problem)
        } else {
            write!(f, "{}: at byte {}: {}", self.key, self.at, self.problem)
        }
    }
}

impl std::error::Error for FormatError {}
