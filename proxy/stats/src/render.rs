//! A snapshot as output.

use std::fmt::Write;

use crate::escape::json;
use crate::metric::{BOUNDS, Distribution};
use crate::query::{Buckets, Form, Query};
use crate::snapshot::{Number, Sample, Snapshot};

/// Shares of all values that `/stats` shows of a histogram.
const QUANTILES: [f64; 10] = [0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1.0];

impl Snapshot {
    /// What a query asks for.
    #[must_use]
    pub fn render(&self, query: &Query) -> String {
        let wanted = self.samples().iter().filter(|sample| query.wants(sample));
        match query.form {
            Form::Text => text(wanted, query.buckets),
            Form::Json => json_form(wanted, query.buckets),
            Form::Prometheus => prometheus(wanted.collect(), query.buckets),
        }
    }
}

// Writing to a string cannot fail: the results below are dropped.

fn text<'a>(samples: impl Iterator<Item = &'a Sample>, buckets: Buckets) -> String {
    let mut out = String::new();
    let mut histograms = String::new();
    for Sample { dotted, number, .. } in samples {
        let _ = match number {
            Number::Counter(count) => writeln!(out, "{dotted}: {count}"),
            Number::Gauge(value) => writeln!(out, "{dotted}: {}", (*value).max(0)),
            Number::Histogram(distribution) if distribution.count() == 0 => {
                writeln!(histograms, "{dotted}: No recorded values")
            }
            Number::Histogram(distribution) if shows_buckets(buckets) => {
                let _ = write!(histograms, "{dotted}:");
                for (bound, count) in counts(distribution, buckets) {
                    // None of them is of the interval since the last flush, of which there is none here.
                    let _ = write!(histograms, " B{bound}(0,{count})");
                }
                writeln!(histograms)
            }
            Number::Histogram(distribution) => {
                let _ = write!(histograms, "{dotted}:");
                for share in QUANTILES {
                    let value = distribution.quantile(share).unwrap_or(0.0);
                    // The first number is of the interval since the last flush, of which there is none here.
                    let _ = write!(histograms, " P{}(nan,{value})", percent(share));
                }
                writeln!(histograms)
            }
        };
    }
    out.push_str(&histograms);
    out
}

/// Whether buckets stand in place of quantiles.
fn shows_buckets(buckets: Buckets) -> bool {
    matches!(buckets, Buckets::Cumulative | Buckets::Disjoint)
}

/// Bounds and how many values lie below them.
fn counts(
    distribution: &Distribution,
    buckets: Buckets,
) -> impl Iterator<Item = (&'static str, u64)> {
    let mut below = 0_u64;
    let each = BOUNDS.into_iter().zip(distribution.buckets);
    each.map(move |(bound, count)| {
        below = below.wrapping_add(count);
        match buckets {
            Buckets::Disjoint => (bound, count),
            _ => (bound, below),
        }
    })
}

fn json_form<'a>(samples: impl Iterator<Item = &'a Sample>, buckets: Buckets) -> String {
    let mut out = String::from("{\"stats\":[");
    let mut histograms = String::new();
    for Sample { dotted, number, .. } in samples {
        let value = match number {
            Number::Counter(count) => *count,
            Number::Gauge(value) => (*value).max(0).cast_unsigned(),
            Number::Histogram(distribution) => {
                match shows_buckets(buckets) {
                    true => json_buckets(dotted, distribution, buckets, &mut histograms),
                    false => json_histogram(dotted, distribution, &mut histograms),
                }
                continue;
            }
        };
        if !out.ends_with('[') {
            out.push(',');
        }
        out.push_str("{\"name\":");
        json(dotted, &mut out);
        let _ = write!(out, ",\"value\":{value}}}");
    }
    if !histograms.is_empty() {
        if !out.ends_with('[') {
            out.push(',');
        }
        let shares = QUANTILES.map(|share| percent(share).to_string()).join(",");
        let _ = match shows_buckets(buckets) {
            true => write!(out, "{{\"histograms\":[{histograms}]}}"),
            false => write!(
                out,
                "{{\"histograms\":{{\"supported_quantiles\":[{shares}],\"computed_quantiles\":[{histograms}]}}}}"
            ),
        };
    }
    out.push_str("]}");
    out
}

