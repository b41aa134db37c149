//! The article's mesh, from the pilot's own translation to the graph.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod mesh;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use compile::{Awaited, Origin};
use envoy_types::pb::envoy::config::cluster::v3::Cluster as ProtoCluster;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use graph::Graph;
use graph::chain::{Facts, FilterChain, Network, Transport};
use graph::cluster::{Balancing, Cluster, Discovery, UpstreamProtocol, UpstreamTransport};
use graph::endpoint::Health;
use graph::listener::Listener;
use graph::manager::{HttpManager, Routes};
use graph::policy::{Abort, RetryOn};
use graph::route::{Action, HeaderTest, PathMatch, PathRewrite, RouteTable, Target};
use graph::text::TextMatch;
use graph::tls::{SanKind, Secured};
use mesh::{
    Authority, HOST, ROUTED, accepted, ready, resources, slice, snapshot, update, without_secrets,
};
use prost::Message;
use xds::TypeUrl;

fn cluster<'g>(graph: &'g Graph, name: &str) -> &'g Arc<Cluster> {
    let found = graph.clusters.iter().flatten().find(|c| &*c.name == name);
    found.unwrap_or_else(|| panic!("no cluster {name}"))
}

fn listener<'g>(graph: &'g Graph, name: &str) -> &'g Arc<Listener> {
    let found = graph.listeners.iter().find(|l| &*l.name == name);
    found.unwrap_or_else(|| panic!("no listener {name}"))
}

fn chain<'g>(
    listener: &'g Listener,
    port: u16,
    transport: Transport,
    alpn: &[&[u8]],
) -> &'g Arc<FilterChain> {
    let facts = Facts {
        destination: SocketAddr::from(([172, 17, 0, 8], port)),
        source: SocketAddr::from(([172, 17, 0, 9], 40_000)),
        transport,
        server_name: b"",
        application_protocols: alpn,
    };
    listener.chain(&facts).unwrap()
}

fn http(chain: &FilterChain) -> &Arc<HttpManager> {
    match &chain.network {
        Network::Http(manager) => manager,
        Network::Tcp(_) => panic!("{} speaks TCP", chain.name),
    }
}

fn table<'g>(graph: &'g Graph, manager: &'g HttpManager) -> &'g Arc<RouteTable> {
    match &manager.routes {
        Routes::Inline(table) => table,
        Routes::Table(id) => graph.table(*id).unwrap(),
    }
}

