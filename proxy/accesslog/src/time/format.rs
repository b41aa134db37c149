//! Formats of points in time: strftime's conversions and Envoy's fractions (`%3f`).

use std::time::SystemTime;

use super::Civil;
use crate::digits::{Small, decimal, padded};

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A format compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TimeFormat {
    /// `2023-10-31T14:52:14.279Z`, what operators print that are given no format. With the other end, `+0000`,
    /// where they print local time: ours is UTC, as in every container without a zone of its own.
    Default { end: &'static str },
    /// A format of the configuration.
    Custom(Box<[Piece]>),
}

/// A part of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(Box<str>),
    Year,
    YearOfCentury,
    Century,
    IsoYear,
    IsoYearOfCentury,
    IsoWeek,
    WeekFromSunday,
    WeekFromMonday,
    Month,
    MonthName,
    MonthAbbreviated,
    Day,
    DayWithBlank,
    DayOfYear,
    WeekdayFromMonday,
    WeekdayFromSunday,
    WeekdayName,
    WeekdayAbbreviated,
    Hour,
    HourWithBlank,
    Hour12,
    Hour12WithBlank,
    Half,
    HalfLower,
    Minute,
    Second,
    /// The first digits of the second's fraction.
    Fraction(usize),
    /// The second's fraction without zeros at its end.
    FractionShortest,
    Epoch,
}

impl TimeFormat {
    /// Compiles a format; the error says what is wrong.
    pub(crate) fn parse(text: &str, end: &'static str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(TimeFormat::Default { end });
        }
        if text.contains(['\n', '\r', '\0']) {
            return Err("a time format must not hold a line's end".into());
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            pieces.push(Piece::Text(before.into()));
            rest = conversion(after, &mut pieces)?;
        }
        pieces.push(Piece::Text(rest.into()));
        pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        Ok(TimeFormat::Custom(pieces.into()))
    }

    /// Appends a point in time.
    pub(crate) fn write(&self, time: SystemTime, out: &mut Vec<u8>) {
        let time = &Civil::of(time);
        match self {
            TimeFormat::Default { end } => write_default(time, end, out),
            TimeFormat::Custom(pieces) => {
                for piece in pieces {
                    piece.write(time, out);
                }
            }
        }
    }
}

