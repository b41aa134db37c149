//! The calendar: seconds since 1970 as date and time of day.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400;

/// A point in time in the Gregorian calendar, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    /// Seconds since 1970.
    pub(crate) epoch: i64,
    pub(crate) nanosecond: u32,
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: u32,
    /// 1 to 31.
    pub(crate) day: u32,
    pub(crate) hour: u32,
    pub(crate) minute: u32,
    pub(crate) second: u32,
    /// 0 is Sunday.
    pub(crate) weekday: u32,
    /// 1 to 366.
    pub(crate) day_of_year: u32,
}

impl Civil {
    pub(crate) fn of(time: SystemTime) -> Self {
        let (epoch, nanosecond) = match time.duration_since(UNIX_EPOCH) {
            Ok(since) => (since.as_secs() as i64, since.subsec_nanos()),
            Err(before) => {
                let before = before.duration();
                let whole = -(before.as_secs() as i64);
                match before.subsec_nanos() {
                    0 => (whole, 0),
                    nanos => (whole - 1, 1_000_000_000 - nanos),
                }
            }
        };
        let days = epoch.div_euclid(DAY);
        let of_day = epoch.rem_euclid(DAY) as u32;
        let (year, month, day) = date(days);
        let first = days_before(year);
        Civil {
            epoch,
            nanosecond,
            year,
            month,
            day,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            weekday: (days + 4).rem_euclid(7) as u32, // the first day of 1970 was a Thursday
            day_of_year: (days - first) as u32 + 1,
        }
    }

    /// Week of ISO 8601 and the year that it counts in.
    pub(crate) fn iso_week(&self) -> (i64, u32) {
        let monday_based = i64::from((self.weekday + 6) % 7);
        // The week belongs to the year of its Thursday.
        let thursday = self.epoch.div_euclid(DAY) - monday_based + 3;
        let (year, _, _) = date(thursday);
        (year, ((thursday - days_before(year)) / 7 + 1) as u32)
    }
}

/// Year, month and day of a number of days since 1970. Years are counted from March, so that the day of a leap year
/// comes last, in eras of 400 years, which all have the same days.
fn date(days: i64) -> (i64, u32, u32) {
    const ERA: i64 = 146_097;
    let from_march_of_0 = days + 719_468;
    let era = from_march_of_0.div_euclid(ERA);
    let of_era = from_march_of_0.rem_euclid(ERA);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month as u32, day as u32)
}

/// Days from 1970 to the first day of a year.
fn days_before(year: i64) -> i64 {
    let past = year - 1;
    past * 365 + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400) - 719_162
}
