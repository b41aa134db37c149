//! The numbers themselves.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Upper bounds of a histogram's buckets, Envoy's for Prometheus, as text; a last bucket holds what is above.
pub const BOUNDS: [&str; 19] = [
    "0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000",
    "30000", "60000", "300000", "600000", "1800000", "3600000",
];

/// The same for whole numbers: at most 0.5 is 0.
pub(crate) const WHOLE_BOUNDS: [u64; 19] = [
    0, 1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000,
    600_000, 1_800_000, 3_600_000,
];

/// Buckets of a histogram, the last one without a bound.
pub(crate) const BUCKETS: usize = WHOLE_BOUNDS.len() + 1;

/// Words that a histogram takes: its buckets and its sum.
pub(crate) const HISTOGRAM_WORDS: usize = BUCKETS + 1;

/// Adds to a word that one thread alone writes: a load and a store, no locked instruction. Others may read it.
#[inline]
fn add(word: &AtomicU64, amount: u64) {
    word.store(word.load(Relaxed).wrapping_add(amount), Relaxed);
}

/// A number that only grows. One thread writes it, any may read it.
#[derive(Debug, Clone, Copy)]
pub struct Counter<'a>(pub(crate) &'a AtomicU64);

impl Counter<'_> {
    /// One more.
    #[inline]
    pub fn increment(self) {
        self.add(1);
    }

    /// So many more.
    #[inline]
    pub fn add(self, amount: u64) {
        add(self.0, amount);
    }

    /// What this thread counted.
    #[must_use]
    pub fn value(self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that grows and shrinks: a worker's share of it, which may be below zero where another worker's is above.
#[derive(Debug, Clone, Copy)]
pub struct Gauge<'a>(pub(crate) &'a AtomicU64);

impl Gauge<'_> {
    /// So many more.
    #[inline]
    pub fn add(self, amount: u64) {
        add(self.0, amount);
    }

    /// So many fewer.
    #[inline]
    pub fn subtract(self, amount: u64) {
        add(self.0, amount.wrapping_neg());
    }

    /// Exactly so many as this thread's share.
    #[inline]
    pub fn set(self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// This thread's share.
    #[must_use]
    pub fn value(self) -> i64 {
        self.0.load(Relaxed).cast_signed()
    }
}

/// Counts of whole values (milliseconds, bytes) in fixed buckets, and their sum.
#[derive(Debug, Clone, Copy)]
pub struct Histogram<'a>(pub(crate) &'a [AtomicU64]);

impl Histogram<'_> {
    /// Counts a value.
    #[inline]
    pub fn record(self, value: u64) {
        let bucket = WHOLE_BOUNDS.partition_point(|bound| *bound < value);
        if let [buckets @ .., sum] = self.0
            && let Some(bucket) = buckets.get(bucket)
        {
            add(bucket, 1);
            add(sum, value);
        }
    }
}

/// A histogram's counts over all threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Distribution {
    /// Values in each bucket, not cumulative; the last holds what is above the highest bound.
    pub buckets: [u64; BUCKETS],
    /// Their sum.
    pub sum: u64,
}

impl Distribution {
    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets
            .iter()
            .fold(0, |count, bucket| count.wrapping_add(*bucket))
    }

    /// Adds one thread's counts, `words` as a histogram has them.
    pub(crate) fn merge(&mut self, words: &[AtomicU64]) {
        let totals = self.buckets.iter_mut().chain([&mut self.sum]);
        for (total, word) in totals.zip(words) {
            *total = total.wrapping_add(word.load(Relaxed));
        }
    }

    /// The value below which a share of all lies, reckoned as if each bucket's values were spread evenly in it; none
    /// where nothing was recorded.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let wanted = share * count as f64;
        let mut below = 0_u64;
        let mut low = 0_u64;
        for (bucket, high) in self.buckets.iter().zip(WHOLE_BOUNDS) {
            if *bucket > 0 && (below + bucket) as f64 >= wanted {
                let inside = ((wanted - below as f64) / *bucket as f64).max(0.0);
                return Some(thousandths(low as f64 + (high - low) as f64 * inside));
            }
            below += bucket;
            low = high;
        }
        Some(low as f64)
    }
}

/// Without the noise of binary fractions.
fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
