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
use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryResponse;
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

/// The control plane has no clusters or listeners.
fn nothing(kind: TypeUrl) -> (Service, Event) {
    let response = DeltaDiscoveryResponse {
        type_url: kind.as_str().to_owned(),
        ..Default::default()
    };
    (Service::Configuration, Event::Response(Box::new(response)))
}

/// Runs with one cluster of its own; its control plane, which has nothing besides, answers for these types.
async fn with(cluster: &Cluster, answered: &[TypeUrl]) -> watch::Receiver<Arc<Graph>> {
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
    let run = Run::new(core, options, publisher);
    for kind in answered {
        run.events.0.send(nothing(*kind)).await.unwrap();
    }
    tokio::spawn(run.run());
    graph
}

fn waiting_for_endpoints() -> Cluster {
    Cluster {
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
    }
}

const BOTH: [TypeUrl; 2] = [TypeUrl::Cluster, TypeUrl::Listener];

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
    let cluster = waiting_for_endpoints();
    let begun = Instant::now();
    let mut graph = with(&cluster, &BOTH).await;
    graph
        .wait_for(|graph| hosts(graph).is_some())
        .await
        .unwrap();
    assert_eq!(begun.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_published_before_clusters_and_listeners_have_come() {
    for answered in [&BOTH[..0], &BOTH[..1]] {
        let mut graph = with(
            &Cluster {
                name: "a".to_owned(),
                ..Default::default()
            },
            answered,
        )
        .await;
        let published = tokio::time::timeout(Duration::from_secs(3600), graph.changed()).await;
        assert!(published.is_err(), "after {answered:?}");
    }
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
    let mut graph = with(&cluster, &BOTH).await;
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
