use std::time::Duration;

use graph::cluster::Outlier as Settings;

use crate::{Change, Outlier, Recorded};

const ZERO: Duration = Duration::ZERO;

fn settings() -> Settings {
    Settings {
        consecutive_5xx: Some(3),
        consecutive_gateway: None,
        consecutive_local_origin: None,
        split_local_origin: false,
        interval: Duration::from_secs(10),
        base_ejection: Duration::from_secs(30),
        max_ejection: Duration::from_secs(300),
        max_ejection_percent: 100,
        panic_percent: 0,
    }
}

/// The index of the first outcome that ejects host 0.
fn ejects(settings: Settings, outcomes: &[Recorded]) -> Option<usize> {
    let mut outlier = Outlier::new(settings, 2, ZERO);
    outcomes
        .iter()
        .position(|o| outlier.record(0, *o, ZERO).is_some())
}

/// <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier>
#[test]
fn failures_in_a_row_eject() {
    use Recorded::{ConnectFailed, Connected, Status, TimedOut};
    let gateway = Settings {
        consecutive_5xx: None,
        consecutive_gateway: Some(2),
        ..settings()
    };
    let split = Settings {
        consecutive_local_origin: Some(2),
        split_local_origin: true,
        ..settings()
    };
    let cases: [(Settings, &[Recorded], Option<usize>); 11] = [
        (
            settings(),
            &[Status(500), Status(503), Status(599)],
            Some(2),
        ),
        (
            settings(),
            &[
                Status(500),
                Status(500),
                Status(200),
                Status(500),
                Status(500),
            ],
            None,
        ),
        (
            settings(),
            &[Status(500), Status(500), Status(404), Status(500)],
            None,
        ),
        (settings(), &[ConnectFailed, TimedOut, Status(500)], Some(2)),
        // A connection made is not a success of the host yet.
        (
            settings(),
            &[
                ConnectFailed,
                Connected,
                ConnectFailed,
                Connected,
                ConnectFailed,
            ],
            Some(4),
        ),
        (gateway, &[Status(502), Status(504)], Some(1)),
        (gateway, &[Status(502), Status(500), Status(502)], None),
        (gateway, &[ConnectFailed, TimedOut], Some(1)),
        (split, &[ConnectFailed, TimedOut], Some(1)),
        (split, &[ConnectFailed, Connected, ConnectFailed], None),
        // Counted apart: what fails here says nothing of answers.
        (
            split,
            &[
                Status(500),
                ConnectFailed,
                Status(500),
                Connected,
                Status(500),
            ],
            Some(4),
        ),
    ];
    for (settings, outcomes, expected) in cases {
        assert_eq!(ejects(settings, outcomes), expected, "{outcomes:?}");
    }
}

/// Envoy 1.40 without `always_eject_one_host`: hosts, `max_ejection_percent`, hosts out after all failed.
#[test]
fn no_more_than_the_configured_share_is_out() {
    for (hosts, percent, expected) in [
        (1, 10, 0),
        (3, 10, 0),
        (3, 34, 1),
        (3, 66, 1),
        (3, 100, 3),
        (10, 10, 1),
        (10, 20, 2),
    ] {
        let settings = Settings {
            max_ejection_percent: percent,
            ..settings()
        };
        let mut outlier = Outlier::new(settings, hosts, ZERO);
        for host in (0..hosts).cycle().take(60) {
            outlier.record(host, Recorded::Status(500), ZERO);
        }
        assert_eq!(
            outlier.ejected(),
            expected,
            "{hosts} hosts, {percent} percent"
        );
    }
}

/// Ejects host 0 at `now`.
fn eject(outlier: &mut Outlier, now: Duration) {
    let change = (0..3).find_map(|_| outlier.record(0, Recorded::Status(500), now));
    let expected = Change {
        host: 0,
        ejected: true,
    };
    assert_eq!(change, Some(expected));
}

/// Ticks until host 0 is back; when that was.
fn back(outlier: &mut Outlier) -> Duration {
    loop {
        let now = outlier.next_tick();
        let mut changes = Vec::new();
        outlier.tick(now, |c| changes.push(c));
        if let [change] = changes[..] {
            assert!(change.host == 0 && !change.ejected);
            return now;
        }
    }
}

#[test]
fn each_further_ejection_is_longer_up_to_the_longest() {
    let settings = Settings {
        max_ejection: Duration::from_secs(70),
        ..settings()
    };
    let mut outlier = Outlier::new(settings, 1, ZERO);
    let mut now = ZERO;
    for expected in [30, 60, 70, 70] {
        eject(&mut outlier, now);
        let until = back(&mut outlier);
        assert_eq!(until - now, Duration::from_secs(expected));
        now = until;
    }
}

#[test]
fn an_interval_without_ejection_makes_the_next_one_shorter_again() {
    let mut outlier = Outlier::new(settings(), 1, ZERO);
    eject(&mut outlier, ZERO);
    let now = back(&mut outlier);
    eject(&mut outlier, now);
    let mut now = back(&mut outlier);
    for _ in 0..2 {
        now = outlier.next_tick();
        outlier.tick(now, |_| panic!("nothing changes"));
    }
    eject(&mut outlier, now);
    assert_eq!(back(&mut outlier) - now, Duration::from_secs(30));
}

#[test]
fn a_host_that_is_out_is_not_ejected_again() {
    let mut outlier = Outlier::new(settings(), 1, ZERO);
    eject(&mut outlier, ZERO);
    for _ in 0..10 {
        assert_eq!(outlier.record(0, Recorded::Status(500), ZERO), None);
    }
}

#[test]
fn a_host_that_comes_back_begins_at_zero() {
    let mut outlier = Outlier::new(settings(), 1, ZERO);
    eject(&mut outlier, ZERO);
    for _ in 0..2 {
        outlier.record(0, Recorded::Status(500), ZERO);
    }
    let now = back(&mut outlier);
    assert_eq!(outlier.record(0, Recorded::Status(500), now), None);
}

#[test]
fn ticks_before_their_time_do_nothing() {
    let mut outlier = Outlier::new(
        Settings {
            base_ejection: ZERO,
            max_ejection: ZERO,
            ..settings()
        },
        1,
        ZERO,
    );
    eject(&mut outlier, ZERO);
    outlier.tick(Duration::from_secs(9), |_| panic!("too early"));
    assert_eq!(outlier.ejected(), 1);
    assert_eq!(back(&mut outlier), Duration::from_secs(10));
}

#[test]
fn hosts_that_stay_keep_their_counts() {
    let mut outlier = Outlier::new(settings(), 2, ZERO);
    eject(&mut outlier, ZERO);
    for _ in 0..2 {
        outlier.record(1, Recorded::Status(500), ZERO);
    }
    outlier.update(settings(), &[None, Some(1), Some(0)]);
    assert_eq!(outlier.ejected(), 1);
    assert!(outlier.record(1, Recorded::Status(500), ZERO).is_some());
    assert!(outlier.record(0, Recorded::Status(500), ZERO).is_none());
    assert!(outlier.record(9, Recorded::Status(500), ZERO).is_none());
}
