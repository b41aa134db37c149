//! Istio's standard metrics, with its names, labels and order of labels.
//!
//! Who speaks to whom is interned once as a `Traffic`. What differs from one answer to the next (status, flags, gRPC
//! status) is a small table under it, one for each thread: recording is a look at a few keys and a few additions.

mod dimensions;
mod traffic;

pub use dimensions::{Dimensions, Protocol, Reporter, Security, Workload};
pub use traffic::{Outcome, Request, Traffic};

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crate::escape::label;
use crate::snapshot::{Number, Sample};

/// Istio's metrics.
#[derive(Debug)]
pub struct Istio {
    threads: usize,
    version: Box<str>,
    interned: Mutex<Interned>,
    bounds: Arc<Bounds>,
}

/// What is known, and how often something found no place since what can be forgotten was last looked for in vain.
#[derive(Debug, Default)]
struct Interned {
    traffic: HashMap<Dimensions, Arc<Traffic>>,
    in_vain: usize,
}

/// After so many more that find no place, what can be forgotten is looked for again: the look takes time.
const LOOK_AGAIN: usize = 1000;

impl Interned {
    /// Forgets the traffic that no connection and no endpoint has to do with any more.
    fn forget_the_gone(&mut self) {
        if self.in_vain == 0 {
            let before = self.traffic.len();
            self.traffic.retain(|_, kept| Arc::strong_count(kept) > 1);
            if before - self.traffic.len() > Istio::MOST_PEERS / 16 {
                return;
            }
        }
        self.in_vain = (self.in_vain + 1) % LOOK_AGAIN;
    }
}

/// How much there is, over all threads and peers.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    series: AtomicUsize,
    overflow: AtomicU64,
}

impl Bounds {
    /// Takes place for one more series of one thread; says no, and counts, where there is none.
    pub(crate) fn admit(&self) -> bool {
        let admitted = self.series.fetch_add(1, Relaxed) < Istio::MOST_SERIES;
        if !admitted {
            self.series.fetch_sub(1, Relaxed);
        }
        admitted
    }

    fn has_room(&self) -> bool {
        self.series.load(Relaxed) < Istio::MOST_SERIES
    }

    /// So many series are no more.
    pub(crate) fn dismiss(&self, series: usize) {
        self.series.fetch_sub(series, Relaxed);
    }

    /// Counts something that found no place.
    pub(crate) fn overflowed(&self) {
        self.overflow.fetch_add(1, Relaxed);
    }
}

impl Istio {
    /// Most pairs of workloads that are told apart.
    pub const MOST_PEERS: usize = 10_000;
    /// Most series, each thread's counted apart: of about 650 bytes, 13 MB in all.
    pub const MOST_SERIES: usize = 20_000;

    pub(crate) fn new(threads: usize, version: &str) -> Self {
        Istio {
            threads,
            version: if version.is_empty() {
                "unknown"
            } else {
                version
            }
            .into(),
            interned: Mutex::default(),
            bounds: Arc::default(),
        }
    }

    /// The metrics of traffic between two workloads. Takes a lock: keep the handle with the connection or the endpoint.
    /// Where there is no room for more, traffic is forgotten that no handle is left of: who names ever other workloads
    /// loses what was counted of them, and takes nobody's place for good. Beyond `MOST_PEERS` that are in use, what is
    /// recorded is only counted as overflow.
    #[must_use]
    pub fn intern(&self, dimensions: &Dimensions) -> Arc<Traffic> {
        let mut interned = self.interned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(traffic) = interned.traffic.get(dimensions) {
            return Arc::clone(traffic);
        }
        let full = interned.traffic.len() >= Self::MOST_PEERS;
        if full || !self.bounds.has_room() {
            interned.forget_the_gone();
        }
        let full = interned.traffic.len() >= Self::MOST_PEERS;
        let threads = if full { 0 } else { self.threads };
        let traffic = Arc::new(Traffic::new(dimensions, threads, Arc::clone(&self.bounds)));
        if !full {
            let known = Arc::clone(&traffic);
            interned.traffic.insert(dimensions.clone(), known);
        }
        traffic
    }

    /// What was recorded and found no place among the series.
    #[must_use]
    pub fn overflow(&self) -> u64 {
        self.bounds.overflow.load(Relaxed)
    }

    pub(crate) fn sample(&self, samples: &mut Vec<Sample>) {
        let traffic: Vec<_> = {
            let interned = self.interned.lock().unwrap_or_else(PoisonError::into_inner);
            interned.traffic.values().cloned().collect()
        };
        for traffic in traffic {
            traffic.sample(samples);
        }
        let mut labels = String::new();
        label("component", "proxy", &mut labels);
        label("tag", &self.version, &mut labels);
        samples.push(Sample {
            dotted: format!(
                "istiocustom.istio_build.component.proxy.tag.{}",
                self.version
            ),
            prometheus: "istio_build".into(),
            labels,
            number: Number::Gauge(1),
            used: true,
        });
        let overflow = self.overflow();
        samples.push(Sample {
            dotted: "lateen.istio_metrics_overflow".into(),
            prometheus: "lateen_istio_metrics_overflow_total".into(),
            labels: String::new(),
            number: Number::Counter(overflow),
            used: overflow != 0,
        });
    }
}
