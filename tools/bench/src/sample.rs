//! Figures.

use std::fmt;

use serde::Serialize;

/// What one measurement gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_per_connection: Option<f64>,
    /// The same load, made by h2load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) h2load: Option<SecondOpinion>,
}

/// What h2load's load gave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct SecondOpinion {
    pub(crate) cpu_us_per_request: f64,
    pub(crate) requests_per_second: f64,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} us/request, {:.0}/s, p50 {:.3} ms, p99 {:.3} ms, {:.1} MiB",
            self.cpu_us_per_request,
            self.requests_per_second,
            self.p50_ms,
            self.p99_ms,
            self.rss_mib,
        )?;
        if let Some(bytes) = self.bytes_per_connection {
            write!(f, ", {bytes:.0} bytes/connection")?;
        }
        if let Some(h2load) = self.h2load {
            write!(
                f,
                "; h2load: {:.1} us/request, {:.0}/s",
                h2load.cpu_us_per_request, h2load.requests_per_second
            )?;
        }
        Ok(())
    }
}

/// A median over the rounds, with the least and the most.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Median {
    pub(crate) value: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Serialize for Median {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.value)
    }
}

/// As tables have it; nothing where nothing was measured.
impl fmt::Display for Median {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Median { value, least, most } = self;
        if *most == 0.0 {
            Ok(())
        } else if least == most {
            write!(f, "{value}")
        } else {
            write!(f, "{value} ({least}-{most})")
        }
    }
}

/// The medians over all rounds of one scenario with one proxy. As JSON: what others plot and compare; ranges are on the
/// page, single measurements in the file of samples.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Figures {
    pub(crate) scenario: String,
    pub(crate) proxy: String,
    pub(crate) cpu_us_per_request: Median,
    pub(crate) requests_per_second: Median,
    pub(crate) p50_ms: Median,
    pub(crate) p90_ms: Median,
    pub(crate) p99_ms: Median,
    pub(crate) rss_mib: Median,
    #[serde(skip)]
    pub(crate) bytes_per_connection: Option<Median>,
    /// CPU and throughput under h2load.
    #[serde(skip)]
    pub(crate) h2load: Option<(Median, Median)>,
}

impl Figures {
    /// Of these samples.
    pub(crate) fn of(scenario: &str, proxy: &str, samples: &[Sample]) -> Self {
        let median = |of: fn(&Sample) -> f64| Median::of(samples.iter().map(of).collect());
        let some = |of: fn(&Sample) -> Option<f64>| {
            let values: Vec<f64> = samples.iter().filter_map(of).collect();
            (!values.is_empty()).then(|| Median::of(values))
        };
        Figures {
            scenario: scenario.to_owned(),
            proxy: proxy.to_owned(),
            cpu_us_per_request: median(|s| s.cpu_us_per_request),
            requests_per_second: median(|s| s.requests_per_second),
            p50_ms: median(|s| s.p50_ms),
            p90_ms: median(|s| s.p90_ms),
            p99_ms: median(|s| s.p99_ms),
            rss_mib: median(|s| s.rss_mib),
            bytes_per_connection: some(|s| s.bytes_per_connection),
            h2load: some(|s| Some(s.h2load?.cpu_us_per_request))
                .zip(some(|s| Some(s.h2load?.requests_per_second))),
        }
    }
}

impl Median {
    /// To four digits; zeros without any values.
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |n: usize| values.get(n).copied().unwrap_or(0.0);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            at(middle)
        } else {
            f64::midpoint(at(middle.saturating_sub(1)), at(middle))
        };
        Median {
            value: rounded(median),
            least: rounded(at(0)),
            most: rounded(at(values.len().saturating_sub(1))),
        }
    }
}

/// To four significant digits: more would be noise.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn figures_are_medians_with_their_range() {
        let is = |values, value, least, most| {
            assert_eq!(Median::of(values), Median { value, least, most });
        };
        is(vec![3.0, 1.0, 2.0], 2.0, 1.0, 3.0);
        is(vec![4.0, 1.0, 2.0, 3.0], 2.5, 1.0, 4.0);
        is(Vec::new(), 0.0, 0.0, 0.0);
        is(vec![12_345.678], 12_350.0, 12_350.0, 12_350.0);
    }

    #[test]
    fn a_table_has_the_range_where_there_is_one() {
        let shown = |values| Median::of(values).to_string();
        assert_eq!(shown(vec![3.0, 1.0, 2.0]), "2 (1-3)");
        assert_eq!(shown(vec![2.0]), "2");
        assert_eq!(shown(vec![0.0]), "");
    }

    #[test]
    fn json_has_the_eight_fields_that_are_promised() {
        let sample = Sample {
            cpu_us_per_request: 6.2,
            bytes_per_connection: Some(1.0),
            ..Sample::default()
        };
        let json = serde_json::to_value(Figures::of("s", "lateen", &[sample])).unwrap();
        let wanted = serde_json::json!({
            "scenario": "s", "proxy": "lateen", "cpu_us_per_request": 6.2, "requests_per_second": 0.0,
            "p50_ms": 0.0, "p90_ms": 0.0, "p99_ms": 0.0, "rss_mib": 0.0,
        });
        assert_eq!(json, wanted);
    }
}
