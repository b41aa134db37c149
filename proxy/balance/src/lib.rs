//! Which host of a cluster takes a request, which hosts are left alone for a while, and whether a failed request is
//! tried again. Time and randomness come in as arguments; nothing here is shared between workers.
//!
//! A host is its place in one flat list: the hosts of all priorities of [`graph::endpoint::Endpoints`], in order.

mod backoff;
mod balancer;
mod draws;
mod limits;
mod outlier;
mod pool;
mod priority;
mod retry;
mod schedule;

pub use backoff::backoff;
pub use balancer::{Balancer, DEFAULT_PANIC_PERCENT};
pub use limits::retry_allowed;
pub use outlier::{Change, Outcome as Recorded, Outlier};
pub use retry::{Asked, Outcome, ResetKind, Verdict, decide};

#[cfg(test)]
mod tests;
