//! The two variants of the protocol, as a stream sees them.

use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::Node;

use crate::session::{Differences, LimitExceeded, Outcome, Types};
use crate::wire;
use crate::{Resource, TypeUrl};

/// A session machine with its messages.
pub(crate) trait Protocol: Default + Send + 'static {
    type Request: prost::Message + Default + Sync + 'static;
    type Response: wire::Response;
    type Differences: Differences;
    /// `delta` or `sotw`.
    const NAME: &'static str;

    fn node(request: &Self::Request) -> Option<&Node>;
    fn type_url(request: &Self::Request) -> &str;

    /// Takes a request of the given type. The caller gives the type's resources with
    /// [`Protocol::update`] if the outcome says that it was resubscribed.
    ///
    /// # Errors
    /// If the stream asks for more than its limits allow; nothing was changed then.
    fn on_request(
        &mut self,
        type_url: TypeUrl,
        request: &Self::Request,
    ) -> Result<Outcome, LimitExceeded>;

    /// The client had time to name all its types.
    fn introduced(&mut self) {}

    /// Gives the latest state of a type: all resources of its subscription. What an earlier update
    /// left unsent is replaced.
    fn update(&mut self, type_url: TypeUrl, wanted: &[Arc<Resource>]);

    /// The next response to send, if any: additions in push order, then the removals that may go.
    fn next_response(&mut self) -> Option<Self::Response>;

    /// What the client subscribes to and holds.
    fn types(&self) -> &Types<Self::Differences>;
}
