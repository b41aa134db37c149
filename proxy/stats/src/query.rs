//! What `/stats` is asked for: Envoy's query parameters.

use std::fmt;

use percent_encoding::percent_decode_str;
use regex::Regex;

use crate::snapshot::{Number, Sample};

/// A form of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// `name: number`, a line each.
    #[default]
    Text,
    /// An object `{"stats":[...]}`.
    Json,
    /// Prometheus' text format 0.0.4.
    Prometheus,
}

/// How histograms are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Buckets {
    /// As the form has it by itself: quantiles, and buckets for Prometheus.
    #[default]
    Usual,
    /// Quantiles.
    Summary,
    /// How many values lie at or below each bound.
    Cumulative,
    /// How many values lie between each bound and the one before.
    Disjoint,
}

/// What `/stats` is asked for.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// The form of output.
    pub form: Form,
    /// Only metrics that were written.
    pub used_only: bool,
    /// Only metrics whose dotted name matches somewhere.
    pub filter: Option<Regex>,
    /// Only metrics whose dotted name does not match the filter.
    pub inverted: bool,
    /// How histograms are shown.
    pub buckets: Buckets,
    /// Only metrics of this kind.
    pub kind: Option<crate::Kind>,
}

/// Why a query is refused (400).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryError {
    /// The filter is no regular expression.
    Filter(String),
    /// No such `format`.
    Form,
    /// No such `type`.
    Kind,
    /// No such `histogram_buckets`.
    Buckets,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueryError::Filter(problem) => write!(f, "Invalid regex: {problem}"),
            QueryError::Form => f.write_str("usage: /stats?format=(json|prometheus|text)\n"),
            QueryError::Buckets => {
                f.write_str("usage: /stats?histogram_buckets=(cumulative|disjoint|summary)\n")
            }
            QueryError::Kind => {
                f.write_str("usage: /stats?type=(All|Counters|Gauges|Histograms)\n")
            }
        }
    }
}

impl std::error::Error for QueryError {}

impl Query {
    /// Parses what follows the `?` of a request's path; parameters that are not known are ignored, as Envoy does.
    ///
    /// # Errors
    /// A parameter has a value that means nothing.
    pub fn parse(query: &str) -> Result<Self, QueryError> {
        Self::parse_for(query, Form::default())
    }

    /// As `parse`, with a form for queries that name none.
    ///
    /// # Errors
    /// A parameter has a value that means nothing.
    pub fn parse_for(query: &str, form: Form) -> Result<Self, QueryError> {
        let mut parsed = Query {
            form,
            ..Query::default()
        };
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "usedonly" => parsed.used_only = true,
                "invert_filter" => parsed.inverted = true,
                "histogram_buckets" => {
                    parsed.buckets = match value {
                        "" => Buckets::Usual,
                        "summary" => Buckets::Summary,
                        "cumulative" => Buckets::Cumulative,
                        "disjoint" => Buckets::Disjoint,
                        _ => return Err(QueryError::Buckets),
                    }
                }
                "format" => {
                    parsed.form = match value {
                        "text" => Form::Text,
                        "json" => Form::Json,
                        "prometheus" => Form::Prometheus,
                        _ => return Err(QueryError::Form),
                    }
                }
                "filter" if value.is_empty() => parsed.filter = None,
                "filter" => {
                    let filter = Regex::new(&percent_decode_str(value).decode_utf8_lossy());
                    parsed.filter =
                        Some(filter.map_err(|error| QueryError::Filter(error.to_string()))?);
                }
                "type" => {
                    parsed.kind = match value {
                        "All" => None,
                        "Counters" => Some(crate::Kind::Counter),
                        "Gauges" => Some(crate::Kind::Gauge),
                        "Histograms" => Some(crate::Kind::Histogram),
                        _ => return Err(QueryError::Kind),
                    }
                }
                _ => {}
            }
        }
        Ok(parsed)
    }

    /// Whether a metric is asked for.
    #[must_use]
    pub fn wants(&self, sample: &Sample) -> bool {
        let kind = match sample.number {
            Number::Counter(_) => crate::Kind::Counter,
            Number::Gauge(_) => crate::Kind::Gauge,
            Number::Histogram(_) => crate::Kind::Histogram,
        };
        (sample.used || !self.used_only)
            && self.kind.is_none_or(|wanted| wanted == kind)
            && self
                .filter
                .as_ref()
                .is_none_or(|filter| filter.is_match(&sample.dotted) != self.inverted)
    }
}
