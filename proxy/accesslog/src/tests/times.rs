use std::time::{Duration, UNIX_EPOCH};

use super::{bare, moment, problem, render};
use crate::Entry;

fn at(seconds: i64, nanos: u32, format: &str) -> String {
    let since = Duration::new(seconds.unsigned_abs(), 0);
    let start = if seconds < 0 {
        UNIX_EPOCH - since
    } else {
        UNIX_EPOCH + since
    };
    render(
        &format!("%START_TIME({format})%"),
        &Entry {
            start: start + Duration::from_nanos(u64::from(nanos)),
            ..bare()
        },
    )
}

#[test]
fn without_a_format_it_is_iso_8601_in_milliseconds() {
    assert_eq!(render("%START_TIME%", &bare()), "2023-10-31T14:52:14.279Z");
    assert_eq!(
        render("%START_TIME()%", &bare()),
        "2023-10-31T14:52:14.279Z"
    );
    assert_eq!(
        render("%START_TIME_LOCAL%", &bare()),
        "2023-10-31T14:52:14.279+0000"
    );
}

#[test]
fn the_end_is_the_start_and_the_duration() {
    let entry = Entry {
        start: moment(),
        duration: Duration::from_millis(1_000),
        ..bare()
    };
    assert_eq!(render("%EMIT_TIME%", &entry), "2023-10-31T14:52:15.279Z");
    assert_eq!(render("%EMIT_TIME_LOCAL(%Y)%", &entry), "2023");
}

#[test]
fn conversions_print_what_envoy_1_40_printed() {
    // Envoy's own output for 2026-11-22T23:39:14.311615Z.
    let (seconds, nanos) = (1_795_390_754, 311_615_000);
    assert_eq!(
        at(
            seconds,
            nanos,
            "%E3S|%E*S|%H:%M:%E6S|%e|%j|%p|%I|%a|%A|%b|%B|%y|%C|%D|%F|%T|%R|%u|%w|%U|%W|%V|%G|%g|%h"
        ),
        "14.311|14.311615|23:39:14.311615|22|326|PM|11|Sun|Sunday|Nov|November|26|20|11/22/26|2026-11-22|23:39:14|23:39|7|0|47|46|47|2026|26|Nov"
    );
    assert_eq!(
        at(
            seconds,
            nanos,
            "%t|%c|%x|%X|%r|%k|%l|%Z|%Ez|%E4Y|%P|%:z|%E*f|%E3f|%Ec|%Od|%E9S|%E0S|%ET|%%|%d%"
        ),
        "\t|Sun Nov 22 23:39:14 2026|11/22/26|23:39:14|11:39:14 PM|23|11|UTC|+00:00|2026|pm|+00:00|311615|311|Sun Nov 22 23:39:14 2026|22|14.311615000|14|T|%|22%"
    );
    assert_eq!(
        at(seconds, nanos, "%s%3f %1f|%2f|%6f|%9f|%f|%3f%3f"),
        "1795390754311 3|31|311615|311615000|311615000|311311"
    );
    assert_eq!(
        at(seconds, nanos, "%Y/%m/%dT%H:%M:%S%z"),
        "2026/11/22T23:39:14+0000"
    );
}

#[test]
fn the_calendar_is_right_at_its_edges() {
    let day = |seconds| at(seconds, 0, "%F %T %a %j %V-%G %U %W %l%p");
    assert_eq!(day(0), "1970-01-01 00:00:00 Thu 001 01-1970 00 00 12AM");
    assert_eq!(day(-1), "1969-12-31 23:59:59 Wed 365 01-1970 52 52 11PM");
    assert_eq!(
        day(951_782_400),
        "2000-02-29 00:00:00 Tue 060 09-2000 09 09 12AM"
    );
    assert_eq!(
        day(1_709_164_800),
        "2024-02-29 00:00:00 Thu 060 09-2024 08 09 12AM"
    );
    assert_eq!(
        day(1_735_603_200),
        "2024-12-31 00:00:00 Tue 366 01-2025 52 53 12AM"
    );
    assert_eq!(
        day(1_609_502_400),
        "2021-01-01 12:00:00 Fri 001 53-2020 00 00 12PM"
    );
    assert_eq!(
        day(4_107_542_400),
        "2100-03-01 00:00:00 Mon 060 09-2100 09 09 12AM"
    );
    assert_eq!(
        day(-2_208_988_800),
        "1900-01-01 00:00:00 Mon 001 01-1900 00 01 12AM"
    );
}

#[test]
fn every_day_of_800_years_follows_the_one_before() {
    let mut previous =
        crate::time::civil::Civil::of(UNIX_EPOCH - Duration::from_secs(86_400 * 146_097));
    for day in -146_096..146_097_i64 {
        let since = Duration::from_secs(86_400 * day.unsigned_abs());
        let time = if day < 0 {
            UNIX_EPOCH - since
        } else {
            UNIX_EPOCH + since
        };
        let civil = crate::time::civil::Civil::of(time);
        let same_month = (civil.year, civil.month, civil.day)
            == (previous.year, previous.month, previous.day + 1);
        let next_month = civil.day == 1
            && previous.day >= 28
            && (civil.year, civil.month)
                == if previous.month == 12 {
                    (previous.year + 1, 1)
                } else {
                    (previous.year, previous.month + 1)
                };
        assert!(same_month || next_month, "{previous:?} then {civil:?}");
        assert_eq!(civil.weekday, (previous.weekday + 1) % 7);
        assert_eq!(
            civil.day_of_year,
            if civil.year == previous.year {
                previous.day_of_year + 1
            } else {
                1
            }
        );
        previous = civil;
    }
    assert_eq!(
        (previous.year, previous.month, previous.day),
        (2369, 12, 31)
    );
}

#[test]
fn a_conversion_that_is_not_served_is_refused_by_name() {
    for (format, named) in [
        ("%-d", "`%-d`"),
        ("%Q", "`%Q`"),
        ("%Eq", "`%Eq`"),
        ("%E", "`%E`"),
        ("%0f", "`%0f`"),
        ("%9", "`%9`"),
        ("%\u{e9}", "`%\u{e9}`"),
    ] {
        let problem = problem(&format!("%START_TIME({format})%"));
        assert!(problem.contains(named), "{problem}");
    }
}
