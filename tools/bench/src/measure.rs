//! One measurement: everything is started anew for it.

use std::time::{Duration, Instant};

use crate::chain::Chain;
use crate::failure::Failure;
use crate::load::{self, Latencies, Load, Moment};
use crate::peer::Peer;
use crate::proxies::{Usage, free_port};
use crate::sample::{Sample, SecondOpinion};
use crate::scenario::{Kind, Path, Scenario};
use crate::second_opinion::H2load;
use crate::session::{Kept, Session};
use crate::upstream::Upstream;

/// How long a proxy has to give back what it needed for a moment only.
const SETTLING: Duration = Duration::from_secs(2);

/// How long one measurement takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Load before it counts.
    pub(crate) warm_up: Duration,
    /// Load that counts.
    pub(crate) time: Duration,
}

/// What measurements are made with.
#[derive(Clone, Debug)]
pub(crate) struct Means {
    pub(crate) extent: Extent,
    /// Who is asked for a second opinion.
    pub(crate) h2load: Option<H2load>,
}

/// Measures a scenario with a proxy.
pub(crate) fn measure(scenario: &Scenario, peer: &Peer, means: &Means) -> Result<Sample, Failure> {
    let extent = means.extent;
    let upstream = Upstream::start(scenario.protocol(), free_port()?)?;
    let applications = upstream.addresses();
    let mut chain = peer.start(scenario, &applications)?;
    chain.answers(scenario)?;
    let sample = match scenario.kind {
        Kind::Requests => Sample {
            h2load: second_opinion(&chain, scenario, means)?,
            ..requests(&chain, scenario, extent)?
        },
        Kind::Handshakes { resumed } => handshakes(&chain, resumed, extent)?,
        Kind::Idle { connections } => idle(&chain, scenario.path, connections)?,
    };
    chain.check()?;
    Ok(sample)
}

fn requests(chain: &Chain, scenario: &Scenario, extent: Extent) -> Result<Sample, Failure> {
    let load = Load {
        target: chain.entry,
        connections: scenario.connections,
        pace: scenario.pace,
        warm_up: extent.warm_up,
        time: extent.time,
        exchange: scenario.exchange.clone(),
    };
    let changes = chain.changes(scenario)?;
    let (mut before, mut after) = (Usage::default(), Usage::default());
    let outcome = load::run(&load, &mut |moment| {
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
    sample(
        outcome.answered,
        outcome.time,
        outcome.latencies,
        before,
        after,
    )
}

/// The same load again, by h2load.
fn second_opinion(
    chain: &Chain,
    scenario: &Scenario,
    means: &Means,
) -> Result<Option<SecondOpinion>, Failure> {
    let Some(h2load) = means.h2load.as_ref().filter(|_| H2load::can(scenario)) else {
        return Ok(None);
    };
    let before = chain.usage()?;
    let seen = h2load.run(scenario, chain.entry, means.extent.time)?;
    let used = chain.usage()?.cpu.saturating_sub(before.cpu);
    Ok(Some(SecondOpinion {
        cpu_us_per_request: used.as_secs_f64() * 1e6 / seen.answered as f64,
        requests_per_second: seen.per_second,
    }))
}

fn handshakes(chain: &Chain, resumed: bool, extent: Extent) -> Result<Sample, Failure> {
    let client = mesh_client(chain)?;
    let config = client.config(resumed);
    let mut latencies = Latencies::default();
    let mut done = 0;
    let mut before = chain.usage()?;
    let mut since = Instant::now();
    let mut counting = false;
    loop {
        let now = Instant::now();
        if !counting && now.duration_since(since) >= extent.warm_up {
            counting = true;
            before = chain.usage()?;
            since = Instant::now();
        } else if counting && now.duration_since(since) >= extent.time {
            break;
        }
        let mut session = Session::open(chain.entry, &config)?;
        if resumed {
            // BoringSSL sends its tickets with the first that it has to say.
            session.ask()?;
        }
        let was_resumed = session.end()?;
        if counting {
            latencies.add(now.elapsed());
            done += 1;
            if was_resumed != resumed {
                let what = if resumed { "not resumed" } else { "resumed" };
                return Err(Failure(format!("a session was {what}")));
            }
        }
    }
    let time = since.elapsed();
    sample(done, time, latencies, before, chain.usage()?)
}

/// Opens connections one after the other, each with one request, and lets them be. A request is a connection with its
/// first one.
fn idle(chain: &Chain, path: Path, connections: usize) -> Result<Sample, Failure> {
    let config = match path {
        Path::Inbound => Some(mesh_client(chain)?.config(true)),
        Path::OneHop | Path::TwoHops => None,
    };
    let mut kept = Vec::with_capacity(connections);
    let mut latencies = Latencies::default();
    let before = chain.usage()?;
    let since = Instant::now();
    for _ in 0..connections {
        let now = Instant::now();
        kept.push(match &config {
            None => Kept::plain(chain.entry)?,
            Some(config) => Session::open(chain.entry, config).and_then(Session::keep)?,
        });
        latencies.add(now.elapsed());
    }
    let time = since.elapsed();
    std::thread::sleep(SETTLING);
    let after = chain.usage()?;
    kept.iter().try_for_each(Kept::check)?;
    let grown = after.resident.saturating_sub(before.resident);
    Ok(Sample {
        bytes_per_connection: Some(grown as f64 / connections.max(1) as f64),
        ..sample(connections as u64, time, latencies, before, after)?
    })
}

fn mesh_client(chain: &Chain) -> Result<&crate::mesh::MeshClient, Failure> {
    let client = chain.client.as_ref();
    client.ok_or_else(|| {
        Failure("there is no mesh whose certificates a client could have".to_owned())
    })
}

fn sample(
    done: u64,
    time: Duration,
    mut latencies: Latencies,
    before: Usage,
    after: Usage,
) -> Result<Sample, Failure> {
    if done == 0 {
        return Err(Failure("nothing was answered while it counted".to_owned()));
    }
    let [p50_ms, p90_ms, p99_ms] = latencies.percentiles([50.0, 90.0, 99.0]);
    let used = after.cpu.saturating_sub(before.cpu);
    Ok(Sample {
        cpu_us_per_request: used.as_secs_f64() * 1e6 / done as f64,
        requests_per_second: done as f64 / time.as_secs_f64(),
        p50_ms,
        p90_ms,
        p99_ms,
        rss_mib: mib(after.resident),
        ..Sample::default()
    })
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
