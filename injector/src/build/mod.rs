//! What injection adds to a pod: templates built in, from typed values, and those of the installation's own.

mod environment;
mod gateway;
mod grpc_agent;
mod grpc_simple;
pub(crate) mod image;
mod init_container;
mod labels;
mod proxy_container;
mod resources;
mod sidecar;
mod volumes;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodSpec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::annotations::{self, Annotations};
use crate::context::PodContext;
use crate::error::InjectError;
use crate::mesh::{Interception, ProxyConfig};
use crate::pod::{self, Containers, PROXY};
use crate::settings::Settings;
use crate::template;

/// The user and group of the proxy where the pod sets none.
const PROXY_ID: i64 = 1337;

/// Everything that the templates may look at.
pub(crate) struct Input<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) context: &'a PodContext,
    /// The pod without what an earlier injection added.
    pub(crate) pod: &'a Value,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: Annotations,
    pub(crate) proxy_config: ProxyConfig,
}

/// The part of a pod that a template adds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Overlay {
    pub(crate) metadata: OverlayMetadata,
    pub(crate) spec: PodSpec,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct OverlayMetadata {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Overlay {
    pub(crate) fn has_init_container(&self, name: &str) -> bool {
        let containers = self.spec.init_containers.as_ref();
        containers.into_iter().flatten().any(|c| c.name == name)
    }
}

/// A template by its name in `inject.istio.io/templates`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Template<'s> {
    /// A proxy beside the application.
    Sidecar,
    /// A proxy that is the application.
    Gateway,
    /// An agent beside an application that speaks xDS itself, by gRPC's library.
    GrpcAgent,
    /// Such an application without an agent: it asks the control plane itself, without certificates.
    GrpcSimple,
    /// One of the installation's own.
    Own {
        /// Its name.
        name: &'s str,
        /// The Go text/template.
        text: &'s str,
    },
}

impl<'s> Template<'s> {
    const BUILT_IN: [(&'static str, Self); 4] = [
        ("sidecar", Self::Sidecar),
        ("gateway", Self::Gateway),
        ("grpc-agent", Self::GrpcAgent),
        ("grpc-simple", Self::GrpcSimple),
    ];

    /// One's own template wins over the built-in one of its name.
    ///
    /// # Errors
    /// [`InjectError::UnknownTemplate`].
    pub(crate) fn named(name: &str, settings: &'s Settings) -> Result<Self, InjectError> {
        let own = &settings.values.sidecar_injector_webhook.templates;
        if let Some((name, text)) = own.get_key_value(name) {
            return Ok(Self::Own { name, text });
        }
        let built_in = Self::BUILT_IN.into_iter().find(|(known, _)| *known == name);
        built_in.map(|(_, template)| template).ok_or_else(|| {
            let known = Self::BUILT_IN
                .into_iter()
                .map(|(known, _)| known.to_owned());
            InjectError::UnknownTemplate {
                name: name.to_owned(),
                known: known.chain(own.keys().cloned()).collect(),
            }
        })
    }

    /// What it adds, typed, and as it is laid over the pod: of one's own template with fields that the types lack.
    ///
    /// # Errors
    /// [`InjectError::Template`].
    pub(crate) fn build(self, input: &Input<'_>) -> Result<(Overlay, Value), InjectError> {
        let overlay = match self {
            Self::Sidecar => sidecar::build(input),
            Self::Gateway => gateway::build(input),
            Self::GrpcAgent => grpc_agent::build(input),
            Self::GrpcSimple => grpc_simple::build(input),
            Self::Own { name, text } => return own(name, text, input),
        };
        let patch = serde_json::to_value(&overlay).map_err(|_| InjectError::Malformed {
            path: "the injection template".to_owned(),
            expected: "representable as JSON",
        })?;
        Ok((overlay, patch))
    }
}

fn own(name: &str, text: &str, input: &Input<'_>) -> Result<(Overlay, Value), InjectError> {
    let failed = |problem| InjectError::Template {
        name: name.to_owned(),
        problem,
    };
    let patch = template::render(name, text, input).map_err(failed)?;
    // The first names fields, the second knows every type.
    pod::check(&patch).map_err(|error| failed(error.to_string()))?;
    let overlay = Overlay::deserialize(&patch)
        .map_err(|error| failed(format!("gives no part of a pod: {error}")))?;
    Ok((overlay, patch))
}

impl Input<'_> {
    /// An annotation, or the value that stands for all pods.
    pub(crate) fn annotation_or<'b>(&'b self, name: &str, value: &'b str) -> &'b str {
        self.annotations.get(name).unwrap_or(value)
    }

    pub(crate) fn interception(&self) -> Interception {
        self.annotations
            .get(annotations::INTERCEPTION_MODE)
            .and_then(Interception::parse)
            .unwrap_or_else(|| self.proxy_config.interception())
    }

    /// Whether the proxy is an init container that keeps running.
    pub(crate) fn native_sidecar(&self) -> bool {
        self.annotations
            .bool(annotations::NATIVE_SIDECAR)
            .unwrap_or_else(|| self.settings.native_sidecars())
    }

    /// Whether the application waits for the proxy. Native sidecars start first by themselves.
    pub(crate) fn hold_application(&self) -> bool {
        let proxy = &self.settings.values.global.proxy;
        !self.native_sidecar()
            && (self.proxy_config.hold_application() || proxy.hold_application_until_proxy_starts)
    }

    /// The agent's port as the pod or the values set it; `0` for no health checks.
    pub(crate) fn status_port(&self) -> &str {
        let value = &self.settings.values.global.proxy.status_port;
        self.annotation_or(annotations::STATUS_PORT, value).trim()
    }

    /// Network of the pod: its own label, the webhook's path, the values.
    pub(crate) fn network(&self) -> Option<&str> {
        let label = self.labels.get("topology.istio.io/network");
        let named = label.or(self.context.network.as_ref());
        let network = named.unwrap_or(&self.settings.values.global.network);
        Some(network.as_str()).filter(|n| !n.is_empty())
    }

    pub(crate) fn cluster(&self) -> &str {
        let name = &self.settings.values.global.multi_cluster.cluster_name;
        match (&self.context.cluster, name.as_str()) {
            (Some(cluster), _) => cluster,
            (None, "") => "Kubernetes",
            (None, name) => name,
        }
    }

    /// Names of the application's containers.
    pub(crate) fn app_containers(&self) -> Vec<&str> {
        pod::containers(self.pod, Containers::App)
            .iter()
            .filter_map(pod::name_of)
            .filter(|name| *name != PROXY)
            .collect()
    }

    /// The user and group that the proxy runs as, which the redirect rules let pass: the pod's
    /// own choice for its `istio-proxy`, or 1337.
    pub(crate) fn proxy_ids(&self) -> (i64, i64) {
        let id = |key: &str| {
            Containers::BOTH
                .into_iter()
                .find_map(|list| pod::container(self.pod, list, PROXY))
                .and_then(|c| c.get("securityContext")?.get(key)?.as_i64())
                .unwrap_or(PROXY_ID)
        };
        (id("runAsUser"), id("runAsGroup"))
    }
}