fn json_buckets(dotted: &str, distribution: &Distribution, buckets: Buckets, out: &mut String) {
    if !out.is_empty() {
        out.push(',');
    }
    out.push_str("{\"name\":");
    json(dotted, out);
    out.push_str(",\"buckets\":[");
    for (bound, count) in counts(distribution, buckets) {
        if !out.ends_with('[') {
            out.push(',');
        }
        let _ = write!(
            out,
            "{{\"upper_bound\":{bound},\"interval\":0,\"cumulative\":{count}}}"
        );
    }
    out.push_str("]}");
}

fn json_histogram(dotted: &str, distribution: &Distribution, out: &mut String) {
    if !out.is_empty() {
        out.push(',');
    }
    out.push_str("{\"name\":");
    json(dotted, out);
    out.push_str(",\"values\":[");
    for share in QUANTILES {
        if !out.ends_with('[') {
            out.push(',');
        }
        let _ = match distribution.quantile(share) {
            Some(value) => write!(out, "{{\"interval\":null,\"cumulative\":{value}}}"),
            None => write!(out, "{{\"interval\":null,\"cumulative\":null}}"),
        };
    }
    out.push_str("]}");
}

/// A share in percent, without the noise of binary fractions.
fn percent(share: f64) -> f64 {
    (share * 1000.0).round() / 10.0
}

/// Prometheus' text format 0.0.4: all samples of a name stand together, after the line that says what they are.
fn prometheus(mut samples: Vec<&Sample>, buckets: Buckets) -> String {
    // The sort is stable: samples of one name keep the order of their dotted names.
    samples.sort_by(|a, b| (rank(a), &a.prometheus).cmp(&(rank(b), &b.prometheus)));
    let mut out = String::new();
    let mut before = "";
    for Sample {
        prometheus: name,
        labels,
        number,
        ..
    } in samples
    {
        let kind = match number {
            Number::Counter(_) => "counter",
            Number::Gauge(_) => "gauge",
            Number::Histogram(_) if buckets == Buckets::Summary => "summary",
            Number::Histogram(_) => "histogram",
        };
        if before != name {
            let _ = writeln!(out, "# TYPE {name} {kind}");
            before = name;
        }
        let _ = match number {
            Number::Counter(count) => writeln!(out, "{name}{{{labels}}} {count}"),
            Number::Gauge(value) => writeln!(out, "{name}{{{labels}}} {}", (*value).max(0)),
            Number::Histogram(distribution) if buckets == Buckets::Summary => {
                let comma = if labels.is_empty() { "" } else { "," };
                for share in QUANTILES {
                    let _ = write!(out, "{name}{{{labels}{comma}quantile=\"{share}\"}} ");
                    let _ = match distribution.quantile(share) {
                        Some(value) => writeln!(out, "{value}"),
                        None => writeln!(out, "nan"),
                    };
                }
                let _ = writeln!(out, "{name}_sum{{{labels}}} {}", distribution.sum);
                writeln!(out, "{name}_count{{{labels}}} {}", distribution.count())
            }
            Number::Histogram(distribution) => {
                let comma = if labels.is_empty() { "" } else { "," };
                let mut count = 0_u64;
                for (bucket, bound) in distribution
                    .buckets
                    .iter()
                    .zip(BOUNDS.into_iter().chain(["+Inf"]))
                {
                    count = count.wrapping_add(*bucket);
                    let _ = writeln!(
                        out,
                        "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}"
                    );
                }
                let _ = writeln!(out, "{name}_sum{{{labels}}} {}", distribution.sum);
                writeln!(out, "{name}_count{{{labels}}} {count}")
            }
        };
    }
    out
}

fn rank(sample: &Sample) -> u8 {
    match sample.number {
        Number::Counter(_) => 0,
        Number::Gauge(_) => 1,
        Number::Histogram(_) => 2,
    }
}
