//! Latencies and their percentiles.

use std::time::Duration;

/// Every latency of a measurement, so that percentiles are exact.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The least latency that so many percent of all stay within, in milliseconds; 0 without any.
    pub(crate) fn percentiles<const N: usize>(&mut self, percent: [f64; N]) -> [f64; N] {
        self.0.sort_unstable();
        percent.map(|p| {
            let rank = (p / 100.0 * self.0.len() as f64).ceil() as usize;
            let latency = self.0.get(rank.max(1) - 1).copied().unwrap_or_default();
            latency.as_secs_f64() * 1e3
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_latencies_of_their_rank() {
        let mut latencies = Latencies::default();
        for n in (1..=200).rev() {
            latencies.add(Duration::from_millis(n));
        }
        assert_eq!(
            latencies.percentiles([50.0, 99.0, 100.0]),
            [100.0, 198.0, 200.0]
        );
        assert_eq!(Latencies::default().percentiles([99.0]), [0.0]);
    }
}
