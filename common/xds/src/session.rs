//! What one client of one stream holds, wants and was sent: the xDS transport protocol as two pure
//! state machines without I/O, clock or global. Per type a session is in one of three states:
//! nothing sent that is unanswered; one response outstanding, under whose nonce the names and
//! versions it carried are kept; and, orthogonally, a set of differences still to send, of which
//! only the latest counts.

pub(crate) mod delta;
mod ledger;
pub(crate) mod limits;
mod order;
mod rejection;
pub(crate) mod sotw;
mod types;

#[cfg(test)]
mod model_tests;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use ledger::{ResourceReport, Status, TypeReport};
pub(crate) use limits::LimitExceeded;
pub(crate) use types::{Differences, Types};

use crate::TypeUrl;

/// The largest body of one response that is split rather than sent whole, in bytes: below gRPC's
/// usual limit of 4 MiB on a received message.
const MAX_RESPONSE: usize = 3 * 1024 * 1024;

/// What a client asked for of one type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscription {
    /// Everything that is meant for the client.
    pub wildcard: bool,
    /// Resources asked for by name, besides the wildcard.
    pub names: BTreeSet<Arc<str>>,
}

impl Subscription {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        !self.wildcard && self.names.is_empty()
    }

    fn includes(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }
}

/// What a request said about the responses before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing: a first request, or a change of the subscription.
    None,
    /// The outstanding response is in use.
    Acked,
    /// The outstanding response was refused, at least in part.
    Nacked {
        /// The client's words.
        error: String,
        /// The resources of the response that the words name; empty if they name none.
        rejected: Vec<Arc<str>>,
    },
    /// It answers a response that is not the outstanding one; the answer is ignored.
    Stale,
}

/// What a request means for its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The type asked for.
    pub type_url: TypeUrl,
    /// What was answered.
    pub answer: Answer,
    /// Whether the subscription changed, or the client forgot what it held: the session must be
    /// given the type's resources again.
    pub resubscribed: bool,
}
