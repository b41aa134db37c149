//! Which entries are written.

use std::time::Duration;

use crate::{Entry, Flags};

/// A condition on an entry (`AccessLogFilter`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Filter {
    /// Every entry.
    #[default]
    All,
    /// Entries with one of these flags; with none given, entries with any flag (`ResponseFlagFilter`).
    Flags(Flags),
    /// Entries whose status compares so; no status is 0 (`StatusCodeFilter`).
    Status(Comparison, u16),
    /// Entries whose duration compares so, in whole milliseconds (`DurationFilter`).
    Duration(Comparison, Duration),
    /// Entries that pass all (`AndFilter`).
    And(Box<[Filter]>),
    /// Entries that pass one (`OrFilter`).
    Or(Box<[Filter]>),
}

/// How an entry's number is compared with the filter's (`ComparisonFilter.Op`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
    /// Greater or equal.
    AtLeast,
    /// Less or equal.
    AtMost,
}

impl Comparison {
    fn holds<N: Ord>(self, is: N, than: N) -> bool {
        match self {
            Comparison::Equal => is == than,
            Comparison::NotEqual => is != than,
            Comparison::AtLeast => is >= than,
            Comparison::AtMost => is <= than,
        }
    }
}

impl Filter {
    /// Whether the entry is written.
    #[must_use]
    pub fn passes(&self, entry: &Entry<'_>) -> bool {
        match self {
            Filter::All => true,
            Filter::Flags(Flags::NONE) => !entry.flags.is_empty(),
            Filter::Flags(flags) => entry.flags.intersects(*flags),
            Filter::Status(comparison, status) => comparison.holds(entry.response_code, *status),
            Filter::Duration(comparison, duration) => {
                comparison.holds(entry.duration.as_millis(), duration.as_millis())
            }
            Filter::And(filters) => filters.iter().all(|filter| filter.passes(entry)),
            Filter::Or(filters) => filters.iter().any(|filter| filter.passes(entry)),
        }
    }
}
