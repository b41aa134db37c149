//! What is counted between two workloads.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use accesslog::Flags;

use super::{Bounds, Dimensions, Protocol};
use crate::escape::label;
use crate::metric::{Distribution, HISTOGRAM_WORDS};
use crate::shard::{PerThread, Shard};
use crate::snapshot::{Number, Sample};

/// How a request or connection ended: the labels that differ from one to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Outcome {
    /// Status sent; 0: none was.
    pub response_code: u16,
    /// What went wrong.
    pub flags: Flags,
    /// The status of a gRPC call; none where it is not known or not gRPC.
    pub grpc_status: Option<u16>,
}

/// A request that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// How it ended.
    pub outcome: Outcome,
    /// Milliseconds from its first byte to its end.
    pub duration_ms: u64,
    /// Bytes from the client, headers included.
    pub request_bytes: u64,
    /// Bytes to the client, headers included.
    pub response_bytes: u64,
}

/// Metrics of the traffic between two workloads.
#[derive(Debug)]
pub struct Traffic {
    dimensions: Dimensions,
    bounds: Arc<Bounds>,
    tables: PerThread<Table>,
}

impl Drop for Traffic {
    fn drop(&mut self) {
        let series = self.tables.all().map(|table| table.series().count()).sum();
        self.bounds.dismiss(series);
    }
}

/// One thread's series.
#[derive(Debug)]
struct Table {
    first: Chunk,
    messages: Shard,
}

/// Some series, filled from the front, and more of them once these are full; only one thread fills them.
#[derive(Debug, Default)]
struct Chunk {
    series: [OnceLock<(Outcome, Shard)>; CHUNK],
    next: OnceLock<Box<Chunk>>,
}

/// Series of a chunk: most traffic has fewer outcomes.
const CHUNK: usize = 8;
/// Chunks of a table: 64 outcomes are told apart between two workloads on one thread.
const MOST_CHUNKS: usize = 8;

impl Table {
    /// All series that there are.
    fn series(&self) -> impl Iterator<Item = &(Outcome, Shard)> {
        std::iter::successors(Some(&self.first), |chunk| {
            chunk.next.get().map(|next| &**next)
        })
        .flat_map(|chunk| chunk.series.iter())
        .filter_map(OnceLock::get)
    }
}

/// Places in the words of a series of HTTP or gRPC.
const REQUESTS: usize = 0;
const DURATION: usize = 1;
const REQUEST_BYTES: usize = DURATION + HISTOGRAM_WORDS;
const RESPONSE_BYTES: usize = REQUEST_BYTES + HISTOGRAM_WORDS;
const HTTP_WORDS: usize = RESPONSE_BYTES + HISTOGRAM_WORDS;

/// Counters in the words of a series of TCP.
const TCP: [&str; 4] = [
    "istio_tcp_connections_opened_total",
    "istio_tcp_connections_closed_total",
    "istio_tcp_sent_bytes_total",
    "istio_tcp_received_bytes_total",
];

/// Counters of gRPC messages.
const MESSAGES: [&str; 2] = [
    "istio_request_messages_total",
    "istio_response_messages_total",
];

impl Traffic {
    pub(super) fn new(dimensions: &Dimensions, threads: usize, bounds: Arc<Bounds>) -> Self {
        Traffic {
            dimensions: dimensions.clone(),
            bounds,
            tables: PerThread::new(threads),
        }
    }

    /// The labels.
    #[must_use]
    pub fn dimensions(&self) -> &Dimensions {
        &self.dimensions
    }

    /// Counts a request. `thread` is the number of the calling thread, as everywhere in this crate.
    #[inline]
    pub fn request(&self, thread: usize, request: &Request) {
        if let Some(series) = self.series(thread, request.outcome) {
            series.counter(REQUESTS).increment();
            series.histogram(DURATION).record(request.duration_ms);
            series
                .histogram(REQUEST_BYTES)
                .record(request.request_bytes);
            series
                .histogram(RESPONSE_BYTES)
                .record(request.response_bytes);
        }
    }

    /// Counts messages of a gRPC call since they were last counted: those of the client and those of the server.
    #[inline]
    pub fn messages(&self, thread: usize, requests: u64, responses: u64) {
        if let Some(table) = self.table(thread) {
            table.messages.counter(0).add(requests);
            table.messages.counter(1).add(responses);
        }
    }

    /// Counts a connection of bytes that was opened.
    #[inline]
    pub fn opened(&self, thread: usize, outcome: Outcome) {
        self.tcp(thread, outcome, 0, 1);
    }

    /// Counts a connection of bytes that was closed.
    #[inline]
    pub fn closed(&self, thread: usize, outcome: Outcome) {
        self.tcp(thread, outcome, 1, 1);
    }

    /// Counts bytes of a connection since they were last counted: to the client and from it.
    #[inline]
    pub fn bytes(&self, thread: usize, outcome: Outcome, sent: u64, received: u64) {
        self.tcp(thread, outcome, 2, sent);
        self.tcp(thread, outcome, 3, received);
    }

    #[inline]
    fn tcp(&self, thread: usize, outcome: Outcome, place: usize, amount: u64) {
        if let Some(series) = self.series(thread, outcome) {
            series.counter(place).add(amount);
        }
    }

