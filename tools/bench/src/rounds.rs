//! Rounds: all measurements one after the other, in an order that is random in each round.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::failure::{Doing, Failure};
use crate::measure::{Means, measure};
use crate::peer::Peer;
use crate::sample::{Figures, Sample};
use crate::scenario::Scenario;

/// Scenario and peer, by their places in the lists.
type At = (usize, usize);

/// What all rounds gave.
pub(crate) struct Measured {
    pub(crate) figures: Vec<Figures>,
    pub(crate) failed: Vec<Failed>,
}

/// A measurement that could not be made.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) scenario: &'static str,
    pub(crate) proxy: &'static str,
    pub(crate) problem: String,
}

/// One measurement, as `--samples` keeps it.
#[derive(Serialize)]
struct Line<'a> {
    round: u32,
    scenario: &'a str,
    proxy: &'a str,
    #[serde(flatten)]
    sample: Sample,
}

/// Makes all measurements. One that fails is not tried in later rounds, and the others go on.
pub(crate) fn all(
    scenarios: &[Scenario],
    peers: &[Peer],
    rounds: u32,
    means: &Means,
    mut kept: Option<&mut dyn Write>,
) -> Result<Measured, Failure> {
    let pairs: Vec<At> = (0..scenarios.len())
        .flat_map(|s| (0..peers.len()).map(move |p| (s, p)))
        .filter(|(s, p)| match (scenarios.get(*s), peers.get(*p)) {
            (Some(scenario), Some(peer)) => peer.takes(scenario),
            _ => false,
        })
        .collect();
    let mut samples: BTreeMap<At, Vec<Sample>> = BTreeMap::new();
    let mut failed: Vec<Failed> = Vec::new();
    let mut given_up: BTreeSet<At> = BTreeSet::new();
    let (since, all) = (Instant::now(), pairs.len() * rounds as usize);
    let mut done = 0;
    for round in 1..=rounds {
        let mut order = pairs.clone();
        shuffle(&mut order);
        for at in order {
            done += 1;
            let (Some(scenario), Some(peer)) = (scenarios.get(at.0), peers.get(at.1)) else {
                continue;
            };
            if given_up.contains(&at) {
                continue;
            }
            let (name, proxy) = (scenario.name, peer.name());
            let measured = measure(scenario, peer, means);
            let left = left(since.elapsed(), done, all);
            let progress = format!("[{done:>3}/{all}, {left} left] {name} {proxy}");
            match measured {
                Ok(sample) => {
                    eprintln!("{progress}: {sample}");
                    if let Some(kept) = &mut kept {
                        let line = Line {
                            round,
                            scenario: name,
                            proxy,
                            sample,
                        };
                        let text = serde_json::to_string(&line).doing("a sample")?;
                        writeln!(kept, "{text}").doing("the file of samples")?;
                    }
                    samples.entry(at).or_default().push(sample);
                }
                Err(Failure(problem)) => {
                    eprintln!("{progress}: FAILED: {problem}");
                    given_up.insert(at);
                    failed.push(Failed {
                        scenario: name,
                        proxy,
                        problem,
                    });
                }
            }
        }
    }
    let figures = samples.iter().filter_map(|((s, p), samples)| {
        let (scenario, peer) = (scenarios.get(*s)?, peers.get(*p)?);
        Some(Figures::of(scenario.name, peer.name(), samples))
    });
    Ok(Measured {
        figures: figures.collect(),
        failed,
    })
}

/// The time that is left, as the measurements so far let expect.
fn left(elapsed: Duration, done: usize, all: usize) -> String {
    let each = elapsed.as_secs_f64() / done.max(1) as f64;
    let seconds = each * all.saturating_sub(done) as f64;
    if seconds < 90.0 {
        format!("{seconds:.0} s")
    } else {
        format!("{:.0} min", seconds / 60.0)
    }
}

/// A random order: what a machine does besides hits all alike.
fn shuffle<T>(items: &mut [T]) {
    let random = RandomState::new();
    for n in (1..items.len()).rev() {
        let other = random.hash_one(n) % (n as u64 + 1);
        items.swap(n, usize::try_from(other).unwrap_or(n));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_is_left_is_that_of_the_measurements_so_far() {
        assert_eq!(left(Duration::from_secs(10), 5, 10), "10 s");
        assert_eq!(left(Duration::from_secs(60), 1, 11), "10 min");
        assert_eq!(left(Duration::from_secs(60), 11, 11), "0 s");
    }
}
