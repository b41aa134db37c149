//! Durations as Go programs write them, because Istio's flags and settings do.

use std::time::Duration;

/// Reads `1h30m`, `1.5s`, `500ms`, `0`: numbers with a unit of `h`, `m`, `s`, `ms`, `us` or `ns`,
/// added up.
///
/// # Errors
/// A sentence with examples of what can be written.
pub fn parse(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text:?} is not a duration: write for example 24h, 1h30m, 90s or 500ms");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(bad());
    }
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let (mut rest, mut total) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.find(|c| !is_number(c)).ok_or_else(bad)?;
        let (number, tail) = rest.split_at(digits);
        let (unit, tail) = tail.split_at(tail.find(is_number).unwrap_or(tail.len()));
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" | "μs" => 1e-6,
            "ns" => 1e-9,
            _ => return Err(bad()),
        };
        let number: f64 = number.parse().map_err(|_| bad())?;
        let part = Duration::try_from_secs_f64(number * seconds).map_err(|_| bad())?;
        total = total.checked_add(part).ok_or_else(bad)?;
        rest = tail;
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_go() {
        for (text, seconds) in [
            ("24h", 86400.0),
            ("1h30m", 5400.0),
            ("24h0m0s", 86400.0),
            ("90s", 90.0),
            ("1.5s", 1.5),
            ("500ms", 0.5),
            ("250µs", 0.000_25),
            ("0", 0.0),
            ("0s", 0.0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_an_example() {
        for text in [
            "",
            "24",
            "h",
            ".s",
            "1d",
            "-1h",
            "1h30",
            "1 h",
            "1e400h",
            "99999999999999999999h",
            "18446744073709551615h",
        ] {
            assert!(
                parse(text).is_err_and(|message| message.contains("24h")),
                "{text}"
            );
        }
    }
}
