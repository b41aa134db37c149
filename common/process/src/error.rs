//! What errors say.

use std::error::Error;

/// An error with all its causes: that something did not work says little, that the disk is full is what a person can act
/// upon. What a message has said already is not said again.
pub fn with_causes(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        next = cause.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot unpack a")]
    struct Outer(#[source] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error("b: {0}")]
    struct Middle(#[source] std::io::Error);

    #[test]
    fn each_cause_is_said_once() {
        let full = std::io::Error::from_raw_os_error(28);
        let said = with_causes(&Outer(Middle(full)));
        assert_eq!(
            said,
            "cannot unpack a: b: No space left on device (os error 28)"
        );
    }
}
