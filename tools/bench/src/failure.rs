//! What ends the program.

use std::fmt::Display;

/// A measurement cannot be made, or its figures would be wrong. The text is for whoever started the program.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

impl Failure {
    /// A failure with what was being done before it.
    pub(crate) fn of(doing: impl Display) -> impl FnOnce(&dyn Display) -> Self {
        move |problem| Failure(format!("{doing}: {problem}"))
    }
}

/// Says what was being done when something failed.
pub(crate) trait Doing<T> {
    /// The value, or a failure that begins with `what`.
    fn doing(self, what: impl Display) -> Result<T, Failure>;
}

impl<T, E: Display> Doing<T> for Result<T, E> {
    fn doing(self, what: impl Display) -> Result<T, Failure> {
        self.map_err(|problem| Failure::of(what)(&problem))
    }
}
