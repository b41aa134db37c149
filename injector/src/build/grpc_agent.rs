//! The template `grpc-agent`: the application's gRPC library speaks xDS, the agent beside it gives it certificates and
//! configuration. No traffic passes a proxy.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::environment::value;
use super::{Input, Overlay, OverlayMetadata, labels, proxy_container, sidecar, volumes};
use crate::annotations::REWRITE_PROBES;

pub(super) fn build(input: &Input<'_>) -> Overlay {
    let mut containers: Vec<Container> = input
        .app_containers()
        .into_iter()
        .map(|name| Container {
            name: name.to_owned(),
            env: Some(vec![
                value("GRPC_XDS_EXPERIMENTAL_SECURITY_SUPPORT", "true"),
                value("GRPC_XDS_BOOTSTRAP", "/etc/istio/proxy/grpc-bootstrap.json"),
            ]),
            volume_mounts: Some(volumes::grpc_application_mounts()),
            ..Container::default()
        })
        .collect();
    containers.push(proxy_container::grpc_agent(input));
    Overlay {
        metadata: OverlayMetadata {
            labels: labels::canonical(input),
            annotations: annotations(input),
        },
        spec: PodSpec {
            containers,
            volumes: Some(volumes::grpc_agent_volumes(input)),
            image_pull_secrets: sidecar::image_pull_secrets(input),
            ..PodSpec::default()
        },
    }
}

/// Probes reach the application itself: nothing stands before it.
fn annotations(input: &Input<'_>) -> BTreeMap<String, String> {
    let mut annotations = labels::default_container(input);
    annotations.insert(REWRITE_PROBES.to_owned(), "false".to_owned());
    annotations
}
