//! The date of answers, made once a second.

use std::time::{SystemTime, UNIX_EPOCH};

/// The text of the `date` header for the second it was asked for last.
#[derive(Debug, Default)]
pub(crate) struct Date {
    second: u64,
    text: String,
}

impl Date {
    /// The text for a time.
    pub(crate) fn at(&mut self, wall: SystemTime) -> &[u8] {
        let second = wall
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        if self.second != second || self.text.is_empty() {
            self.second = second;
            self.text = httpdate::fmt_http_date(wall);
        }
        self.text.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_date_is_that_of_the_second() {
        let mut date = Date::default();
        let noon = UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (after, text) in [
            (0, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (999, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (1000, "Sun, 06 Nov 1994 08:49:38 GMT"),
            (0, "Sun, 06 Nov 1994 08:49:37 GMT"),
        ] {
            assert_eq!(
                date.at(noon + Duration::from_millis(after)),
                text.as_bytes()
            );
        }
        assert_eq!(
            Date::default().at(UNIX_EPOCH),
            b"Thu, 01 Jan 1970 00:00:00 GMT"
        );
    }
}
