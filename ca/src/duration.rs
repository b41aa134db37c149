//! Durations as Go programs write them, because Istio's flags and settings do.

use std::time::Duration;

/// Reads `1h30m`, `90s`, `500ms`, `0`: numbers with a unit of `h`, `m`, `s` or `ms`, added up.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text:?} is not a duration: write for example 24h, 1h30m, 90s or 500ms");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut rest, mut total) = (text, Duration::ZERO);
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let milliseconds: u64 = match unit {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1000,
            "ms" => 1,
            _ => return Err(bad()),
        };
        let number: u64 = number.parse().map_err(|_| bad())?;
        let part = Duration::from_millis(number.checked_mul(milliseconds).ok_or_else(bad)?);
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
            ("90s", 90.0),
            ("500ms", 0.5),
            ("0", 0.0),
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
            "1d",
            "-1h",
            "1h30",
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