/// Compiles the conversion that stands before `text` but for its `%`, and returns what follows it.
fn conversion<'a>(text: &'a str, pieces: &mut Vec<Piece>) -> Result<&'a str, String> {
    use Piece::*;
    let unknown = || {
        let shown: String = text.chars().take(2).collect();
        Err(format!(
            "`%{shown}` is no conversion of a time format that is served"
        ))
    };
    // glibc prints a lone percent sign at the end as it stands, and so does Envoy.
    if text.is_empty() {
        pieces.push(Text("%".into()));
        return Ok(text);
    }
    // `E` and `O` ask for another calendar's or script's form, of which there is none here.
    let modified = text.strip_prefix(['E', 'O']).unwrap_or(text);
    if let Some(rest) = text.strip_prefix('E') {
        if let Some(rest) = rest.strip_prefix("*S") {
            pieces.extend([Second, Text(".".into()), FractionShortest]);
            return Ok(rest);
        }
        if let Some(rest) = rest.strip_prefix("*f") {
            pieces.push(FractionShortest);
            return Ok(rest);
        }
        if let Some(rest) = rest.strip_prefix("*z") {
            pieces.push(Text("+00:00:00".into()));
            return Ok(rest);
        }
        if let Some(rest) = rest.strip_prefix('T') {
            pieces.push(Text("T".into()));
            return Ok(rest);
        }
        if let Some(rest) = rest.strip_prefix("4Y") {
            pieces.push(Year);
            return Ok(rest);
        }
        if let Some(rest) = rest.strip_prefix('z') {
            pieces.push(Text("+00:00".into()));
            return Ok(rest);
        }
        if let Some((digits, rest)) = one_digit(rest) {
            if let Some(rest) = rest.strip_prefix('S') {
                pieces.push(Second);
                if digits > 0 {
                    pieces.extend([Text(".".into()), Fraction(digits)]);
                }
                return Ok(rest);
            }
            if let Some(rest) = rest.strip_prefix('f') {
                pieces.push(Fraction(digits));
                return Ok(rest);
            }
            return unknown();
        }
    }
    if let Some((digits @ 1.., rest)) = one_digit(text)
        && let Some(rest) = rest.strip_prefix('f')
    {
        pieces.push(Fraction(digits));
        return Ok(rest);
    }
    if let Some(rest) = text.strip_prefix("::z") {
        pieces.push(Text("+00:00:00".into()));
        return Ok(rest);
    }
    if let Some(rest) = text.strip_prefix(":z") {
        pieces.push(Text("+00:00".into()));
        return Ok(rest);
    }
    let mut chars = modified.chars();
    let colon = || Text(":".into());
    let slash = || Text("/".into());
    let dash = || Text("-".into());
    let blank = || Text(" ".into());
    match chars.next() {
        Some('%') => pieces.push(Text("%".into())),
        Some('t') => pieces.push(Text("\t".into())),
        Some('Y') => pieces.push(Year),
        Some('y') => pieces.push(YearOfCentury),
        Some('C') => pieces.push(Century),
        Some('G') => pieces.push(IsoYear),
        Some('g') => pieces.push(IsoYearOfCentury),
        Some('V') => pieces.push(IsoWeek),
        Some('U') => pieces.push(WeekFromSunday),
        Some('W') => pieces.push(WeekFromMonday),
        Some('m') => pieces.push(Month),
        Some('B') => pieces.push(MonthName),
        Some('b' | 'h') => pieces.push(MonthAbbreviated),
        Some('d') => pieces.push(Day),
        Some('e') => pieces.push(DayWithBlank),
        Some('j') => pieces.push(DayOfYear),
        Some('u') => pieces.push(WeekdayFromMonday),
        Some('w') => pieces.push(WeekdayFromSunday),
        Some('A') => pieces.push(WeekdayName),
        Some('a') => pieces.push(WeekdayAbbreviated),
        Some('H') => pieces.push(Hour),
        Some('k') => pieces.push(HourWithBlank),
        Some('I') => pieces.push(Hour12),
        Some('l') => pieces.push(Hour12WithBlank),
        Some('p') => pieces.push(Half),
        Some('P') => pieces.push(HalfLower),
        Some('M') => pieces.push(Minute),
        Some('S') => pieces.push(Second),
        Some('f') => pieces.push(Fraction(9)),
        Some('s') => pieces.push(Epoch),
        Some('z') => pieces.push(Text("+0000".into())),
        Some('Z') => pieces.push(Text("UTC".into())),
        Some('D' | 'x') => pieces.extend([Month, slash(), Day, slash(), YearOfCentury]),
        Some('F') => pieces.extend([Year, dash(), Month, dash(), Day]),
        Some('T' | 'X') => pieces.extend([Hour, colon(), Minute, colon(), Second]),
        Some('R') => pieces.extend([Hour, colon(), Minute]),
        Some('r') => pieces.extend([Hour12, colon(), Minute, colon(), Second, blank(), Half]),
        Some('c') => {
            pieces.extend([
                WeekdayAbbreviated,
                blank(),
                MonthAbbreviated,
                blank(),
                DayWithBlank,
            ]);
            pieces.extend([
                blank(),
                Hour,
                colon(),
                Minute,
                colon(),
                Second,
                blank(),
                Year,
            ]);
        }
        _ => return unknown(),
    }
    Ok(chars.as_str())
}

fn one_digit(text: &str) -> Option<(usize, &str)> {
    let first = text.chars().next()?;
    Some((first.to_digit(10)? as usize, text.get(1..)?))
}

