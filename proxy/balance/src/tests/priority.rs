use crate::priority::{Count, divide};

fn count(healthy: u32, degraded: u32, all: u32) -> Count {
    Count {
        healthy,
        degraded,
        counted: all,
        all,
    }
}

/// The tables of
/// <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/priority>,
/// with panic off as there: percent of healthy hosts of each priority, and percent of load.
#[test]
fn load_is_divided_as_envoys_documentation_says() {
    let cases: &[(&[u32], &[u32])] = &[
        (&[100, 100], &[100, 0]),
        (&[72, 100], &[100, 0]),
        (&[71, 100], &[99, 1]),
        (&[50, 100], &[70, 30]),
        (&[25, 100], &[35, 65]),
        (&[25, 25], &[50, 50]),
        (&[5, 0, 5], &[50, 0, 50]),
        (&[0, 100], &[0, 100]),
        (&[20, 20, 10], &[40, 40, 20]),
    ];
    for (health, load) in cases {
        let counts: Vec<_> = health.iter().map(|h| count(*h, 0, 100)).collect();
        let shares = divide(&counts, 140, 0);
        let made: Vec<_> = shares.iter().map(|s| s.healthy).collect();
        assert_eq!(&made, load, "{health:?}");
    }
}

/// <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/panic_threshold>:
/// a priority panics below the threshold only while all priorities together cannot carry the load.
#[test]
fn a_priority_panics_only_when_there_is_not_enough_health_in_all() {
    let panics = |counts: &[Count]| -> Vec<bool> {
        divide(counts, 140, 50).iter().map(|s| s.panic).collect()
    };
    assert_eq!(
        panics(&[count(72, 0, 100), count(72, 0, 100)]),
        [false, false]
    );
    assert_eq!(
        panics(&[count(30, 0, 100), count(60, 0, 100)]),
        [false, false]
    );
    assert_eq!(
        panics(&[count(25, 0, 100), count(20, 0, 100)]),
        [true, true]
    );
    assert_eq!(
        panics(&[count(5, 0, 100), count(60, 0, 100)]),
        [true, false]
    );
}

#[test]
fn when_all_panic_load_goes_by_number_of_hosts() {
    let shares = divide(&[count(0, 0, 30), count(0, 0, 10), count(0, 0, 0)], 140, 50);
    let made: Vec<_> = shares.iter().map(|s| s.healthy).collect();
    assert_eq!(made, [75, 25, 0]);
}

/// The example in Envoy's source: 10, 20, 10 percent healthy and 20, 10, 0 percent degraded; rounding goes first.
#[test]
fn degraded_hosts_get_what_is_left_after_the_healthy_of_all_priorities() {
    let counts = [count(10, 20, 100), count(20, 10, 100), count(10, 0, 100)];
    let shares = divide(&counts, 100, 0);
    let healthy: Vec<_> = shares.iter().map(|s| s.healthy).collect();
    let degraded: Vec<_> = shares.iter().map(|s| s.degraded).collect();
    assert_eq!(healthy, [16, 28, 14]);
    assert_eq!(degraded, [28, 14, 0]);
}

#[test]
fn shares_are_100_percent_whatever_the_health() {
    for a in 0..=12 {
        for b in 0..=(12 - a) {
            for c in 0..=12 {
                for panic in [0, 50, 100] {
                    let shares = divide(&[count(a, b, 12), count(c, 0, 12)], 140, panic);
                    let sum: u32 = shares.iter().map(|s| s.healthy + s.degraded).sum();
                    assert_eq!(sum, 100, "{a} {b} {c} {panic}");
                }
            }
        }
    }
}

#[test]
fn draining_hosts_do_not_make_a_priority_panic() {
    let draining = Count {
        healthy: 2,
        degraded: 0,
        counted: 2,
        all: 10,
    };
    let shares = divide(&[draining], 140, 50);
    assert!(!shares[0].panic);
    assert_eq!(shares[0].healthy, 100);
}
