//! What a run of the client found.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Answers per pod, errors by status and latencies of one run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Answers by the pod that gave them.
    pub answers: BTreeMap<String, u64>,
    /// Failed requests by gRPC status (`Unavailable`, ...), with the message of one of them.
    pub errors: BTreeMap<String, ErrorCount>,
    /// Latency of the answered requests, in milliseconds; absent when none was answered.
    pub latency_ms: Option<Latency>,
}

/// Requests that ended with one status.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ErrorCount {
    /// How many.
    pub count: u64,
    /// The message of the first of them.
    pub example: String,
}

/// Percentiles in milliseconds, by nearest rank.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The median.
    pub p50: f64,
    /// Nine of ten requests were no slower.
    pub p90: f64,
    /// Ninety-nine of a hundred requests were no slower.
    pub p99: f64,
}

/// One request's end.
pub enum Outcome {
    /// The answer's text and how long it took.
    Answer(String, Duration),
    /// The status that came instead.
    Error(tonic::Status),
}

/// The pod that an answer names: what stands between `hostname:` and the next comma.
pub fn pod(message: &str) -> &str {
    let name = message.strip_prefix("hostname:").unwrap_or(message);
    name.split_once(',').map_or(name, |(pod, _)| pod)
}

impl Report {
    /// Counts a run.
    pub fn of(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        let mut report = Self::default();
        let mut latencies = Vec::new();
        for outcome in outcomes {
            match outcome {
                Outcome::Answer(message, latency) => {
                    *report.answers.entry(pod(&message).to_owned()).or_default() += 1;
                    latencies.push(latency);
                }
                Outcome::Error(status) => {
                    let entry = report
                        .errors
                        .entry(format!("{:?}", status.code()))
                        .or_default();
                    if entry.count == 0 {
                        entry.example = status.message().to_owned();
                    }
                    entry.count += 1;
                }
            }
        }
        latencies.sort_unstable();
        report.latency_ms = Latency::of(&latencies);
        report
    }

    /// How many requests failed.
    pub fn failed(&self) -> u64 {
        self.errors.values().map(|e| e.count).sum()
    }
}

impl Latency {
    /// Percentiles of sorted latencies.
    fn of(sorted: &[Duration]) -> Option<Self> {
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted.get(rank - 1).map(|d| d.as_secs_f64() * 1000.0)
        };
        Some(Self {
            p50: at(50)?,
            p90: at(90)?,
            p99: at(99)?,
        })
    }
}

/// As the client prints it.
impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let answered: u64 = self.answers.values().sum();
        let width = self
            .answers
            .keys()
            .map(String::len)
            .max()
            .unwrap_or(0)
            .max(3);
        writeln!(f, "{:width$}  ANSWERS  SHARE", "POD")?;
        for (pod, count) in &self.answers {
            let share = *count as f64 * 100.0 / answered as f64;
            writeln!(f, "{pod:width$}  {count:>7}  {share:>4.1}%")?;
        }
        for (status, error) in &self.errors {
            writeln!(
                f,
                "error {status}: {} (for example: {})",
                error.count, error.example
            )?;
        }
        match &self.latency_ms {
            Some(l) => write!(
                f,
                "{answered} answers, {} errors; latency p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms",
                self.failed(),
                l.p50,
                l.p90,
                l.p99
            ),
            None => write!(f, "no answers, {} errors", self.failed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(pod: &str, ms: u64) -> Outcome {
        Outcome::Answer(
            format!("hostname:{pod}, in:world"),
            Duration::from_millis(ms),
        )
    }

    #[test]
    fn answers_are_counted_by_pod_and_errors_by_status() {
        let report = Report::of([
            answer("a", 1),
            answer("b", 2),
            answer("a", 3),
            Outcome::Error(tonic::Status::unavailable("no healthy upstream")),
        ]);
        assert_eq!(report.answers, [("a".into(), 2), ("b".into(), 1)].into());
        assert_eq!(report.failed(), 1);
        let text = report.to_string();
        assert!(
            text.contains("error Unavailable: 1 (for example: no healthy upstream)"),
            "{text}"
        );
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let report = Report::of((1..=100).map(|ms| answer("a", ms)));
        let expected = Latency {
            p50: 50.0,
            p90: 90.0,
            p99: 99.0,
        };
        assert_eq!(report.latency_ms, Some(expected));
    }

    #[test]
    fn a_report_read_from_its_json_is_the_same() {
        for report in [Report::of([answer("a", 1)]), Report::of([])] {
            let json = serde_json::json!(report).to_string();
            assert_eq!(serde_json::from_str::<Report>(&json).ok(), Some(report));
        }
    }

    #[test]
    fn an_answer_of_another_shape_counts_under_its_whole_text() {
        assert_eq!(pod("hello"), "hello");
        assert_eq!(pod("hostname:p-1, in:x, md:map[]"), "p-1");
    }
}
