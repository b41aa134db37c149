//! How much one stream may make the server remember.

use std::collections::BTreeSet;
use std::sync::Arc;

/// The most names that one stream may subscribe to, over all types.
pub(super) const MAX_NAMES: usize = 100_000;
/// The most bytes that those names may have together. Names of the mesh have less than a hundred
/// each.
pub(super) const MAX_NAME_BYTES: usize = 16 * 1024 * 1024;
/// The longest resource name, in bytes. Names of the mesh are made of a DNS name, a subset and a
/// port: a few hundred bytes.
pub(super) const MAX_NAME: usize = 1024;
/// The largest request, in bytes (Istio's limit too).
pub(crate) const MAX_REQUEST: usize = 4 * 1024 * 1024;
/// The most of a client's error text that is kept, in bytes.
pub(super) const MAX_ERROR: usize = 16 * 1024;

/// A request that asks for more than one stream may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LimitExceeded {
    /// Too many names on the stream.
    #[error(
        "a stream may subscribe to {MAX_NAMES} names; this request would make it {wanted}: \
         subscribe to \"*\" or unsubscribe from names that are no longer used"
    )]
    Names {
        /// How many there would have been.
        wanted: usize,
    },
    /// Names that are too long together.
    #[error(
        "the names that a stream subscribes to may have {MAX_NAME_BYTES} bytes together; this \
         request would make it {wanted}: subscribe to \"*\" or to fewer names"
    )]
    NameBytes {
        /// How many there would have been.
        wanted: usize,
    },
    /// A name that is too long.
    #[error("a resource name may have {MAX_NAME} bytes, one that begins {start:?} has {len}")]
    Name {
        /// The name's first characters.
        start: String,
        /// The name's length in bytes.
        len: usize,
    },
}

pub(super) fn check_name(name: &str) -> Result<(), LimitExceeded> {
    if name.len() <= MAX_NAME {
        return Ok(());
    }
    Err(LimitExceeded::Name {
        start: name.chars().take(32).collect(),
        len: name.len(),
    })
}

/// Checks how many names a stream would be subscribed to, and how many bytes they have.
pub(super) fn check_all(names: usize, bytes: usize) -> Result<(), LimitExceeded> {
    if names > MAX_NAMES {
        return Err(LimitExceeded::Names { wanted: names });
    }
    if bytes > MAX_NAME_BYTES {
        return Err(LimitExceeded::NameBytes { wanted: bytes });
    }
    Ok(())
}

/// Names of a request as shared text, each checked.
pub(super) fn shared(names: &[String]) -> Result<BTreeSet<Arc<str>>, LimitExceeded> {
    names
        .iter()
        .map(|name| check_name(name).map(|()| Arc::from(name.as_str())))
        .collect()
}

/// An error text cut to what is kept.
pub(super) fn error_text(text: &str) -> String {
    let mut end = text.len().min(MAX_ERROR);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
