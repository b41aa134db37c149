//! The arithmetic of a rolling update: how far the new ReplicaSet may grow and the old ones must shrink
//! so that never more than `maxSurge` pods are too many and never more than `maxUnavailable` are missing.

use serde_json::Value;

use crate::object::text;

/// A ReplicaSet as far as a rollout cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicas {
    /// Pods asked for.
    pub desired: i64,
    /// Pods that are Ready.
    pub available: i64,
    /// Pods there, also those being deleted.
    pub present: i64,
}

/// How a Deployment goes from one template to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// All old pods end before the first new one starts.
    Recreate,
    /// Pods are exchanged step by step.
    Rolling {
        /// Pods that may exist beyond the wanted number.
        surge: i64,
        /// Pods that may be missing from the wanted number.
        unavailable: i64,
    },
}

impl Strategy {
    /// Reads `spec.strategy` of a Deployment of `replicas` pods, with Kubernetes' defaults of 25%.
    pub fn of(deployment: &Value, replicas: i64) -> Self {
        if text(deployment, "/spec/strategy/type") == "Recreate" {
            return Self::Recreate;
        }
        let field = |name: &str| {
            deployment
                .pointer("/spec/strategy/rollingUpdate")
                .and_then(|rolling| rolling.get(name))
        };
        let surge = resolve(field("maxSurge"), replicas, true);
        let unavailable = resolve(field("maxUnavailable"), replicas, false);
        Self::Rolling {
            surge,
            // Both zero would never move.
            unavailable: if surge == 0 {
                unavailable.max(1)
            } else {
                unavailable
            },
        }
    }
}

/// An int-or-percent of `replicas`; percents of surge round up, of unavailable down.
fn resolve(value: Option<&Value>, replicas: i64, up: bool) -> i64 {
    let percent = |percent: i64| {
        let scaled = percent.clamp(0, 10_000) * replicas;
        if up {
            (scaled + 99) / 100
        } else {
            scaled / 100
        }
    };
    match value {
        Some(Value::Number(number)) => number.as_i64().unwrap_or(0).max(0),
        Some(Value::String(text)) => text
            .strip_suffix('%')
            .and_then(|number| number.parse().ok())
            .map_or(percent(25), percent),
        _ => percent(25),
    }
}

/// The next `spec.replicas` of the new ReplicaSet and of each old one.
pub fn step(strategy: Strategy, wanted: i64, new: Replicas, old: &[Replicas]) -> (i64, Vec<i64>) {
    let Strategy::Rolling { surge, unavailable } = strategy else {
        let gone = old.iter().all(|set| set.desired == 0 && set.present == 0);
        return (if gone { wanted } else { new.desired }, vec![0; old.len()]);
    };
    let old_desired: i64 = old.iter().map(|set| set.desired).sum();
    let total = old_desired + new.desired;
    let next_new = if new.desired >= wanted {
        wanted
    } else {
        let room = (wanted + surge - total).max(0);
        (new.desired + room).min(wanted)
    };

    let min_available = wanted - unavailable;
    let new_unavailable = (new.desired - new.available).max(0);
    let mut may_go = total - min_available - new_unavailable;
    let mut next_old: Vec<i64> = old.iter().map(|set| set.desired).collect();
    // Pods that serve nobody go first: they cost no availability.
    for (next, set) in next_old.iter_mut().zip(old) {
        let unhealthy = (set.desired - set.available).max(0);
        let down = unhealthy.min(may_go).max(0);
        *next -= down;
        may_go -= down;
    }
    let available: i64 = new.available + old.iter().map(|set| set.available).sum::<i64>();
    let mut spare = available - min_available;
    for next in &mut next_old {
        let down = (*next).min(spare).min(may_go).max(0);
        *next -= down;
        spare -= down;
        may_go -= down;
    }
    (next_new, next_old)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use serde_json::json;

    fn ready(n: i64) -> Replicas {
        Replicas {
            desired: n,
            available: n,
            present: n,
        }
    }

    const ROLLING: Strategy = Strategy::Rolling {
        surge: 1,
        unavailable: 0,
    };

    #[test]
    fn percents_of_surge_round_up_and_of_unavailable_down() {
        assert_eq!(Strategy::of(&json!({}), 3), ROLLING);
        let half = json!({"spec": {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "50%"}}}});
        assert_eq!(
            Strategy::of(&half, 3),
            Strategy::Rolling {
                surge: 0,
                unavailable: 1
            }
        );
        let stuck =
            json!({"spec": {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}}});
        assert_eq!(
            Strategy::of(&stuck, 3),
            Strategy::Rolling {
                surge: 0,
                unavailable: 1
            }
        );
    }

    #[test]
    fn a_first_rollout_asks_for_everything_at_once() {
        let none = Replicas {
            desired: 0,
            available: 0,
            present: 0,
        };
        assert_eq!(
            step(
                Strategy::Rolling {
                    surge: 1,
                    unavailable: 0
                },
                3,
                none,
                &[]
            ),
            (3, vec![])
        );
    }

    #[test]
    fn a_rolling_update_never_goes_below_what_must_be_available() {
        let (mut new, mut old) = (
            Replicas {
                desired: 0,
                available: 0,
                present: 0,
            },
            [ready(3)],
        );
        for _ in 0..20 {
            let (next_new, next_old) = step(ROLLING, 3, new, &old);
            assert!(next_new + next_old[0] <= 4);
            old = [ready(next_old[0])];
            new.desired = next_new;
            assert!(new.available + old[0].available >= 3);
            // One more pod becomes ready per turn.
            new.available = (new.available + 1).min(new.desired);
            new.present = new.desired;
        }
        assert_eq!((new, old), (ready(3), [ready(0)]));
    }

    #[test]
    fn broken_old_pods_go_before_healthy_ones() {
        let broken = Replicas {
            desired: 2,
            available: 0,
            present: 2,
        };
        let new = Replicas {
            desired: 1,
            available: 0,
            present: 1,
        };
        let (_, next_old) = step(ROLLING, 3, new, &[broken, ready(3)]);
        assert_eq!(next_old, vec![0, 3]);
    }

    #[test]
    fn recreate_waits_until_the_last_old_pod_is_gone() {
        let new = ready(0);
        let going = Replicas {
            desired: 0,
            available: 0,
            present: 1,
        };
        assert_eq!(step(Strategy::Recreate, 2, new, &[ready(2)]), (0, vec![0]));
        assert_eq!(step(Strategy::Recreate, 2, new, &[going]), (0, vec![0]));
        assert_eq!(step(Strategy::Recreate, 2, new, &[ready(0)]), (2, vec![0]));
    }
}
