//! A run: rounds of measurements in random order.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::command_line::{Arguments, where_the_user_is};
use crate::failure::{Doing, Failure};
use crate::measure::measure;
use crate::peer::Peer;
use crate::report::{self, Machine};
use crate::sample::{Figures, Sample};
use crate::scenario::{self, Scenario};

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
    // Ten thousand connections have two ends each, one here and one in a proxy, which inherits the limit.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).doing("the limit of open files")?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).doing("the limit of open files")?;
    let (rounds, extent) = arguments.extent();
    let mut samples: BTreeMap<(usize, usize), Vec<Sample>> = BTreeMap::new();
    for round in 1..=rounds {
        let mut order: Vec<(usize, usize)> = (0..scenarios.len())
            .flat_map(|s| (0..peers.len()).map(move |p| (s, p)))
            .filter(|(s, p)| match (scenarios.get(*s), peers.get(*p)) {
                (Some(scenario), Some(peer)) => peer.takes(scenario),
                _ => false,
            })
            .collect();
        shuffle(&mut order);
        for (n, at) in order.iter().enumerate() {
            let (Some(scenario), Some(peer)) = (scenarios.get(at.0), peers.get(at.1)) else {
                continue;
            };
            let what = format!("{} {}", scenario.name, peer.name());
            let sample = measure(scenario, peer, extent).doing(&what)?;
            eprintln!(
                "round {round}/{rounds} {:>3}/{} {what}: {:.1} us/request, {:.0}/s, p50 {:.3} ms, p99 {:.3} ms, {:.1} MiB{}",
                n + 1,
                order.len(),
                sample.cpu_us_per_request,
                sample.requests_per_second,
                sample.p50_ms,
                sample.p99_ms,
                sample.rss_mib,
                sample
                    .bytes_per_connection
                    .map_or_else(String::new, |b| format!(", {b:.0} bytes/connection")),
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
        Some(path) => std::fs::write(where_the_user_is(path), json).doing(path.display())?,
        None => {}
    }
    if let Some(path) = arguments.page() {
        report::write(
            &path,
            &Machine::now(arguments, &peers),
            &scenarios,
            &figures,
        )?;
        eprintln!("{} is written", path.display());
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

/// A random order: what a machine does besides hits all alike.
fn shuffle<T>(items: &mut [T]) {
    let random = RandomState::new();
    for n in (1..items.len()).rev() {
        let other = random.hash_one(n) % (n as u64 + 1);
        items.swap(n, usize::try_from(other).unwrap_or(n));
    }
}
