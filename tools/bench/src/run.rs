//! A run: rounds of measurements in random order.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::chain::Chain;
use crate::command_line::Arguments;
use crate::failure::{Doing, Failure};
use crate::load::{self, Load, Moment};
use crate::peer::Peer;
use crate::proxies::{Usage, free_port};
use crate::sample::{Figures, Sample};
use crate::scenario::{self, Scenario};
use crate::upstream::Upstream;

/// Does what the arguments ask for.
///
/// # Errors
/// A proxy is missing, did not start, or gave a wrong answer.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let scenarios = chosen(&arguments.scenario)?;
    if arguments.list {
        for scenario in scenarios {
            println!("{:<28} {}", scenario.name, scenario.about);
        }
        return Ok(());
    }
    let peers = Peer::chosen(arguments)?;
    let (rounds, warm_up, time) = arguments.extent();
    let mut samples: BTreeMap<(usize, usize), Vec<Sample>> = BTreeMap::new();
    for round in 1..=rounds {
        let mut order: Vec<(usize, usize)> = (0..scenarios.len())
            .flat_map(|s| (0..peers.len()).map(move |p| (s, p)))
            .collect();
        shuffle(&mut order);
        for (n, at) in order.iter().enumerate() {
            let (Some(scenario), Some(peer)) = (scenarios.get(at.0), peers.get(at.1)) else {
                continue;
            };
            let what = format!("{} {}", scenario.name, peer.name());
            let sample = measure(scenario, peer, warm_up, time).doing(&what)?;
            eprintln!(
                "round {round}/{rounds} {:>3}/{} {what}: {:.1} us/request, {:.0}/s, p50 {:.3} ms, p99 {:.3} ms, {:.1} MiB",
                n + 1,
                order.len(),
                sample.cpu_us_per_request,
                sample.requests_per_second,
                sample.p50_ms,
                sample.p99_ms,
                sample.rss_mib,
            );
            samples.entry(*at).or_default().push(sample);
        }
    }
    let figures: Vec<Figures> = samples
        .iter()
        .filter_map(|((s, p), samples)| {
            Some(Figures::of(
                scenarios.get(*s)?.name,
                peers.get(*p)?.name(),
                samples,
            ))
        })
        .collect();
    let json = serde_json::to_string_pretty(&figures).doing("the figures")? + "\n";
    match &arguments.json {
        Some(path) if path.as_os_str() == "-" => print!("{json}"),
        Some(path) => std::fs::write(path, json).doing(path.display())?,
        None => {}
    }
    Ok(())
}

/// The scenarios of these names and their variants.
fn chosen(names: &[String]) -> Result<Vec<Scenario>, Failure> {
    let all = scenario::all();
    let is = |scenario: &Scenario, name: &str| {
        scenario.name == name || scenario.name.split('@').next() == Some(name)
    };
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|s| is(s, name))) {
        return Err(Failure(format!(
            "--scenario {unknown}: no such scenario; --list shows all"
        )));
    }
    Ok(all
        .into_iter()
        .filter(|s| names.is_empty() || names.iter().any(|name| is(s, name)))
        .collect())
}

/// One measurement: everything is started anew for it.
fn measure(
    scenario: &Scenario,
    peer: &Peer,
    warm_up: Duration,
    time: Duration,
) -> Result<Sample, Failure> {
    let upstream = Upstream::start(scenario.protocol(), free_port()?)?;
    let applications = upstream.addresses();
    let mut chain = match peer {
        Peer::Direct => Chain::direct(&applications)?,
        Peer::Sidecar(program) => Chain::sidecars(scenario, program, &applications)?,
    };
    chain.answers(scenario)?;
    let load = Load {
        target: chain.entry,
        connections: scenario.connections,
        pace: scenario.pace,
        warm_up,
        time,
        exchange: scenario.exchange.clone(),
    };
    let changes = chain.changes(scenario)?;
    let (mut before, mut after) = (Usage::default(), Usage::default());
    let mut outcome = load::run(&load, &mut |moment| {
        let usage = chain.usage()?;
        match moment {
            Moment::Begin => before = usage,
            Moment::End => after = usage,
        }
        Ok(())
    })?;
    if let Some(changes) = changes {
        changes.end()?;
    }
    chain.check()?;
    if outcome.answered == 0 {
        return Err(Failure(
            "no request was answered while it counted".to_owned(),
        ));
    }
    let [p50_ms, p90_ms, p99_ms] = outcome.latencies.percentiles([50.0, 90.0, 99.0]);
    let used = after.cpu.saturating_sub(before.cpu);
    Ok(Sample {
        cpu_us_per_request: used.as_secs_f64() * 1e6 / outcome.answered as f64,
        requests_per_second: outcome.answered as f64 / outcome.time.as_secs_f64(),
        p50_ms,
        p90_ms,
        p99_ms,
        rss_mib: after.resident as f64 / f64::from(1 << 20),
    })
}

/// A random order: what a machine does besides hits all alike.
fn shuffle<T>(items: &mut [T]) {
    let random = RandomState::new();
    for n in (1..items.len()).rev() {
        let other = random.hash_one(n) % (n as u64 + 1);
        items.swap(n, usize::try_from(other).unwrap_or(n));
    }
}
