//! Durations as Istio's YAML writes them: Go's syntax, such as `5000ms`, `1h2m` or `1.5s`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A non-negative span of time, read and written in Go's syntax.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(pub Duration);

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a duration: {why}; write it like 5s, 300ms or 1h30m")]
pub struct DurationError {
    text: String,
    why: &'static str,
}

const NANOS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |why| DurationError {
            text: text.chars().take(40).collect(),
            why,
        };
        let mut rest = text.strip_prefix('+').unwrap_or(text);
        if rest == "0" {
            return Ok(Self::default());
        }
        if rest.is_empty() {
            return Err(wrong("it is empty"));
        }
        if rest.starts_with('-') {
            return Err(wrong("it is negative"));
        }
        let mut nanos: u128 = 0;
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !(c.is_ascii_digit() || c == '.'))
                .ok_or_else(|| wrong("the unit is missing"))?;
            let (number, tail) = rest.split_at(digits);
            let unit_length = tail
                .find(|c: char| c.is_ascii_digit() || c == '.')
                .unwrap_or(tail.len());
            let (unit, next) = tail.split_at(unit_length);
            let (_, scale) = NANOS
                .iter()
                .find(|(name, _)| *name == unit)
                .ok_or_else(|| wrong("the unit is unknown"))?;
            nanos = scaled(number, *scale)
                .and_then(|part| nanos.checked_add(part))
                .ok_or_else(|| wrong("the number is malformed or too large"))?;
            rest = next;
        }
        let nanos = u64::try_from(nanos).map_err(|_| wrong("it is too long"))?;
        Ok(Self(Duration::from_nanos(nanos)))
    }
}

fn scaled(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || fraction.len() > 18 {
        return None;
    }
    let whole = if whole.is_empty() {
        0
    } else {
        whole.parse::<u128>().ok()?
    };
    let mut nanos = whole.checked_mul(scale)?;
    if !fraction.is_empty() {
        let divisor = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        nanos = nanos.checked_add(fraction.parse::<u128>().ok()?.checked_mul(scale)? / divisor)?;
    }
    Some(nanos)
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        match NANOS
            .iter()
            .rev()
            .filter(|(unit, _)| unit.is_ascii())
            .find(|(_, scale)| nanos.is_multiple_of(*scale))
        {
            Some((unit, scale)) if nanos > 0 => write!(f, "{}{unit}", nanos / scale),
            _ => f.write_str("0s"),
        }
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )]
    use super::*;

    #[test]
    fn go_durations_are_read_to_the_nanosecond() {
        let cases = [
            ("5000ms", 5_000_000_000),
            ("1h2m", 3_720_000_000_000),
            ("1.5s", 1_500_000_000),
            ("0", 0),
            (".5ms", 500_000),
            ("2us", 2_000),
            ("7µs", 7_000),
        ];
        for (text, nanos) in cases {
            assert_eq!(
                text.parse::<GoDuration>().unwrap().0.as_nanos(),
                nanos,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_its_reason() {
        let cases = [
            ("5", "unit is missing"),
            ("", "empty"),
            ("-1s", "negative"),
            ("3y", "unknown"),
            ("1.2.3s", "malformed"),
            ("99999999999999h", "too long"),
            (".s", "malformed"),
        ];
        for (text, why) in cases {
            let message = text.parse::<GoDuration>().unwrap_err().to_string();
            assert!(message.contains(why), "{text}: {message}");
        }
    }

    #[test]
    fn a_duration_is_written_so_that_it_reads_back_as_itself() {
        for text in ["5s", "250ms", "62m", "0s", "1h"] {
            assert_eq!(text.parse::<GoDuration>().unwrap().to_string(), text);
        }
    }
}
