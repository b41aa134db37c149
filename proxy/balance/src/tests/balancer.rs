use graph::cluster::Balancing::{self, LeastRequest, Random, RoundRobin};
use graph::endpoint::{Endpoints, Health};

use super::{Numbers, address, endpoints, host, weighted};
use crate::{Balancer, DEFAULT_PANIC_PERCENT};

const TWO: Balancing = LeastRequest { choices: 2 };

fn balancer(endpoints: &Endpoints, balancing: Balancing) -> Balancer {
    Balancer::new(endpoints, balancing, DEFAULT_PANIC_PERCENT, 7)
}

/// How often each host was picked in so many turns.
fn counts(balancer: &mut Balancer, turns: u32) -> Vec<u32> {
    let mut counts = vec![0; balancer.len()];
    let mut numbers = Numbers(42);
    for _ in 0..turns {
        counts[balancer.pick(numbers.next(), |_| 0).unwrap()] += 1;
    }
    counts
}

#[test]
fn round_robin_takes_equal_hosts_in_turn() {
    let mut balancer = balancer(&weighted(&[1, 1, 1, 1]), RoundRobin);
    let first = balancer.pick(0, |_| 0).unwrap();
    for turn in 1..20 {
        assert_eq!(
            balancer.pick(turn, |_| 0),
            Some((first + turn as usize) % 4)
        );
    }
}

#[test]
fn balancers_begin_at_different_hosts() {
    for weights in [[1, 1, 1, 1], [5, 5, 5, 4]] {
        let firsts: std::collections::HashSet<_> = (0..64)
            .map(|seed| {
                let mut b = Balancer::new(&weighted(&weights), RoundRobin, 50, seed);
                b.pick(0, |_| 0).unwrap()
            })
            .collect();
        assert!(firsts.len() > 2, "{firsts:?} of {weights:?}");
    }
}

/// Envoy 1.40: weights 1 and 3 get 50 and 150 of 200 requests by round robin and, one after the other, by least
/// request.
#[test]
fn turns_are_by_weight_exactly() {
    for balancing in [RoundRobin, TWO] {
        let mut balancer = balancer(&weighted(&[1, 3]), balancing);
        assert_eq!(counts(&mut balancer, 200), [50, 150]);
    }
}

#[test]
fn weights_are_honoured_over_100000_draws() {
    for balancing in [RoundRobin, TWO, Random] {
        for weights in [&[1, 2, 3, 4][..], &[100, 1], &[7, 7, 7], &[1, 1, 8]] {
            let mut balancer = balancer(&weighted(weights), balancing);
            let counts = counts(&mut balancer, 100_000);
            let total: u32 = weights.iter().sum();
            for (count, weight) in counts.iter().zip(weights) {
                let expected = f64::from(*weight) / f64::from(total) * 100_000.0;
                let off = (f64::from(*count) - expected).abs();
                assert!(off < 700.0, "{balancing:?} {weights:?}: {counts:?}");
            }
        }
    }
}

#[test]
fn weights_are_honoured_when_endpoints_change_with_every_request() {
    for balancing in [RoundRobin, TWO, Random] {
        let endpoints = weighted(&[3, 1]);
        let mut balancer = balancer(&endpoints, balancing);
        let mut numbers = Numbers(31);
        let mut counts = [0u32; 2];
        for _ in 0..10_000 {
            counts[balancer.pick(numbers.next(), |_| 0).unwrap()] += 1;
            balancer.update(&endpoints, balancing, 50, 0);
        }
        assert!(
            (2_300..2_700).contains(&counts[1]),
            "{balancing:?} {counts:?}"
        );
    }
}

#[test]
fn the_turns_of_a_heavy_host_are_spread_out() {
    let mut balancer = balancer(&weighted(&[3, 1]), RoundRobin);
    let picks: Vec<_> = (0..16).map(|n| balancer.pick(n, |_| 0).unwrap()).collect();
    // Three in a row, and one more where rounding decides between two that are due.
    assert!(!picks.windows(5).any(|five| five == [0; 5]), "{picks:?}");
    assert!(!picks.windows(2).any(|two| two == [1, 1]), "{picks:?}");
}

