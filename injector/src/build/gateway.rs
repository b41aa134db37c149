//! The template `gateway`: a pod that is nothing but a proxy at the mesh's edge.

use k8s_openapi::api::core::v1::{PodSecurityContext, PodSpec, Sysctl};

use super::{Input, Overlay, OverlayMetadata};
use super::{labels, proxy_container, volumes};

pub(super) fn build(input: &Input<'_>) -> Overlay {
    Overlay {
        metadata: OverlayMetadata {
            labels: labels::canonical(input),
            annotations: labels::revision(input),
        },
        spec: PodSpec {
            containers: vec![proxy_container::gateway(input)],
            volumes: Some(volumes::gateway_volumes(input)),
            security_context: Some(PodSecurityContext {
                // Ports 80 and 443 without root.
                sysctls: Some(vec![Sysctl {
                    name: "net.ipv4.ip_unprivileged_port_start".to_owned(),
                    value: "0".to_owned(),
                }]),
                ..PodSecurityContext::default()
            }),
            image_pull_secrets: super::sidecar::image_pull_secrets(input),
            ..PodSpec::default()
        },
    }
}
