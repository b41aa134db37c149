//! A pilot that sends each type's prepared resources once to every stream that asks for the type.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Resource,
};
use envoy_types::pb::google::protobuf::Any;
use futures::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[derive(Default)]
pub struct Pilot {
    /// What is sent, by type URL.
    pub resources: Mutex<HashMap<String, Vec<(String, Any)>>>,
    /// Every delta request that came, in order.
    pub requests: Mutex<Vec<DeltaDiscoveryRequest>>,
    /// The credentials of each stream.
    pub tokens: Mutex<Vec<Option<String>>>,
}

pub struct Service {
    pilot: Arc<Pilot>,
    end: CancellationToken,
}

impl Pilot {
    /// Prepares a resource.
    pub fn serve(&self, name: &str, resource: Any) {
        let mut resources = self.resources.lock().unwrap();
        let list = resources.entry(resource.type_url.clone()).or_default();
        list.push((name.to_owned(), resource));
    }

    pub fn service(
        self: Arc<Self>,
        end: CancellationToken,
    ) -> AggregatedDiscoveryServiceServer<Service> {
        AggregatedDiscoveryServiceServer::new(Service { pilot: self, end })
    }

    pub fn first_requests(&self) -> Vec<DeltaDiscoveryRequest> {
        let all = self.requests.lock().unwrap();
        all.iter().filter(|r| r.node.is_some()).cloned().collect()
    }

    fn answer(&self, request: DeltaDiscoveryRequest) -> Option<DeltaDiscoveryResponse> {
        let type_url = request.type_url.clone();
        let first = request.response_nonce.is_empty();
        self.requests.lock().unwrap().push(request);
        let resources = self.resources.lock().unwrap();
        let wanted = resources.get(&type_url).filter(|_| first)?;
        let resources = wanted.iter().map(|(name, resource)| Resource {
            name: name.clone(),
            version: "1".to_owned(),
            resource: Some(resource.clone()),
            ..Resource::default()
        });
        Some(DeltaDiscoveryResponse {
            resources: resources.collect(),
            nonce: format!("{type_url} 1"),
            type_url,
            ..DeltaDiscoveryResponse::default()
        })
    }
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for Service {
    type StreamAggregatedResourcesStream = Responses<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Responses<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        _: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Err(Status::unimplemented("this pilot speaks delta"))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let token = request.metadata().get("authorization");
        let token = token.map(|token| token.to_str().unwrap().to_owned());
        self.pilot.tokens.lock().unwrap().push(token);
        let pilot = self.pilot.clone();
        let responses = request
            .into_inner()
            .take_until(self.end.clone().cancelled_owned())
            .filter_map(move |request| {
                let response = match request {
                    Ok(request) => pilot.answer(request).map(Ok),
                    Err(status) => Some(Err(status)),
                };
                std::future::ready(response)
            });
        Ok(Response::new(responses.boxed()))
    }
}
