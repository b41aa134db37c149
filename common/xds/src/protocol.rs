//! The two variants of the protocol, as a stream sees them.

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use std::sync::Arc;

use crate::session::limits::LimitExceeded;
use crate::session::{Outcome, Subscription, TypeReport, delta, sotw};
use crate::wire::{self, DeltaResponse, SotwResponse};
use crate::{Resource, TypeUrl};

/// A session machine with its messages.
pub(crate) trait Protocol: Default + Send + 'static {
    type Request: prost::Message + Default + Sync + 'static;
    type Response: wire::Response;
    const NAME: &'static str;

    fn node(request: &Self::Request) -> Option<&Node>;
    fn type_url(request: &Self::Request) -> &str;
    /// Type, number of resources and bytes of bodies.
    fn measure(response: &Self::Response) -> (TypeUrl, usize, usize);

    fn on_request(
        &mut self,
        type_url: TypeUrl,
        request: &Self::Request,
    ) -> Result<Outcome, LimitExceeded>;
    fn introduced(&mut self);
    fn subscriptions(&self) -> Vec<(TypeUrl, &Subscription)>;
    fn subscription(&self, type_url: TypeUrl) -> Option<&Subscription>;
    fn stale(&self) -> Vec<TypeUrl>;
    fn update(&mut self, type_url: TypeUrl, wanted: &[Arc<Resource>]);
    fn next_response(&mut self) -> Option<Self::Response>;
    fn report(&self) -> Vec<TypeReport>;
}

fn bytes(resources: &[Arc<Resource>]) -> usize {
    resources.iter().map(|resource| resource.body.len()).sum()
}

impl Protocol for delta::Session {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaResponse;
    const NAME: &'static str = "delta";

    fn node(request: &DeltaDiscoveryRequest) -> Option<&Node> {
        request.node.as_ref().filter(|node| !node.id.is_empty())
    }
    fn type_url(request: &DeltaDiscoveryRequest) -> &str {
        &request.type_url
    }
    fn measure(response: &DeltaResponse) -> (TypeUrl, usize, usize) {
        let resources = &response.resources;
        (response.type_url, resources.len(), bytes(resources))
    }
    fn on_request(
        &mut self,
        type_url: TypeUrl,
        request: &DeltaDiscoveryRequest,
    ) -> Result<Outcome, LimitExceeded> {
        self.on_request(type_url, request)
    }
    fn introduced(&mut self) {
        self.introduced();
    }
    fn subscriptions(&self) -> Vec<(TypeUrl, &Subscription)> {
        self.subscriptions().collect()
    }
    fn subscription(&self, type_url: TypeUrl) -> Option<&Subscription> {
        self.subscription(type_url)
    }
    fn stale(&self) -> Vec<TypeUrl> {
        self.stale()
    }
    fn update(&mut self, type_url: TypeUrl, wanted: &[Arc<Resource>]) {
        self.update(type_url, wanted);
    }
    fn next_response(&mut self) -> Option<DeltaResponse> {
        self.next_response()
    }
    fn report(&self) -> Vec<TypeReport> {
        self.report()
    }
}

impl Protocol for sotw::Session {
    type Request = DiscoveryRequest;
    type Response = SotwResponse;
    const NAME: &'static str = "sotw";

    fn node(request: &DiscoveryRequest) -> Option<&Node> {
        request.node.as_ref().filter(|node| !node.id.is_empty())
    }
    fn type_url(request: &DiscoveryRequest) -> &str {
        &request.type_url
    }
    fn measure(response: &SotwResponse) -> (TypeUrl, usize, usize) {
        let resources = &response.resources;
        (response.type_url, resources.len(), bytes(resources))
    }
    fn on_request(
        &mut self,
        type_url: TypeUrl,
        request: &DiscoveryRequest,
    ) -> Result<Outcome, LimitExceeded> {
        self.on_request(type_url, request)
    }
    fn introduced(&mut self) {}
    fn subscriptions(&self) -> Vec<(TypeUrl, &Subscription)> {
        self.subscriptions().collect()
    }
    fn subscription(&self, type_url: TypeUrl) -> Option<&Subscription> {
        self.subscription(type_url)
    }
    fn stale(&self) -> Vec<TypeUrl> {
        self.stale()
    }
    fn update(&mut self, type_url: TypeUrl, wanted: &[Arc<Resource>]) {
        self.update(type_url, wanted);
    }
    fn next_response(&mut self) -> Option<SotwResponse> {
        self.next_response()
    }
    fn report(&self) -> Vec<TypeReport> {
        self.report()
    }
}
