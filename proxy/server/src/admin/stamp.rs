//! Moments as text.

use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment in RFC 3339, to the millisecond (`last_updated`).
pub(crate) fn to_millisecond(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    text(at.replace_millisecond(at.millisecond()).unwrap_or(at))
}

/// A moment in RFC 3339, to the second.
pub(crate) fn to_second(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    text(at.replace_nanosecond(0).unwrap_or(at))
}

/// The formatter fails for years beyond 9999 alone.
fn text(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn parts_of_a_second_are_cut() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_500_250);
        assert_eq!(to_millisecond(at), "1970-01-01T00:00:01.5Z");
        assert_eq!(to_second(at), "1970-01-01T00:00:01Z");
    }
}
