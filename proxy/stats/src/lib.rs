//! Counters, gauges and histograms of the data path: plain words that one thread each writes, resolved when
//! configuration is compiled, merged and named only when they are read.
//!
//! ```
//! use stats::{ClusterStat, Query, Registry};
//!
//! let registry = Registry::new(2, "1.0");
//! let cluster = registry.metrics::<ClusterStat>("outbound|80||a.example");
//! cluster.of(0).counter(ClusterStat::UpstreamRqTotal).increment();
//! cluster.of(1).counter(ClusterStat::UpstreamRqTotal).increment();
//! let query = Query::parse("usedonly&filter=rq_total").unwrap();
//! assert_eq!(
//!     registry.snapshot().render(&query),
//!     "cluster.outbound|80||a.example.upstream_rq_total: 2\n"
//! );
//! ```

#[cfg(test)]
mod tests;

mod escape;
mod family;
pub mod istio;
mod metric;
mod query;
mod registry;
mod render;
mod shard;
mod snapshot;

pub use family::{
    ClusterManagerStat, ClusterStat, Family, HttpStat, Kind, ListenerManagerStat, ListenerStat,
    Member, ServerStat, TcpStat,
};
pub use metric::{BOUNDS, Counter, Distribution, Gauge, Histogram};
pub use query::{Buckets, Form, Query, QueryError};
pub use registry::{Metrics, Registry, Share};
pub use snapshot::{Number, Sample, Snapshot};
