//! The template `sidecar`: redirection and a proxy beside the application.

use k8s_openapi::api::core::v1::{LocalObjectReference, PodSpec};

use super::{Input, Overlay, OverlayMetadata};
use super::{init_container, labels, proxy_container, volumes};
use crate::mesh::Interception;

pub(super) fn build(input: &Input<'_>) -> Overlay {
    let mut init = Vec::new();
    if input.interception() != Interception::None {
        init.push(init_container::build(input));
    }
    let mut containers = Vec::new();
    let proxy = proxy_container::sidecar(input);
    if input.native_sidecar() {
        init.push(proxy);
    } else {
        containers.push(proxy);
    }
    Overlay {
        metadata: OverlayMetadata {
            labels: labels::sidecar_labels(input),
            annotations: labels::sidecar_annotations(input),
        },
        spec: PodSpec {
            init_containers: Some(init).filter(|i| !i.is_empty()),
            containers,
            volumes: Some(volumes::sidecar_volumes(input)),
            image_pull_secrets: image_pull_secrets(input),
            ..PodSpec::default()
        },
    }
}

/// The secrets that the values name for the proxy's image.
pub(super) fn image_pull_secrets(input: &Input<'_>) -> Option<Vec<LocalObjectReference>> {
    let names = &input.settings.values.global.image_pull_secrets;
    let secrets = names
        .iter()
        .map(|name| LocalObjectReference { name: name.clone() });
    Some(secrets.collect()).filter(|secrets: &Vec<_>| !secrets.is_empty())
}