fn target(graph: &Graph, action: &Action) -> String {
    match action {
        Action::Forward(forward) => match &forward.target {
            Target::Cluster(id) => graph.cluster(*id).unwrap().name.to_string(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_that_the_pilot_sends_is_refused_or_passed_over() {
    let mut compiler = compile::Compiler::new();
    for kind in mesh::BACKWARDS {
        let outcome = accepted(compiler.apply(update(kind, &resources(&snapshot(), kind))));
        assert!(!outcome.accepted.is_empty());
        assert_eq!(outcome.warnings, []);
    }
}

#[test]
fn what_is_mutual_tls_waits_for_its_secrets_and_the_rest_does_not() {
    let mut compiler = without_secrets();
    let graph = compiler.graph();
    let names: Vec<&str> = graph.listeners.iter().map(|l| &*l.name).collect();
    assert!(
        names.contains(&"virtualOutbound") && !names.contains(&"virtualInbound"),
        "{names:?}"
    );
    assert!(
        graph
            .clusters
            .iter()
            .flatten()
            .all(|c| !c.name.starts_with("outbound|"))
    );
    let awaiting: Vec<_> = compiler
        .awaiting()
        .into_iter()
        .map(|a| (a.what, a.patience))
        .collect();
    assert_eq!(
        awaiting,
        [
            (Awaited::Secret("ROOTCA".into()), None),
            (Awaited::Secret("default".into()), None)
        ]
    );
    let mut compiler = ready(&Authority::new());
    assert_eq!(compiler.awaiting(), []);
    let graph = compiler.graph();
    assert!(graph.listeners.iter().any(|l| &*l.name == "virtualInbound"));
}

#[test]
fn all_that_resources_refer_to_is_named_for_subscription() {
    let references = without_secrets().references();
    let grpc: Arc<str> = format!("outbound|50051||{HOST}").into();
    assert!(references.endpoints.contains(&grpc));
    let routes: Vec<&str> = references.routes.iter().map(|r| &**r).collect();
    assert_eq!(
        routes,
        ["50051", &format!("{ROUTED}:8081"), &format!("{HOST}:8081")]
    );
    let secrets: Vec<_> = references.secrets.iter().map(|(n, o)| (&**n, *o)).collect();
    assert_eq!(
        secrets,
        [
            ("ROOTCA", Origin::SecretService),
            ("default", Origin::SecretService)
        ]
    );
}

#[test]
fn an_outbound_cluster_has_endpoints_identity_and_policy() {
    let graph = ready(&Authority::new()).graph();
    let grpc = cluster(&graph, &format!("outbound|50051||{HOST}"));
    assert_eq!(grpc.settings.discovery, Discovery::Eds);
    assert_eq!(
        grpc.settings.balancing,
        Balancing::LeastRequest { choices: 2 }
    );
    assert_eq!(grpc.settings.protocol, UpstreamProtocol::Http2);
    assert_eq!(grpc.settings.connect_timeout, Duration::from_secs(10));
    assert_eq!(grpc.settings.limits.connections, u32::MAX);
    assert_eq!(grpc.settings.limits.retries, u32::MAX);
    assert_eq!(
        grpc.settings.outlier.unwrap().panic_percent,
        0,
        "the pilot asks for no panic"
    );
    let endpoints = grpc.endpoints.as_ref().unwrap();
    let [hosts] = &endpoints.priorities[..] else {
        panic!()
    };
    let addresses: Vec<String> = hosts.iter().map(|h| h.address.to_string()).collect();
    assert_eq!(
        addresses,
        ["172.17.0.8:50051", "172.17.0.9:50051", "172.17.0.10:50051"]
    );
    let workload = hosts[0].workload.as_ref().unwrap();
    assert_eq!(
        (&*workload.namespace, &*workload.canonical_name),
        ("default", "k8s-combat-service")
    );
    let UpstreamTransport::Tls(Secured::Ready(tls)) =
        &grpc.transports[usize::from(hosts[0].transport)]
    else {
        panic!("{:?}", grpc.transports)
    };
    assert_eq!(
        tls.sni.as_deref(),
        Some(&*format!("outbound_.50051_._.{HOST}"))
    );
    assert_eq!(tls.alpn.to_vec(), [b"istio".to_vec(), b"h2".to_vec()]);
    let [name] = &tls.peers.names[..] else {
        panic!()
    };
    assert_eq!(name.kind, SanKind::Uri);
    assert!(
        name.pattern
            .matches(b"spiffe://cluster.local/ns/default/sa/default")
    );
    assert!(
        !name
            .pattern
            .matches(b"spiffe://cluster.local/ns/default/sa/other")
    );
    let http1 = cluster(&graph, &format!("outbound|8081||{HOST}"));
    assert_eq!(http1.settings.protocol, UpstreamProtocol::Downstream);
    let UpstreamTransport::Tls(Secured::Ready(other)) = &http1.transports[0] else {
        panic!()
    };
    assert!(
        Arc::ptr_eq(&tls.config, &other.config),
        "one set of settings for all clusters"
    );
    let passthrough = cluster(&graph, "PassthroughCluster");
    assert_eq!(
        passthrough.settings.discovery,
        Discovery::OriginalDestination
    );
    assert!(matches!(
        passthrough.transports[..],
        [UpstreamTransport::Raw]
    ));
    let inbound = cluster(&graph, "inbound|50051||");
    assert_eq!(inbound.settings.bind, Some([127, 0, 0, 6].into()));
}

#[test]
fn inbound_connections_find_the_chain_of_their_port_and_security() {
    let graph = ready(&Authority::new()).graph();
    let inbound = listener(&graph, "virtualInbound");
    assert!(inbound.bind && inbound.restores_destination && !inbound.use_original_dst);
    assert_eq!(inbound.addresses, [SocketAddr::from(([0, 0, 0, 0], 15006))]);
    assert!(
        inbound.http_inspector.as_ref().unwrap().contains(50051),
        "declared as gRPC"
    );
    assert!(
        !inbound.http_inspector.as_ref().unwrap().contains(8081),
        "not declared"
    );
    let mutual = chain(inbound, 50051, Transport::Tls, &[b"istio", b"h2"]);
    let Some(Secured::Ready(tls)) = &mutual.tls else {
        panic!()
    };
    assert!(tls.require_client_certificate);
    assert_eq!(
        &*tls.local_uri,
        "spiffe://cluster.local/ns/default/sa/default"
    );
    assert!(
        tls.peers.names[0]
            .pattern
            .matches(b"spiffe://cluster.local/ns/x/sa/y")
    );
    assert!(
        !tls.peers.names[0]
            .pattern
            .matches(b"spiffe://other/ns/x/sa/y")
    );
    let manager = http(mutual);
    assert_eq!(&*manager.server_name, "istio-envoy");
    let table = table(&graph, manager);
    let host = table.default.as_ref().unwrap();
    assert_eq!(target(&graph, &host.routes[0].action), "inbound|50051||");
    assert_eq!(&*host.routes[0].name, "default");
    let plain = chain(inbound, 50051, Transport::RawBuffer, &[b"h2c"]);
    assert!(plain.tls.is_none() && matches!(plain.network, Network::Http(_)));
    let unknown = chain(inbound, 9999, Transport::RawBuffer, &[]);
    let Network::Tcp(proxy) = &unknown.network else {
        panic!()
    };
    assert_eq!(
        &*graph.cluster(proxy.clusters[0].0).unwrap().name,
        "InboundPassthroughCluster"
    );
}

#[test]
fn outbound_requests_are_routed_as_the_virtual_service_says() {
    let graph = ready(&Authority::new()).graph();
    let outbound = listener(&graph, "0.0.0.0_50051");
    assert!(!outbound.bind);
    let manager = http(chain(outbound, 50051, Transport::RawBuffer, &[b"h2c"]));
    assert_eq!(manager.stream_idle_timeout, Duration::ZERO);
    assert!(manager.filters.cors && manager.filters.fault.is_some() && manager.filters.grpc_stats);
    let table = table(&graph, manager);
    assert!(table.ignore_port);
    let plain = table.exact.get(HOST.as_bytes()).unwrap();
    assert_eq!(
        target(&graph, &plain.routes[0].action),
        format!("outbound|50051||{HOST}")
    );
    let Action::Forward(forward) = &plain.routes[0].action else {
        panic!()
    };
    let retry = forward.how.retry.as_ref().unwrap();
    assert_eq!((retry.retries, retry.avoid_tried_hosts), (2, 5));
    assert!(retry.on.has(RetryOn::CONNECT_FAILURE) && !retry.on.has(RetryOn::SERVER_ERROR));
    assert_eq!(
        (forward.how.timeout, forward.how.max_grpc_timeout),
        (Duration::ZERO, Some(Duration::ZERO))
    );

    let routed = table.exact.get(ROUTED.as_bytes()).unwrap();
    let names: Vec<&str> = routed.routes.iter().map(|r| &*r.name).collect();
    assert_eq!(names, ["v1", "weighted", "default"]);
    let on = &routed.routes[0].on.headers[0];
    assert_eq!(&*on.name, b"version");
    let HeaderTest::Text(text) = &on.on else {
        panic!()
    };
    assert!(matches!(&text.pattern, TextMatch::Exact(want) if **want == *b"100"));
    assert!(
        matches!(&routed.routes[1].on.path, PathMatch::Exact(path, _) if **path == *b"/helloworld.Greeter/SayHello")
    );
    let Action::Forward(forward) = &routed.routes[1].action else {
        panic!()
    };
    assert_eq!(forward.how.timeout, Duration::from_secs(5));
    let Target::Weighted { clusters, total } = &forward.target else {
        panic!()
    };
    let shares: Vec<_> = clusters
        .iter()
        .map(|c| (graph.cluster(c.cluster).unwrap().name.to_string(), c.weight))
        .collect();
    assert_eq!(*total, 100);
    assert_eq!(shares[1], (format!("outbound|50051|v2|{ROUTED}"), 90));
    let last = &routed.routes[2];
    let fault = last.fault.as_ref().unwrap();
    assert_eq!(fault.abort, Some((Abort::Http(503), 500_000)));
    assert!(last.cors.as_ref().unwrap().allow_origins[0].matches(b"https://a.example"));
    assert_eq!(&*last.request.removed()[0], b"x-b");
    assert_eq!(&*last.request.added()[0].name, b"x-a");
    let Action::Forward(forward) = &last.action else {
        panic!()
    };
    assert!(matches!(&forward.how.path, PathRewrite::Prefix(new) if **new == *b"/new"));
    let any = table.default.as_ref().unwrap();
    assert_eq!(target(&graph, &any.routes[0].action), "PassthroughCluster");
}

#[test]
fn a_change_of_endpoints_touches_one_cluster() {
    let mut compiler = ready(&Authority::new());
    let before = compiler.graph();
    assert!(Arc::ptr_eq(&before, &compiler.graph()), "nothing changed");
    let changed = snapshot().with(&slice(
        "k8s-combat-service",
        &[
            ("172.17.0.8", true),
            ("172.17.0.9", false),
            ("172.17.0.10", true),
        ],
    ));
    let grpc = format!("outbound|50051||{HOST}");
    let one: Vec<_> = resources(&changed, TypeUrl::Endpoints)
        .into_iter()
        .filter(|r| *r.name == *grpc)
        .collect();
    accepted(compiler.apply(update(TypeUrl::Endpoints, &one)));
    let after = compiler.graph();
    let mut touched = Vec::new();
    for (a, b) in before.clusters.iter().zip(&after.clusters) {
        if let (Some(a), Some(b)) = (a, b)
            && !Arc::ptr_eq(a, b)
        {
            touched.push(b.name.to_string());
        }
    }
    assert_eq!(touched, [&*grpc]);
    let hosts =
        |graph: &Graph| cluster(graph, &grpc).endpoints.clone().unwrap().priorities[0].clone();
    let (before, after) = (hosts(&before), hosts(&after));
    let same: Vec<bool> = before
        .iter()
        .zip(&after)
        .map(|(a, b)| Arc::ptr_eq(a, b))
        .collect();
    assert_eq!(
        same,
        [true, false, true],
        "hosts that did not change are the same ones"
    );
    assert_eq!(after[1].health, Health::Unhealthy);
}

#[test]
fn a_new_certificate_renews_chains_with_tls_and_leaves_the_others() {
    let authority = Authority::new();
    let mut compiler = ready(&authority);
    let before = compiler.graph();
    for secret in authority.secrets("spiffe://cluster.local/ns/default/sa/default") {
        accepted(compiler.apply(secret));
    }
    let after = compiler.graph();
    let pairs = |name| {
        (
            listener(&before, name).clone(),
            listener(&after, name).clone(),
        )
    };
    let (a, b) = pairs("virtualOutbound");
    assert!(Arc::ptr_eq(&a, &b));
    let (a, b) = pairs("virtualInbound");
    for (a, b) in a.chains.iter().zip(&b.chains) {
        assert_eq!(Arc::ptr_eq(a, b), a.tls.is_none(), "{}", a.name);
        if let (Network::Http(a), Network::Http(b)) = (&a.network, &b.network) {
            assert!(Arc::ptr_eq(a, b));
        }
    }
}

#[test]
fn ten_thousand_clusters_are_not_touched_when_one_has_new_endpoints() {
    let mut compiler = ready(&Authority::new());
    let templates = resources(&snapshot(), TypeUrl::Cluster);
    let template = templates
        .iter()
        .find(|r| *r.name == *format!("outbound|50051||{HOST}"))
        .unwrap();
    let mut many = compile::Update {
        kind: TypeUrl::Cluster,
        upserts: Vec::new(),
        removals: Vec::new(),
    };
    for n in 0..10_000 {
        let mut cluster = ProtoCluster::decode(template.body.clone()).unwrap();
        cluster.name = format!("cluster-{n}");
        cluster.eds_cluster_config.as_mut().unwrap().service_name = cluster.name.clone();
        many.upserts
            .extend(mesh::message(TypeUrl::Cluster, &cluster.name, &cluster).upserts);
    }
    accepted(compiler.apply(many));
    let endpoints = |n: u32| ClusterLoadAssignment {
        cluster_name: format!("cluster-{n}"),
        ..Default::default()
    };
    for n in 0..10_000 {
        accepted(compiler.apply(mesh::message(
            TypeUrl::Endpoints,
            &format!("cluster-{n}"),
            &endpoints(n),
        )));
    }
    let before = compiler.graph();
    accepted(compiler.apply(mesh::message(
        TypeUrl::Endpoints,
        "cluster-77",
        &endpoints(77),
    )));
    let after = compiler.graph();
    let changed = before
        .clusters
        .iter()
        .zip(&after.clusters)
        .filter(|(a, b)| match (a, b) {
            (Some(a), Some(b)) => !Arc::ptr_eq(a, b),
            (a, b) => a.is_some() != b.is_some(),
        });
    let changed: Vec<String> = changed
        .filter_map(|(_, b)| Some(b.as_ref()?.name.to_string()))
        .collect();
    assert_eq!(changed, ["cluster-77"]);
}
