//! All endpoints as Istio's debug page shows them (`/debug/endpointShardz`).

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Snapshot;
use crate::model::endpoints::{Endpoint, Health};
use crate::model::service::Service;

/// Endpoints by host, by namespace.
pub type EndpointShards = BTreeMap<String, BTreeMap<String, Shards>>;

/// The endpoints of a service, by where they are known from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Shards {
    /// By registry and cluster: `Kubernetes/CLUSTER`.
    pub shards: BTreeMap<String, Vec<ShardEndpoint>>,
    /// Identities of all of them.
    pub service_accounts: BTreeSet<String>,
}

/// One port of one endpoint; the fields are Istio's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ShardEndpoint {
    /// Labels of its pod.
    pub labels: BTreeMap<String, String>,
    /// Its address.
    pub addresses: Vec<String>,
    /// Name of the service's port.
    pub service_port_name: String,
    /// The identity of its pod.
    pub service_account: String,
    /// Where it is.
    pub locality: ShardLocality,
    /// Its port.
    pub endpoint_port: u16,
    /// `istio` where it takes mutual TLS, else `disabled`.
    #[serde(rename = "TLSMode")]
    pub tls_mode: &'static str,
    /// Namespace of its pod.
    pub namespace: String,
    /// What made its pod.
    pub workload_name: String,
    /// 1: healthy, 2: not, 4: ending.
    pub health_status: u8,
    /// Its node.
    pub node_name: String,
}

/// A place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShardLocality {
    /// `REGION/ZONE/SUBZONE`, as far as it is known.
    #[serde(rename = "Label")]
    pub label: String,
    /// The cluster.
    #[serde(rename = "ClusterID")]
    pub cluster: String,
}

impl Snapshot {
    /// The endpoints of all services.
    pub fn endpoint_shards(&self) -> EndpointShards {
        let trust_domain = &self.mesh.trust_domain;
        let cluster = &self.settings.cluster;
        let mut all = EndpointShards::new();
        for (_, service) in self.services.iter() {
            let endpoints = self.endpoints.get(&service.key);
            let endpoints: Vec<ShardEndpoint> = endpoints
                .into_iter()
                .flat_map(|known| &known.all)
                .flat_map(|endpoint| ports(service, endpoint, trust_domain, cluster))
                .collect();
            if endpoints.is_empty() {
                continue;
            }
            let accounts = endpoints.iter().map(|one| one.service_account.clone());
            let shards = Shards {
                service_accounts: accounts.filter(|one| !one.is_empty()).collect(),
                shards: BTreeMap::from([(format!("Kubernetes/{cluster}"), endpoints)]),
            };
            all.entry(service.host.to_string())
                .or_default()
                .insert(service.key.namespace.to_string(), shards);
        }
        all
    }
}

/// An endpoint for each of the service's ports that it has.
fn ports(
    service: &Service,
    endpoint: &Endpoint,
    trust_domain: &str,
    cluster: &str,
) -> Vec<ShardEndpoint> {
    let pod = endpoint.workload.as_deref();
    let account = pod.map(|pod| {
        let (namespace, account) = (&pod.key.namespace, &pod.service_account);
        format!("spiffe://{trust_domain}/ns/{namespace}/sa/{account}")
    });
    let place = &endpoint.locality;
    let places = [&place.region, &place.zone, &place.subzone];
    let known: Vec<&str> = places
        .into_iter()
        .map(String::as_str)
        .take_while(|part| !part.is_empty())
        .collect();
    let one = |name: &str, number: u16| ShardEndpoint {
        labels: pod.map(|pod| pod.labels.clone()).unwrap_or_default(),
        addresses: vec![endpoint.address.to_string()],
        service_port_name: name.to_owned(),
        service_account: account.clone().unwrap_or_default(),
        locality: ShardLocality {
            label: known.join("/"),
            cluster: cluster.to_owned(),
        },
        endpoint_port: number,
        tls_mode: match pod.is_some_and(|pod| pod.takes_mutual_tls()) {
            true => "istio",
            false => "disabled",
        },
        namespace: pod.map_or_else(String::new, |pod| pod.key.namespace.to_string()),
        workload_name: pod.map_or_else(String::new, |pod| pod.owner.clone()),
        health_status: match endpoint.health {
            Health::Ready => 1,
            Health::NotReady => 2,
            Health::Draining => 4,
        },
        node_name: pod.map_or_else(String::new, |pod| pod.node.clone()),
    };
    let ports = service.ports.iter();
    ports
        .filter_map(|port| Some(one(&port.name, *endpoint.ports.get(&port.name)?)))
        .collect()
}
