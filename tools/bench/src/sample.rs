//! Figures.

use serde::Serialize;

/// What one measurement gave.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    /// CPU time of all proxies on the way, in microseconds.
    pub(crate) cpu_us_per_request: f64,
    pub(crate) requests_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    /// Of the largest proxy.
    pub(crate) rss_mib: f64,
    /// Memory that a connection took, where connections are what is measured.
    pub(crate) bytes_per_connection: Option<f64>,
}

/// Least and most over the rounds.
pub(crate) type Range = [f64; 2];

/// The medians over all rounds of one scenario with one proxy, and how far they reach.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Figures {
    pub(crate) scenario: String,
    pub(crate) proxy: String,
    pub(crate) cpu_us_per_request: f64,
    pub(crate) requests_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) rss_mib: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_per_connection: Option<f64>,
    /// Measurements.
    pub(crate) rounds: usize,
    pub(crate) range: Ranges,
}

/// The ranges of the figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Ranges {
    pub(crate) cpu_us_per_request: Range,
    pub(crate) requests_per_second: Range,
    pub(crate) p50_ms: Range,
    pub(crate) p90_ms: Range,
    pub(crate) p99_ms: Range,
    pub(crate) rss_mib: Range,
}

impl Figures {
    /// Of these samples.
    pub(crate) fn of(scenario: &str, proxy: &str, samples: &[Sample]) -> Self {
        let figure = |of: fn(&Sample) -> f64| median(samples.iter().map(of).collect());
        let (cpu_us_per_request, cpu) = figure(|s| s.cpu_us_per_request);
        let (requests_per_second, rate) = figure(|s| s.requests_per_second);
        let (p50_ms, p50) = figure(|s| s.p50_ms);
        let (p90_ms, p90) = figure(|s| s.p90_ms);
        let (p99_ms, p99) = figure(|s| s.p99_ms);
        let (rss_mib, rss) = figure(|s| s.rss_mib);
        let connections: Vec<f64> = samples
            .iter()
            .filter_map(|s| s.bytes_per_connection)
            .collect();
        Figures {
            scenario: scenario.to_owned(),
            proxy: proxy.to_owned(),
            cpu_us_per_request,
            requests_per_second,
            p50_ms,
            p90_ms,
            p99_ms,
            rss_mib,
            bytes_per_connection: (!connections.is_empty()).then(|| median(connections).0),
            rounds: samples.len(),
            range: Ranges {
                cpu_us_per_request: cpu,
                requests_per_second: rate,
                p50_ms: p50,
                p90_ms: p90,
                p99_ms: p99,
                rss_mib: rss,
            },
        }
    }
}

/// The median, to four digits, with the least and the most; zeros without any.
fn median(mut values: Vec<f64>) -> (f64, Range) {
    values.sort_by(f64::total_cmp);
    let at = |n: usize| values.get(n).copied().unwrap_or(0.0);
    let middle = values.len() / 2;
    let median = if values.len() % 2 == 1 {
        at(middle)
    } else {
        f64::midpoint(at(middle.saturating_sub(1)), at(middle))
    };
    let most = at(values.len().saturating_sub(1));
    (rounded(median), [rounded(at(0)), rounded(most)])
}

/// To four significant digits: more would be noise.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_medians_with_their_range() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), (2.0, [1.0, 3.0]));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), (2.5, [1.0, 4.0]));
        assert_eq!(median(Vec::new()), (0.0, [0.0, 0.0]));
        assert_eq!(median(vec![12_345.678]), (12_350.0, [12_350.0, 12_350.0]));
    }
}