    #[inline]
    fn table(&self, thread: usize) -> Option<&Table> {
        let table = self.tables.of(thread, || Table {
            first: Chunk::default(),
            messages: Shard::new(MESSAGES.len()),
        });
        if table.is_none() {
            self.bounds.overflowed();
        }
        table
    }

    /// The thread's series of an outcome; none, and counted, where there is no place for it.
    #[inline]
    fn series(&self, thread: usize, outcome: Outcome) -> Option<&Shard> {
        let mut chunk = &self.table(thread)?.first;
        for _ in 0..MOST_CHUNKS {
            for slot in &chunk.series {
                match slot.get() {
                    Some((other, series)) if *other == outcome => return Some(series),
                    Some(_) => {}
                    None => return self.add(slot, outcome),
                }
            }
            chunk = chunk.next.get_or_init(Box::default);
        }
        self.bounds.overflowed();
        None
    }

    #[cold]
    fn add<'a>(&self, slot: &'a OnceLock<(Outcome, Shard)>, outcome: Outcome) -> Option<&'a Shard> {
        if !self.bounds.admit() {
            self.bounds.overflowed();
            return None;
        }
        let words = match self.dimensions.protocol {
            Protocol::Tcp => TCP.len(),
            Protocol::Http | Protocol::Grpc => HTTP_WORDS,
        };
        Some(&slot.get_or_init(|| (outcome, Shard::new(words))).1)
    }

    pub(super) fn sample(&self, samples: &mut Vec<Sample>) {
        let fixed = self.dimensions.labels();
        let tables: Vec<_> = self.tables.all().collect();
        let mut by_outcome: BTreeMap<Outcome, Vec<&Shard>> = BTreeMap::new();
        for (outcome, series) in tables.iter().flat_map(|table| table.series()) {
            by_outcome.entry(*outcome).or_default().push(series);
        }
        for (outcome, shards) in by_outcome {
            let texts = Texts::of(&outcome);
            let protocol = ("request_protocol", self.dimensions.protocol_name());
            let flags = ("response_flags", &*texts.flags);
            let security = (
                "connection_security_policy",
                self.dimensions.security_name(),
            );
            let counted = |place| {
                shards
                    .iter()
                    .fold(0, |total: u64, shard| total.wrapping_add(shard.read(place)))
            };
            if self.dimensions.protocol == Protocol::Tcp {
                let labels = Labels::of(fixed.into_iter().chain([protocol, flags, security]));
                for (place, name) in TCP.into_iter().enumerate() {
                    samples.push(labels.sample(name, Number::Counter(counted(place))));
                }
                continue;
            }
            let code = ("response_code", &*texts.code);
            let status = ("grpc_response_status", &*texts.grpc_status);
            let labels = Labels::of(
                fixed
                    .into_iter()
                    .chain([protocol, code, status, flags, security]),
            );
            let distributed = |place| {
                let mut total = Distribution::default();
                shards
                    .iter()
                    .for_each(|shard| shard.add_to(place, &mut total));
                Number::Histogram(Box::new(total))
            };
            samples.push(labels.sample("istio_requests_total", Number::Counter(counted(REQUESTS))));
            samples
                .push(labels.sample("istio_request_duration_milliseconds", distributed(DURATION)));
            samples.push(labels.sample("istio_request_bytes", distributed(REQUEST_BYTES)));
            samples.push(labels.sample("istio_response_bytes", distributed(RESPONSE_BYTES)));
        }
        if self.dimensions.protocol == Protocol::Grpc {
            let labels = Labels::of(fixed);
            for (place, name) in MESSAGES.into_iter().enumerate() {
                let count = tables.iter().fold(0, |total: u64, t| {
                    total.wrapping_add(t.messages.read(place))
                });
                samples.push(labels.sample(name, Number::Counter(count)));
            }
        }
    }
}

/// An outcome's labels.
struct Texts {
    code: String,
    grpc_status: String,
    flags: String,
}

impl Texts {
    fn of(outcome: &Outcome) -> Self {
        let mut flags = Vec::new();
        // A connection of bytes has no code.
        let request = outcome.response_code != 0;
        outcome.flags.write_short(request, &mut flags);
        Texts {
            code: outcome.response_code.to_string(),
            grpc_status: outcome
                .grpc_status
                .map_or_else(String::new, |status| status.to_string()),
            flags: if flags.is_empty() {
                "-".into()
            } else {
                String::from_utf8_lossy(&flags).into_owned()
            },
        }
    }
}

/// Labels in both forms.
struct Labels {
    prometheus: String,
    dotted: String,
}

impl Labels {
    fn of<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut both = Labels {
            prometheus: String::new(),
            dotted: String::new(),
        };
        for (name, value) in labels {
            label(name, value, &mut both.prometheus);
            both.dotted.extend([".", name, ".", value]);
        }
        both
    }

    fn sample(&self, name: &str, number: Number) -> Sample {
        Sample {
            dotted: format!("istiocustom.{name}{}", self.dotted),
            prometheus: name.to_owned(),
            labels: self.prometheus.clone(),
            number,
            used: true,
        }
    }
}