#[test]
fn of_two_drawn_hosts_the_one_with_fewer_requests_takes_it() {
    let mut balancer = balancer(&weighted(&[1, 1]), TWO);
    let mut numbers = Numbers(1);
    let busy = (0..10_000)
        .filter(|_| balancer.pick(numbers.next(), |h| [5, 0][h]) == Some(0))
        .count();
    // Both draws fall on the busy host in a quarter of the cases.
    assert!((2_300..2_700).contains(&busy), "{busy}");
    let mut many = Balancer::new(&weighted(&[1; 4]), LeastRequest { choices: 64 }, 50, 0);
    for _ in 0..100 {
        assert_eq!(many.pick(numbers.next(), |h| [3, 2, 1, 2][h]), Some(2));
    }
}

/// `weight / (active requests + 1)`, `active_request_bias` 1.0.
#[test]
fn requests_under_way_make_a_weighted_host_lighter() {
    let mut balancer = balancer(&weighted(&[2, 1]), TWO);
    let mut counts = [0; 2];
    for n in 0..3_000 {
        counts[balancer.pick(n, |h| [3, 0][h]).unwrap()] += 1;
    }
    // 2 / 4 against 1 / 1.
    assert!((980..1_020).contains(&counts[0]), "{counts:?}");
}

#[test]
fn without_hosts_there_is_nothing_to_pick() {
    for balancing in [RoundRobin, TWO, Random] {
        for none in [Endpoints::default(), endpoints(&[&[], &[]])] {
            assert_eq!(balancer(&none, balancing).pick(1, |_| 0), None);
        }
    }
}

#[test]
fn unhealthy_draining_and_ejected_hosts_take_nothing() {
    let hosts = [
        host(1, 1, Health::Healthy),
        host(2, 1, Health::Unhealthy),
        host(3, 1, Health::Draining),
        host(4, 1, Health::Healthy),
        host(5, 1, Health::Healthy),
    ];
    let mut balancer = balancer(&endpoints(&[&hosts]), RoundRobin);
    assert_eq!(counts(&mut balancer, 300), [100, 0, 0, 100, 100]);
    balancer.set_ejected(3, true);
    assert_eq!(counts(&mut balancer, 300), [150, 0, 0, 0, 150]);
    balancer.set_ejected(3, false);
    assert_eq!(counts(&mut balancer, 300), [100, 0, 0, 100, 100]);
}

/// <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/panic_threshold>
#[test]
fn in_panic_all_hosts_take_requests() {
    let mut all = balancer(&weighted(&[1; 4]), RoundRobin);
    for host in 0..3 {
        all.set_ejected(host, true);
    }
    assert_eq!(counts(&mut all, 400), [100; 4]);
    let mut never = Balancer::new(&weighted(&[1; 4]), RoundRobin, 0, 0);
    for host in 0..3 {
        never.set_ejected(host, true);
    }
    assert_eq!(counts(&mut never, 400), [0, 0, 0, 400]);
    never.set_ejected(3, true);
    assert_eq!(never.pick(1, |_| 0), None);
}

#[test]
fn load_spills_to_the_next_priority() {
    let level = |first: u16, healthy: usize| -> Vec<_> {
        (0..4)
            .map(|n| {
                let well = usize::from(n) < healthy;
                let health = if well {
                    Health::Healthy
                } else {
                    Health::Unhealthy
                };
                host(first + n, 1, health)
            })
            .collect()
    };
    let mut balancer = balancer(&endpoints(&[&level(1, 2), &level(11, 4)]), RoundRobin);
    let counts = counts(&mut balancer, 100_000);
    let first: u32 = counts[..4].iter().sum();
    // Half are healthy: 70 percent stay.
    assert!((69_000..71_000).contains(&first), "{counts:?}");
    assert_eq!(counts[2] + counts[3], 0);
}

