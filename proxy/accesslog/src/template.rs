//! Format strings.

/// A format string compiled.
#[derive(Debug, Clone, Default)]
pub struct Template {}
