//! One measurement: load, and what came of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::Failure;
use crate::client::Client;
use crate::injector::Injector;
use crate::latency::Latencies;
use crate::pods::{self, Review};

/// Load before anything counts.
const WARM_UP: Duration = Duration::from_secs(1);

/// How requests are made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Load {
    /// So many wait for their answers at any time.
    Waiting(u16),
    /// So many a second, whether the others are answered or not.
    Rate(u32),
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pods_per_second: f64,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    /// CPU time of the injector.
    cpu_us_per_pod: f64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>6.0} pods/s   p50 {:.2} ms   p90 {:.2} ms   p99 {:.2} ms   {:.0} us of CPU each",
            self.pods_per_second, self.p50_ms, self.p90_ms, self.p99_ms, self.cpu_us_per_pod
        )
    }
}

/// A request that was answered: when that was, and how long it took.
type Answered = Result<(Instant, Duration), Failure>;

/// Measures for so long.
pub(crate) async fn run(
    injector: &Injector,
    clients: &[Client],
    load: Load,
    time: Duration,
) -> Result<Figures, Failure> {
    let (answered, mut answers) = mpsc::unbounded_channel();
    let source = Arc::new(Source {
        reviews: pods::reviews(),
        clients: clients.to_vec(),
        next: AtomicUsize::new(0),
    });
    let begin = Instant::now() + WARM_UP;
    let end = begin + time;
    let mut tasks = JoinSet::new();
    match load {
        Load::Waiting(waiting) => {
            for _ in 0..waiting {
                tasks.spawn(one_after_the_other(source.clone(), end, answered.clone()));
            }
        }
        Load::Rate(rate) => {
            tasks.spawn(at_a_rate(source.clone(), rate, end, answered.clone()));
        }
    }
    drop(answered);
    let mut latencies = Latencies::default();
    let mut cpu = None;
    while let Some(answer) = answers.recv().await {
        let (at, latency) = answer?;
        if at < begin {
            continue;
        }
        if cpu.is_none() {
            cpu = Some(injector.cpu()?);
        }
        if at <= end {
            latencies.add(latency);
        }
    }
    let spent = injector.cpu()?.saturating_sub(cpu.unwrap_or_default());
    let count = latencies.count();
    let [p50_ms, p90_ms, p99_ms] = latencies.percentiles([50.0, 90.0, 99.0]);
    Ok(Figures {
        pods_per_second: count as f64 / time.as_secs_f64(),
        p50_ms,
        p90_ms,
        p99_ms,
        cpu_us_per_pod: spent.as_secs_f64() * 1e6 / count.max(1) as f64,
    })
}

/// Requests and the connections that they take in turn.
struct Source {
    reviews: Vec<Review>,
    clients: Vec<Client>,
    next: AtomicUsize,
}

impl Source {
    /// Makes the next request, which was due at that time.
    async fn ask(&self, due: Instant) -> Answered {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let of = |count: usize| n % count.max(1);
        let review = self.reviews.get(of(self.reviews.len()));
        let client = self.clients.get(of(self.clients.len()));
        let (Some(review), Some(client)) = (review, client) else {
            return Err(Failure("nothing to ask".to_owned()));
        };
        client.clone().review(review).await?;
        let now = Instant::now();
        Ok((now, now.saturating_duration_since(due)))
    }
}

async fn one_after_the_other(
    source: Arc<Source>,
    end: Instant,
    answered: mpsc::UnboundedSender<Answered>,
) {
    while Instant::now() < end {
        let answer = source.ask(Instant::now()).await;
        if answer.is_err() | answered.send(answer).is_err() {
            return;
        }
    }
}

async fn at_a_rate(
    source: Arc<Source>,
    rate: u32,
    end: Instant,
    answered: mpsc::UnboundedSender<Answered>,
) {
    let apart = Duration::from_secs(1) / rate;
    let mut due = Instant::now();
    while due < end {
        tokio::time::sleep_until(due.into()).await;
        // The timer is coarser than the rate: all that is due by now is sent.
        while due <= Instant::now() && due < end {
            let (source, answered) = (source.clone(), answered.clone());
            tokio::spawn(async move {
                // Nobody listens any more once a request failed.
                let _ = answered.send(source.ask(due).await);
            });
            due += apart;
        }
    }
}