#[test]
fn degraded_hosts_take_what_the_healthy_cannot() {
    let hosts = [
        host(1, 1, Health::Healthy),
        host(2, 1, Health::Degraded),
        host(3, 1, Health::Degraded),
        host(4, 1, Health::Degraded),
    ];
    let mut balancer = balancer(&endpoints(&[&hosts]), RoundRobin);
    let counts = counts(&mut balancer, 100_000);
    // 140 * 1/4 percent go to the healthy one.
    assert!((34_000..36_000).contains(&counts[0]), "{counts:?}");
}

#[test]
fn hosts_that_stay_keep_their_ejection_and_their_turn() {
    let mut balancer = balancer(&weighted(&[1, 1, 1]), RoundRobin);
    balancer.set_ejected(0, true);
    let hosts: Vec<_> = [9, 3, 1].map(|n| host(n, 1, Health::Healthy)).into();
    let moved = balancer.update(&endpoints(&[&hosts]), RoundRobin, 50, 3);
    assert_eq!(moved, [None, Some(2), Some(0)]);
    assert_eq!(balancer.address(0), Some(address(9)));
    assert_eq!(counts(&mut balancer, 300), [150, 150, 0]);
    let moved = balancer.update(&endpoints(&[&hosts[..1]]), RoundRobin, 50, 3);
    assert_eq!(moved, [Some(0)]);
    let moved = balancer.update(&endpoints(&[&hosts]), RoundRobin, 50, 3);
    assert_eq!(moved, [Some(0), None, None]);
    assert_eq!(counts(&mut balancer, 300), [100; 3]);
}

/// `host_selection_retry_max_attempts` with the predicate `previous_hosts`.
#[test]
fn a_retry_avoids_hosts_that_were_tried() {
    let mut fair = balancer(&weighted(&[1, 1, 1]), RoundRobin);
    for n in 0..30 {
        let picked = fair.pick_other(n, 5, |_| 0, |h| h != 1);
        assert_eq!(picked, Some(1));
    }
    let mut one = balancer(&weighted(&[1]), RoundRobin);
    assert_eq!(one.pick_other(0, 5, |_| 0, |_| true), Some(0));
    assert_eq!(one.pick_other(0, 0, |_| 0, |_| true), Some(0));
}

#[test]
fn changes_at_random_break_nothing() {
    let mut numbers = Numbers(17);
    let mut balancer = balancer(&weighted(&[1]), RoundRobin);
    for _ in 0..5_000 {
        let kinds = [
            Health::Healthy,
            Health::Degraded,
            Health::Unhealthy,
            Health::Draining,
        ];
        let priorities: Vec<Vec<_>> = (0..numbers.next() % 4)
            .map(|_| {
                (0..numbers.next() % 6)
                    .map(|_| {
                        let kind = kinds[numbers.next() as usize % 4];
                        host(numbers.next() as u16 % 12, numbers.next() as u32 % 5, kind)
                    })
                    .collect()
            })
            .collect();
        let lists: Vec<_> = priorities.iter().map(Vec::as_slice).collect();
        let kind = [RoundRobin, TWO, Random][numbers.next() as usize % 3];
        let panic = [0, 50, 100][numbers.next() as usize % 3];
        let moved = balancer.update(&endpoints(&lists), kind, panic, numbers.next());
        assert_eq!(moved.len(), balancer.len());
        for _ in 0..5 {
            balancer.set_ejected(
                numbers.next() as usize % 12,
                numbers.next().is_multiple_of(2),
            );
            let picked = balancer.pick(numbers.next(), |h| h as u32);
            assert!(picked.is_none_or(|h| h < balancer.len()));
            assert!(picked.is_some() || panic == 0 || balancer.is_empty() || panic == 50);
        }
    }
}
