//! What the server of a stream asks of the control plane behind it.

use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::Node;
use tokio::sync::watch;
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::session::{Answer, Subscription, TypeReport};
use crate::{Resource, TypeUrl};

/// The configuration that is served, and who may have it.
pub trait Configuration: Send + Sync + 'static {
    /// Who opened a stream, before it said for which node.
    type Credential: Send + 'static;
    /// A node whose stream is served; dropped when the stream ends.
    type Client: Send + Sync + 'static;

    /// Decides who opens a stream, by its connection and its metadata.
    ///
    /// # Errors
    /// The status that the stream ends with.
    fn authenticate(
        &self,
        extensions: &tonic::Extensions,
        metadata: &MetadataMap,
    ) -> impl Future<Output = Result<Self::Credential, Status>> + Send;

    /// Decides whether the opener may have the configuration of the node. `report` tells what its
    /// session holds for as long as the stream lives.
    ///
    /// # Errors
    /// The status that the stream ends with.
    #[allow(clippy::result_large_err)]
    fn admit(
        &self,
        credential: Self::Credential,
        node: &Node,
        report: Arc<dyn Report>,
    ) -> Result<Self::Client, Status>;

    /// Changes whenever resources may have changed.
    fn changes(&self) -> watch::Receiver<u64>;

    /// The resources of a subscription as they are now.
    fn resources(
        &self,
        client: &Self::Client,
        type_url: TypeUrl,
        subscription: &Subscription,
    ) -> Vec<Arc<Resource>>;

    /// A response was sent, with so many resources in so many bytes of resource bodies.
    fn sent(&self, client: &Self::Client, type_url: TypeUrl, resources: usize, bytes: usize);

    /// A response was answered.
    fn answered(&self, client: &Self::Client, type_url: TypeUrl, answer: &Answer);

    /// A change was noticed, and what it makes necessary is about to be looked for.
    fn pushing(&self, client: &Self::Client);

    /// Everything that a change made necessary and possible was sent.
    fn pushed(&self, client: &Self::Client);
}

/// What a session holds, for debug pages.
pub trait Report: Send + Sync {
    /// The variant of the protocol: `delta` or `sotw`.
    fn protocol(&self) -> &'static str;
    /// What the client holds, per type.
    fn types(&self) -> Vec<TypeReport>;
}
