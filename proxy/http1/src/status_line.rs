//! The first line of a response (RFC 9112, 4).

use crate::{Error, Version};

/// A status line, read. The reason is dropped (RFC 9112, 4: a client should ignore it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StatusLine<'a> {
    pub(crate) version: Version,
    /// From 100 to 999.
    pub(crate) status: u16,
    pub(crate) digits: &'a [u8],
}

/// What every response begins with.
pub(crate) const PREFIX: &[u8] = b"HTTP/1.";

/// Reads the line. The space before an absent reason may be absent, too, as many servers write it.
pub(crate) fn read(line: &[u8]) -> Result<StatusLine<'_>, Error> {
    let rest = line.strip_prefix(PREFIX).ok_or(Error::StatusLine)?;
    let (minor, rest) = rest.split_first().ok_or(Error::StatusLine)?;
    let version = match minor {
        b'0' => Version::Http10,
        // RFC 9110, 2.5: a higher minor version is read as the highest known.
        b'1'..=b'9' => Version::Http11,
        _ => return Err(Error::StatusLine),
    };
    let rest = rest.strip_prefix(b" ").ok_or(Error::StatusLine)?;
    let (digits, reason) = rest.split_at_checked(3).ok_or(Error::StatusLine)?;
    let status = status_of(digits).ok_or(Error::StatusLine)?;
    if !matches!(reason, [] | [b' ', ..]) || !crate::octets::is_field_value(reason) {
        return Err(Error::StatusLine);
    }
    Ok(StatusLine {
        version,
        status,
        digits,
    })
}

/// Three digits, the first not 0 (RFC 9110, 15).
pub(crate) fn status_of(digits: &[u8]) -> Option<u16> {
    match digits {
        [b'1'..=b'9', _, _] => crate::octets::decimal(digits).and_then(|n| u16::try_from(n).ok()),
        _ => None,
    }
}
