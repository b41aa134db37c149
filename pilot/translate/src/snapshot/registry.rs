//! The services of a snapshot as Istio's page `/debug/registryz` shows them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use super::Snapshot;
use crate::model::service::{Resolution, Service};

/// A service (`model.Service` of Istio).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegisteredService {
    /// Where it comes from.
    #[serde(rename = "Attributes")]
    pub attributes: Attributes,
    /// Its ports.
    pub ports: Vec<RegisteredPort>,
    /// Its full host name.
    pub hostname: String,
    /// Its cluster addresses; none for a headless service.
    pub addresses: Vec<IpAddr>,
    /// How its endpoints are chosen: `ClientSideLB`, `Passthrough` or `Alias`.
    #[serde(rename = "Resolution")]
    pub resolution: &'static str,
    /// How many endpoints it has.
    pub endpoints: usize,
}

/// What a service is in Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Attributes {
    /// Always `Kubernetes`.
    pub service_registry: &'static str,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The labels of its pods.
    pub label_selectors: BTreeMap<String, String>,
    /// The namespaces that see it; none given means the mesh's default.
    pub export_to: Vec<String>,
}

/// A port of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegisteredPort {
    /// Its name.
    pub name: String,
    /// Its number.
    pub port: u16,
    /// What it speaks, as far as was told.
    pub protocol: String,
}

impl Snapshot {
    /// All services, by namespace and name.
    pub fn registry(&self) -> Vec<RegisteredService> {
        let mut services: Vec<_> = self.services.iter().map(|(_, service)| service).collect();
        services.sort_by(|a, b| a.key.cmp(&b.key));
        services
            .into_iter()
            .map(|service| {
                registered(
                    service,
                    self.endpoints.get(&service.key).map_or(0, |e| e.all.len()),
                )
            })
            .collect()
    }
}

fn registered(service: &Service, endpoints: usize) -> RegisteredService {
    RegisteredService {
        attributes: Attributes {
            service_registry: "Kubernetes",
            name: service.key.name.to_string(),
            namespace: service.key.namespace.to_string(),
            label_selectors: service.selector.clone(),
            export_to: service.export_to.clone(),
        },
        ports: service
            .ports
            .iter()
            .map(|port| RegisteredPort {
                name: port.name.clone(),
                port: port.number,
                protocol: port.protocol.to_string(),
            })
            .collect(),
        hostname: service.host.clone(),
        addresses: service.vips.clone(),
        resolution: match service.resolution {
            Resolution::ClientSide => "ClientSideLB",
            Resolution::Passthrough => "Passthrough",
            Resolution::Alias => "Alias",
        },
        endpoints,
    }
}
