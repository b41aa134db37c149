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
    interned: Mutex<HashMap<Dimensions, Arc<Traffic>>>,
    bounds: Arc<Bounds>,
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
    /// Beyond `MOST_PEERS` what is recorded is only counted as overflow.
    #[must_use]
    pub fn intern(&self, dimensions: &Dimensions) -> Arc<Traffic> {
        let mut interned = self.interned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(traffic) = interned.get(dimensions) {
            return Arc::clone(traffic);
        }
        if interned.len() >= Self::MOST_PEERS {
            return Arc::new(Traffic::new(dimensions, 0, Arc::clone(&self.bounds)));
        }
        let traffic = Arc::new(Traffic::new(
            dimensions,
            self.threads,
            Arc::clone(&self.bounds),
        ));
        interned.insert(dimensions.clone(), Arc::clone(&traffic));
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
            interned.values().cloned().collect()
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
