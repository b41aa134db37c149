//! Latencies and their percentiles.

use std::time::Duration;

/// Every latency of a measurement, so that percentiles are exact.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies(Vec<u64>);

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        self.0
            .push(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The least latency that so many percent of all stay within, in milliseconds; 0 without any.
    pub(crate) fn percentiles<const N: usize>(&mut self, percent: [f64; N]) -> [f64; N] {
        self.0.sort_unstable();
        percent.map(|p| {
            let rank = (p / 100.0 * self.0.len() as f64).ceil() as usize;
            let nanoseconds = self.0.get(rank.max(1) - 1).copied().unwrap_or(0);
            nanoseconds as f64 / 1e6
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_latencies_of_their_rank() {
        let mut latencies = Latencies::default();
        for n in (1..=100).rev() {
            latencies.add(Duration::from_millis(n));
        }
        assert_eq!(
            latencies.percentiles([50.0, 90.0, 99.0, 100.0]),
            [50.0, 90.0, 99.0, 100.0]
        );
        latencies.clear();
        assert_eq!(latencies.percentiles([50.0]), [0.0]);
        latencies.add(Duration::from_millis(7));
        assert_eq!(latencies.percentiles([1.0, 99.0]), [7.0, 7.0]);
    }
}
