//! Responses of a control plane, in any order: each is answered once, under its nonce.

use std::time::SystemTime;

use control::{Core, Service};
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryResponse, Resource};
use envoy_types::pb::google::protobuf::Any;
use prost::Message;

use crate::input::Input;

const TYPES: &[&str] = &[
    "type.googleapis.com/envoy.config.listener.v3.Listener",
    "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
    "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
    "type.googleapis.com/unknown",
];

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut core = Core::new(Node::default());
    while !input.is_empty() {
        let service = input.pick(&[Service::Configuration, Service::Secrets]);
        match input.byte() % 8 {
            0 => drop(core.opened(service)),
            1 => core.closed(service),
            2 => {
                let Ok(response) = DeltaDiscoveryResponse::decode(input.long_piece()) else {
                    continue;
                };
                received(&mut core, service, response);
            }
            3 => {
                for awaiting in core.awaiting() {
                    core.give_up(&awaiting.what);
                }
            }
            _ => received(&mut core, service, response(&mut input)),
        }
        let _ = (core.graph(), core.names().len());
    }
}

fn received(core: &mut Core, service: Service, response: DeltaDiscoveryResponse) {
    let nonce = response.nonce.clone();
    let url = response.type_url.clone();
    let effects = core.received(service, response, SystemTime::UNIX_EPOCH);
    let answers = effects.requests.iter().filter(|(to, request)| {
        *to == service && request.response_nonce == nonce && request.type_url == url
    });
    if !nonce.is_empty() {
        assert_eq!(answers.count(), 1, "one answer to {nonce}");
    }
}

fn response(input: &mut Input<'_>) -> DeltaDiscoveryResponse {
    let url = input.pick(TYPES).to_owned();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let nonce = text(input.piece());
    let count = input.byte() % 4;
    let resources = (0..count)
        .map(|_| Resource {
            name: text(input.piece()),
            version: text(input.piece()),
            resource: Some(Any {
                type_url: url.clone(),
                value: input.long_piece().to_vec(),
            }),
            ..Default::default()
        })
        .collect();
    let removed = (0..input.byte() % 3).map(|_| text(input.piece())).collect();
    DeltaDiscoveryResponse {
        type_url: url,
        nonce,
        resources,
        removed_resources: removed,
        ..Default::default()
    }
}
