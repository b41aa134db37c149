//! What all metrics were at one moment, by name.

use crate::metric::Distribution;

/// A metric's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Number {
    /// Only grows.
    Counter(u64),
    /// Grows and shrinks. Below zero only while threads are read one after the other.
    Gauge(i64),
    /// Values in buckets.
    Histogram(Box<Distribution>),
}

/// A metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Its name in `/stats`.
    pub dotted: String,
    /// Its name for Prometheus.
    pub prometheus: String,
    /// Its labels for Prometheus, escaped and joined by commas.
    pub labels: String,
    /// Its number.
    pub number: Number,
    /// Whether it was written since it exists: a counter or histogram that is not zero, or a gauge of a set that a
    /// thread has touched.
    pub used: bool,
}

/// All metrics, sorted by dotted name.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    samples: Vec<Sample>,
}

impl Snapshot {
    /// Of samples in any order.
    #[must_use]
    pub fn new(mut samples: Vec<Sample>) -> Self {
        samples.sort_by(|a, b| a.dotted.cmp(&b.dotted));
        Snapshot { samples }
    }

    /// All metrics, sorted by dotted name.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The metric of a dotted name.
    #[must_use]
    pub fn find(&self, dotted: &str) -> Option<&Sample> {
        let at = self
            .samples
            .binary_search_by(|sample| (*sample.dotted).cmp(dotted))
            .ok()?;
        self.samples.get(at)
    }
}
