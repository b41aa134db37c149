use std::sync::Arc;
use std::time::Duration;

use super::bare;
use crate::{AccessLog, Comparison, Entry, Filter, Flags, Format, Template};

fn entry(code: u16, flags: Flags, ms: u64) -> Entry<'static> {
    Entry {
        response_code: code,
        flags,
        duration: Duration::from_micros(ms * 1000 + 999),
        ..bare()
    }
}

#[test]
fn a_flag_filter_passes_entries_with_one_of_its_flags() {
    let filter = Filter::Flags(Flags::NO_ROUTE_FOUND | Flags::NO_HEALTHY_UPSTREAM);
    assert!(filter.passes(&entry(404, Flags::NO_ROUTE_FOUND | Flags::LOCAL_RESET, 0)));
    assert!(!filter.passes(&entry(503, Flags::LOCAL_RESET, 0)));
    assert!(!filter.passes(&entry(200, Flags::NONE, 0)));
}

#[test]
fn a_flag_filter_without_flags_passes_entries_with_any() {
    let filter = Filter::Flags(Flags::NONE);
    assert!(filter.passes(&entry(0, Flags::UNCONDITIONAL_DROP_OVERLOAD, 0)));
    assert!(!filter.passes(&entry(0, Flags::NONE, 0)));
}

#[test]
fn numbers_compare_as_the_filter_says_and_durations_in_whole_milliseconds() {
    let status = |comparison| Filter::Status(comparison, 500).passes(&entry(500, Flags::NONE, 0));
    assert!(status(Comparison::Equal) && status(Comparison::AtLeast) && status(Comparison::AtMost));
    assert!(!status(Comparison::NotEqual));
    let slow = Filter::Duration(Comparison::AtLeast, Duration::from_millis(10));
    assert!(slow.passes(&entry(0, Flags::NONE, 10)));
    assert!(!slow.passes(&entry(0, Flags::NONE, 9)));
    let fast = Filter::Duration(Comparison::AtMost, Duration::from_millis(10));
    assert!(
        fast.passes(&entry(0, Flags::NONE, 10)),
        "10.999 ms count as 10"
    );
}

#[test]
fn all_of_and_one_of_combine_filters() {
    let failed = Filter::Status(Comparison::AtLeast, 500);
    let unrouted = Filter::Flags(Flags::NO_ROUTE_FOUND);
    let both = Filter::And([failed.clone(), unrouted.clone()].into());
    let either = Filter::Or([failed, unrouted].into());
    let only_failed = entry(503, Flags::NONE, 0);
    assert!(!both.passes(&only_failed) && either.passes(&only_failed));
    let neither = entry(200, Flags::NONE, 0);
    assert!(!both.passes(&neither) && !either.passes(&neither));
}

#[test]
fn a_log_writes_only_what_its_filter_passes() {
    let log = AccessLog {
        path: Arc::from("/dev/stdout"),
        filter: Filter::Flags(Flags::NO_ROUTE_FOUND),
        format: Format::Text(Template::parse("%RESPONSE_CODE% %TRACE_ID%\n").unwrap()),
    };
    let mut out = Vec::new();
    log.write(&entry(200, Flags::NONE, 0), &mut out);
    log.write(&entry(404, Flags::NO_ROUTE_FOUND, 0), &mut out);
    assert_eq!(out, b"404 -\n");
    assert_eq!(log.unserved(), ["TRACE_ID"]);
}