impl Piece {
    fn write(&self, time: &Civil, out: &mut Vec<u8>) {
        let name = |names: &[&'static str], index: u32| {
            names.get(index as usize).copied().unwrap_or_default()
        };
        let short = |name: &'static str| name.get(..3).unwrap_or_default();
        let hour12 = match time.hour % 12 {
            0 => 12,
            hour => hour,
        };
        match self {
            Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
            Piece::Year => write_year(time.year, out),
            Piece::YearOfCentury => two(time.year.rem_euclid(100) as u32, out),
            Piece::Century => two(time.year.div_euclid(100) as u32, out),
            Piece::IsoYear => write_year(time.iso_week().0, out),
            Piece::IsoYearOfCentury => two(time.iso_week().0.rem_euclid(100) as u32, out),
            Piece::IsoWeek => two(time.iso_week().1, out),
            Piece::WeekFromSunday => two((time.day_of_year + 6 - time.weekday) / 7, out),
            Piece::WeekFromMonday => {
                two((time.day_of_year + 6 - (time.weekday + 6) % 7) / 7, out);
            }
            Piece::Month => two(time.month, out),
            Piece::MonthName => out.extend_from_slice(name(&MONTHS, time.month - 1).as_bytes()),
            Piece::MonthAbbreviated => {
                out.extend_from_slice(short(name(&MONTHS, time.month - 1)).as_bytes());
            }
            Piece::Day => two(time.day, out),
            Piece::DayWithBlank => blank_two(time.day, out),
            Piece::DayOfYear => padded(u64::from(time.day_of_year), 3, out),
            Piece::WeekdayFromMonday => decimal(u64::from((time.weekday + 6) % 7 + 1), out),
            Piece::WeekdayFromSunday => decimal(u64::from(time.weekday), out),
            Piece::WeekdayName => out.extend_from_slice(name(&DAYS, time.weekday).as_bytes()),
            Piece::WeekdayAbbreviated => {
                out.extend_from_slice(short(name(&DAYS, time.weekday)).as_bytes());
            }
            Piece::Hour => two(time.hour, out),
            Piece::HourWithBlank => blank_two(time.hour, out),
            Piece::Hour12 => two(hour12, out),
            Piece::Hour12WithBlank => blank_two(hour12, out),
            Piece::Half => out.extend_from_slice(if time.hour < 12 { b"AM" } else { b"PM" }),
            Piece::HalfLower => out.extend_from_slice(if time.hour < 12 { b"am" } else { b"pm" }),
            Piece::Minute => two(time.minute, out),
            Piece::Second => two(time.second, out),
            Piece::Fraction(digits) => fraction(time.nanosecond, *digits, out),
            Piece::FractionShortest => {
                let start = out.len();
                fraction(time.nanosecond, 9, out);
                while out.len() > start + 1 && out.last() == Some(&b'0') {
                    out.pop();
                }
            }
            Piece::Epoch => {
                if time.epoch < 0 {
                    out.push(b'-');
                }
                decimal(time.epoch.unsigned_abs(), out);
            }
        }
    }
}

fn two(number: u32, out: &mut Vec<u8>) {
    padded(u64::from(number), 2, out);
}

fn blank_two(number: u32, out: &mut Vec<u8>) {
    if number < 10 {
        out.push(b' ');
    }
    decimal(u64::from(number), out);
}

fn fraction(nanosecond: u32, digits: usize, out: &mut Vec<u8>) {
    let start = out.len();
    padded(u64::from(nanosecond), 9, out);
    out.truncate(start + digits);
}

fn write_year(year: i64, out: &mut Vec<u8>) {
    if year < 0 {
        out.push(b'-');
    }
    let year = year.unsigned_abs();
    if year < 10_000 {
        padded(year, 4, out);
    } else {
        decimal(year, out);
    }
}

/// `2023-10-31T14:52:14.279` and the end, the form of almost every line. Of four digits in the year: no clock goes
/// beyond.
fn write_default(time: &Civil, end: &str, out: &mut Vec<u8>) {
    let mut text = Small::new();
    let year = time.year.clamp(0, 9_999).cast_unsigned();
    text.pair(year / 100);
    text.pair(year % 100);
    for (separator, number) in [
        (b'-', time.month),
        (b'-', time.day),
        (b'T', time.hour),
        (b':', time.minute),
        (b':', time.second),
    ] {
        text.push(separator);
        text.pair(u64::from(number));
    }
    text.push(b'.');
    text.padded(u64::from(time.nanosecond / 1_000_000), 3);
    for byte in end.bytes() {
        text.push(byte);
    }
    text.append_to(out);
}
