//! Services as routes and clusters see them.

use std::net::IpAddr;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::NamespacedName;
use super::protocol::Protocol;
use super::selector::Labels;

/// A service.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Service {
    pub(crate) key: NamespacedName,
    /// Full host name.
    pub(crate) host: String,
    /// Seconds since 1970, for "the oldest wins"; those without a date are the oldest.
    pub(crate) created: i64,
    /// Cluster addresses; none for a headless service.
    pub(crate) vips: Vec<IpAddr>,
    pub(crate) resolution: Resolution,
    /// Empty selects nothing.
    pub(crate) selector: Labels,
    pub(crate) ports: Vec<Port>,
    pub(crate) publish_not_ready: bool,
    /// Annotation `networking.istio.io/exportTo`; none given means the mesh default.
    pub(crate) export_to: Vec<String>,
}

/// How the addresses behind a service are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// Endpoints are picked by the client's proxy.
    ClientSide,
    /// Headless: the caller picked the endpoint by its address.
    Passthrough,
    /// `ExternalName`: another name of something else.
    Alias,
}

/// A port of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) number: u16,
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
    pub(crate) target: Target,
}

/// Where a service's port leads in the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Number(u16),
    /// Name of a container's port.
    Name(String),
}

impl Service {
    /// Ports out of range are left out: Kubernetes refuses them.
    pub(crate) fn new(object: &core::Service, domain: &str) -> Self {
        let meta = &object.metadata;
        let key = NamespacedName::new(
            meta.namespace.as_deref().unwrap_or("default"),
            meta.name.as_deref().unwrap_or_default(),
        );
        let spec = object.spec.clone().unwrap_or_default();
        let addresses = spec
            .cluster_ips
            .filter(|ips| !ips.is_empty())
            .or(spec.cluster_ip.map(|ip| vec![ip]))
            .unwrap_or_default();
        let vips: Vec<IpAddr> = addresses.iter().filter_map(|ip| ip.parse().ok()).collect();
        let resolution = if spec.type_.as_deref() == Some("ExternalName") {
            Resolution::Alias
        } else if addresses.iter().any(|ip| ip == "None") {
            Resolution::Passthrough
        } else {
            Resolution::ClientSide
        };
        let export_to = meta
            .annotations
            .as_ref()
            .and_then(|a| a.get("networking.istio.io/exportTo"))
            .map(|list| {
                list.split(',')
                    .map(|n| n.trim().to_owned())
                    .filter(|n| !n.is_empty())
                    .collect()
            })
            .unwrap_or_default();
        Self {
            host: format!("{}.{}.svc.{domain}", key.name, key.namespace),
            created: super::config::created(meta),
            key,
            vips,
            resolution,
            selector: spec.selector.unwrap_or_default(),
            ports: spec
                .ports
                .unwrap_or_default()
                .iter()
                .filter_map(port)
                .collect(),
            publish_not_ready: spec.publish_not_ready_addresses.unwrap_or_default(),
            export_to,
        }
    }

    pub(crate) fn port(&self, number: u16) -> Option<&Port> {
        self.ports.iter().find(|p| p.number == number)
    }
}

fn port(port: &core::ServicePort) -> Option<Port> {
    let number = u16::try_from(port.port).ok().filter(|n| *n > 0)?;
    let name = port.name.clone().unwrap_or_default();
    let target = match &port.target_port {
        Some(IntOrString::Int(0)) | None => Target::Number(number),
        Some(IntOrString::Int(n)) => Target::Number(u16::try_from(*n).ok()?),
        Some(IntOrString::String(text)) => match text.parse() {
            Ok(n) => Target::Number(n),
            Err(_) => Target::Name(text.clone()),
        },
    };
    let protocol = Protocol::of(
        port.app_protocol.as_deref(),
        &name,
        port.port,
        port.protocol.as_deref(),
    );
    Some(Port {
        number,
        name,
        protocol,
        target,
    })
}
