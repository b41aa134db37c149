//! Time passes only where nothing else can happen: the clock is paused.
#![allow(clippy::unwrap_used, deprecated)]
use std::pin::Pin;

use bytes::Bytes;
use compile::Upsert;
use envoy_types::pb::envoy::config::cluster::v3::{Cluster, cluster};
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint::HostIdentifier,
};
use prost::Message;
use xds::TypeUrl;

use super::*;

/// Knows a name from the second question on, and says that the answer holds for a minute.
#[derive(Default)]
struct LateNames(std::sync::atomic::AtomicU32);

impl Resolve for LateNames {
    fn resolve<'a>(
        &'a self,
        _name: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, String>> + Send + 'a>> {
        let asked = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Box::pin(async move {
            let last = u8::try_from(asked).unwrap_or(u8::MAX);
            match asked {
                0 => Err("not yet".to_owned()),
                _ => Ok(Answer {
                    addresses: vec![[192, 0, 2, last].into()],
                    ttl: Duration::from_secs(60),
                }),
            }
        })
    }
}

fn local(cluster: &Cluster) -> Update {
    Update {
        kind: TypeUrl::Cluster,
        upserts: vec![Upsert {
            name: cluster.name.as_str().into(),
            body: Bytes::from(cluster.encode_to_vec()),
        }],
        removals: Vec::new(),
    }
}

/// Runs with one cluster of its own and no services.
async fn with(cluster: &Cluster) -> watch::Receiver<Arc<Graph>> {
    let (updates, receiver) = mpsc::channel(1);
    updates.send(local(cluster)).await.unwrap();
    let nowhere = stream::unix("/nonexistent/socket".into());
    let options = Options {
        node: Node::default(),
        configuration: nowhere.clone(),
        secrets: nowhere,
        resolver: Arc::new(LateNames::default()),
        local: Some(receiver),
    };
    let (publisher, graph) = watch::channel(Arc::default());
    let core = Core::new(options.node.clone());
    tokio::spawn(Run::new(core, options, publisher).run());
    graph
}

fn hosts(graph: &Graph) -> Option<Vec<String>> {
    let cluster = graph.clusters.iter().flatten().next()?;
    let Some(endpoints) = &cluster.endpoints else {
        return Some(Vec::new());
    };
    Some(
        endpoints
            .priorities
            .iter()
            .flatten()
            .map(|h| h.address.ip().to_string())
            .collect(),
    )
}

#[tokio::test(start_paused = true)]
async fn a_cluster_waits_for_endpoints_as_long_as_its_source_says() {
    let cluster = Cluster {
        name: "a".to_owned(),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(
            cluster::DiscoveryType::Eds.into(),
        )),
        eds_cluster_config: Some(cluster::EdsClusterConfig {
            eds_config: Some(core::ConfigSource {
                config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(
                    Default::default(),
                )),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let begun = Instant::now();
    let mut graph = with(&cluster).await;
    graph
        .wait_for(|graph| hosts(graph).is_some())
        .await
        .unwrap();
    assert_eq!(begun.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_asked_for_again_when_its_time_is_over() {
    let at = core::SocketAddress {
        address: "host.example".to_owned(),
        port_specifier: Some(core::socket_address::PortSpecifier::PortValue(80)),
        ..Default::default()
    };
    let endpoint = Endpoint {
        address: Some(core::Address {
            address: Some(core::address::Address::SocketAddress(at)),
        }),
        ..Default::default()
    };
    let cluster = Cluster {
        name: "a".to_owned(),
        respect_dns_ttl: true,
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(
            cluster::DiscoveryType::StrictDns.into(),
        )),
        load_assignment: Some(ClusterLoadAssignment {
            cluster_name: "a".to_owned(),
            endpoints: vec![LocalityLbEndpoints {
                lb_endpoints: vec![LbEndpoint {
                    host_identifier: Some(HostIdentifier::Endpoint(endpoint)),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        }),
        ..Default::default()
    };
    let begun = Instant::now();
    let mut graph = with(&cluster).await;
    let mut seen = Vec::new();
    for want in [vec![], vec!["192.0.2.1"], vec!["192.0.2.2"]] {
        let want: Vec<String> = want.into_iter().map(str::to_owned).collect();
        graph
            .wait_for(|graph| hosts(graph).as_ref() == Some(&want))
            .await
            .unwrap();
        seen.push(begun.elapsed().as_secs());
    }
    assert_eq!(
        seen,
        [0, 5, 65],
        "the refresh rate after a failure, then the time to live"
    );
}
