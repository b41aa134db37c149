//! Which host of a cluster takes a request, which hosts are left alone for a while, and whether a failed request is
//! tried again. Time and randomness come in as arguments; nothing here is shared between workers.
//!
//! A host is its place in one flat list: the hosts of all priorities of [`graph::endpoint::Endpoints`], in order.

mod backoff;
mod balancer;
mod draws;
mod hashed;
mod limits;
mod outlier;
mod pool;
mod priority;
mod request_hash;
mod retry;
mod schedule;
mod xxhash;

pub use backoff::backoff;
pub use balancer::{Balancer, DEFAULT_PANIC_PERCENT};
pub use limits::retry_allowed;
pub use outlier::{Change, Outcome as Recorded, Outlier};
pub use request_hash::{RequestHash, request_hash, source_hash};
pub use retry::{Asked, Outcome, ResetKind, Verdict, decide};
pub use xxhash::xxh64;

#[cfg(test)]
mod tests;
