//! Clusters, endpoints and listeners of the article's demo.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use crate::world;

use crate::world::{
    HOST, demo, named, node, objects, one, pod, routed, sidecar, slice, text, wildcard,
};
use envoy_types::pb::envoy::config::accesslog::v3::access_log;
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::core::v3::{
    DataSource, HealthStatus, data_source, substitution_format_string, transport_socket,
};
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::config::listener::v3::{FilterChain, Listener, filter};
use envoy_types::pb::envoy::extensions::access_loggers::file::v3::{
    FileAccessLog, file_access_log,
};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, http_connection_manager,
};
use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::{
    TcpProxy, tcp_proxy::ClusterSpecifier,
};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    UpstreamTlsContext, common_tls_context::ValidationContextType,
};
use prost::Message;
use resources::mesh_config::MeshConfig;
use translate::{Change, Snapshot, Translator, check};
use xds::TypeUrl;

fn names(snapshot: &Snapshot, kind: TypeUrl) -> Vec<String> {
    wildcard(&Translator::new(), snapshot, &sidecar(8), kind)
        .iter()
        .map(|r| r.name.to_string())
        .collect()
}

fn inbound(snapshot: &Snapshot) -> Listener {
    one(snapshot, &sidecar(8), TypeUrl::Listener, "virtualInbound").unwrap()
}

fn chains(listener: &Listener, port: u16) -> Vec<&FilterChain> {
    let on = |c: &&FilterChain| {
        c.filter_chain_match
            .as_ref()
            .and_then(|m| m.destination_port)
            .is_some_and(|p| p.value == u32::from(port))
    };
    listener.filter_chains.iter().filter(on).collect()
}

fn http(chain: &FilterChain) -> Option<HttpConnectionManager> {
    let Some(filter::ConfigType::TypedConfig(any)) = &chain.filters[0].config_type else {
        panic!()
    };
    any.type_url
        .ends_with("HttpConnectionManager")
        .then(|| HttpConnectionManager::decode(any.value.as_slice()).unwrap())
}

fn tcp(chain: &FilterChain) -> String {
    let Some(filter::ConfigType::TypedConfig(any)) = &chain.filters[0].config_type else {
        panic!()
    };
    match TcpProxy::decode(any.value.as_slice())
        .unwrap()
        .cluster_specifier
        .unwrap()
    {
        ClusterSpecifier::Cluster(name) => name,
        other => panic!("{other:?}"),
    }
}

fn transports(chains: &[&FilterChain]) -> Vec<(String, bool)> {
    let transport = |c: &&FilterChain| {
        c.filter_chain_match
            .as_ref()
            .unwrap()
            .transport_protocol
            .clone()
    };
    chains
        .iter()
        .map(|c| (transport(c), c.transport_socket.is_some()))
        .collect()
}

fn peer_authentication(spec: &str) -> Vec<Change> {
    objects(&format!(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: p, namespace: default}}\nspec: {spec}\n"
    ))
}

#[test]
fn the_articles_sidecar_has_the_names_of_the_articles_log() {
    let clusters = names(&demo(), TypeUrl::Cluster);
    let want = [
        format!("outbound|8081||{HOST}"),
        format!("outbound|50051||{HOST}"),
        "BlackHoleCluster".to_owned(),
        "PassthroughCluster".to_owned(),
        "InboundPassthroughCluster".to_owned(),
        "inbound|8081||".to_owned(),
        "inbound|50051||".to_owned(),
    ];
    assert_eq!(clusters, want);
    let listeners = names(&demo(), TypeUrl::Listener);
    assert_eq!(
        listeners,
        [
            "10.101.204.13_8081",
            "0.0.0.0_50051",
            "virtualOutbound",
            "virtualInbound"
        ]
    );
}

#[test]
fn towards_mesh_endpoints_the_server_name_and_the_identity_are_istios() {
    let cluster: Cluster = one(
        &demo(),
        &sidecar(8),
        TypeUrl::Cluster,
        &format!("outbound|50051||{HOST}"),
    )
    .unwrap();
    let matches: Vec<_> = cluster
        .transport_socket_matches
        .iter()
        .map(|m| m.name.as_str())
        .collect();
    assert_eq!(matches, ["tlsMode-istio", "tlsMode-disabled"]);
    let Some(transport_socket::ConfigType::TypedConfig(any)) = &cluster.transport_socket_matches[0]
        .transport_socket
        .as_ref()
        .unwrap()
        .config_type
    else {
        panic!()
    };
    let context = UpstreamTlsContext::decode(any.value.as_slice()).unwrap();
    assert_eq!(
        context.sni,
        "outbound_.50051_._.k8s-combat-service.default.svc.cluster.local"
    );
    let common = context.common_tls_context.unwrap();
    assert_eq!(common.alpn_protocols, ["istio", "h2"]);
    assert_eq!(common.tls_certificate_sds_secret_configs[0].name, "default");
    let Some(ValidationContextType::CombinedValidationContext(combined)) =
        common.validation_context_type
    else {
        panic!()
    };
    assert_eq!(
        combined.validation_context_sds_secret_config.unwrap().name,
        "ROOTCA"
    );
    let names = combined
        .default_validation_context
        .unwrap()
        .match_typed_subject_alt_names;
    assert!(format!("{names:?}").contains("spiffe://cluster.local/ns/default/sa/default"));
}

#[test]
fn endpoints_carry_health_by_readiness_and_mutual_tls_by_label() {
    let mut snapshot = demo().with(&objects(&slice(
        "k8s-combat-service",
        &[
            ("172.17.0.8", true),
            ("172.17.0.9", false),
            ("172.17.0.10", true),
        ],
    )));
    snapshot = snapshot.with(&objects(&pod(
        "k8s-combat-service-10",
        "172.17.0.10",
        r#"{"app": "k8s-combat-service"}"#,
    )));
    let assignment: ClusterLoadAssignment = one(
        &snapshot,
        &sidecar(8),
        TypeUrl::Endpoints,
        &format!("outbound|50051||{HOST}"),
    )
    .unwrap();
    let endpoints = &assignment.endpoints[0].lb_endpoints;
    let health: Vec<_> = endpoints.iter().map(|e| e.health_status()).collect();
    assert_eq!(
        health,
        [
            HealthStatus::Healthy,
            HealthStatus::Unhealthy,
            HealthStatus::Healthy
        ]
    );
    let mutual: Vec<_> = endpoints
        .iter()
        .map(|e| {
            e.metadata
                .as_ref()
                .unwrap()
                .filter_metadata
                .contains_key("envoy.transport_socket_match")
        })
        .collect();
    assert_eq!(mutual, [true, true, false]);
    let workload =
        &endpoints[0].metadata.as_ref().unwrap().filter_metadata["istio"].fields["workload"];
    assert_eq!(
        *workload,
        text("k8s-combat-service-8;default;k8s-combat-service;latest;Kubernetes")
    );
}

#[test]
fn a_subset_has_the_endpoints_with_its_labels() {
    let name = format!("outbound|50051|v2|{}", world::MESH_HOST);
    let assignment: ClusterLoadAssignment =
        one(&routed(), &sidecar(8), TypeUrl::Endpoints, &name).unwrap();
    let found = format!("{assignment:?}");
    assert!(
        found.contains("172.17.1.2") && !found.contains("172.17.1.1"),
        "{found}"
    );
}

#[test]
fn permissive_takes_mutual_tls_and_plaintext() {
    let listener = inbound(&demo());
    let grpc = chains(&listener, 50051);
    assert_eq!(
        transports(&grpc),
        [("tls".to_owned(), true), ("raw_buffer".to_owned(), false)]
    );
    assert_eq!(
        chains(&listener, 8081).len(),
        5,
        "a port of undeclared protocol is found out"
    );
    assert_eq!(grpc[0].name, "0.0.0.0_50051");
    let manager = http(grpc[0]).unwrap();
    let Some(http_connection_manager::RouteSpecifier::RouteConfig(routes)) =
        manager.route_specifier
    else {
        panic!()
    };
    let route = &routes.virtual_hosts[0].routes[0];
    assert_eq!(route.name, "default");
    assert!(format!("{route:?}").contains("inbound|50051||"));
    let filters: Vec<_> = manager
        .http_filters
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    assert_eq!(
        filters,
        [
            "envoy.filters.http.grpc_stats",
            "envoy.filters.http.fault",
            "envoy.filters.http.cors",
            "envoy.filters.http.router"
        ]
    );
}

#[test]
fn strict_has_no_plaintext_chain() {
    let listener = inbound(&demo().with(&peer_authentication("{mtls: {mode: STRICT}}")));
    for port in [8081, 50051] {
        let chains = chains(&listener, port);
        assert!(!chains.is_empty());
        assert!(
            transports(&chains)
                .iter()
                .all(|(transport, secured)| transport == "tls" && *secured),
            "{port}"
        );
    }
    let undeclared: Vec<_> = listener
        .filter_chains
        .iter()
        .filter(|c| {
            c.filter_chain_match
                .as_ref()
                .is_some_and(|m| m.destination_port.is_none())
        })
        .collect();
    assert!(transports(&undeclared).iter().all(|(_, secured)| *secured));
}

#[test]
fn a_workloads_mode_wins_over_the_namespaces_and_a_ports_over_both() {
    let own = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: own, namespace: default}\nspec:\n  selector: {matchLabels: {app: k8s-combat-service}}\n  mtls: {mode: PERMISSIVE}\n  portLevelMtls: {'8081': {mode: DISABLE}, '9999': {mode: STRICT}}\n";
    let root = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: mesh, namespace: istio-system}\nspec: {mtls: {mode: STRICT}}\n";
    let snapshot = demo().with(&objects(root));
    assert_eq!(
        transports(&chains(&inbound(&snapshot), 50051)),
        [("tls".to_owned(), true)]
    );
    let listener = inbound(&snapshot.with(&objects(own)));
    assert_eq!(transports(&chains(&listener, 50051)).len(), 2);
    assert!(
        chains(&listener, 8081)
            .iter()
            .all(|c| c.transport_socket.is_none())
    );
    assert!(
        !chains(&listener, 9999).is_empty()
            && chains(&listener, 9999)
                .iter()
                .all(|c| c.transport_socket.is_some())
    );
}

#[test]
fn callers_speak_plaintext_to_a_port_that_takes_nothing_else() {
    let snapshot = demo().with(&peer_authentication("{mtls: {mode: DISABLE}}"));
    let assignment: ClusterLoadAssignment = one(
        &snapshot,
        &sidecar(8),
        TypeUrl::Endpoints,
        &format!("outbound|50051||{HOST}"),
    )
    .unwrap();
    assert!(!format!("{assignment:?}").contains("transport_socket_match"));
}

#[test]
fn traffic_to_unknown_addresses_passes_through_and_to_the_port_itself_is_dropped() {
    let listener: Listener =
        one(&demo(), &sidecar(8), TypeUrl::Listener, "virtualOutbound").unwrap();
    assert!(listener.use_original_dst.unwrap().value);
    let seen: Vec<_> = listener
        .filter_chains
        .iter()
        .map(|c| (c.name.as_str(), tcp(c)))
        .collect();
    assert_eq!(
        seen,
        [
            ("virtualOutbound-blackhole", "BlackHoleCluster".to_owned()),
            (
                "virtualOutbound-catchall-tcp",
                "PassthroughCluster".to_owned()
            ),
        ]
    );
}

#[test]
fn the_access_log_has_istios_text_format_on_requests_and_only_unrouted_connections_on_listeners() {
    let listener: Listener = one(&demo(), &sidecar(8), TypeUrl::Listener, "0.0.0.0_50051").unwrap();
    assert!(format!("{:?}", listener.access_log[0].filter).contains("NR"));
    let manager = http(&listener.filter_chains[0]).unwrap();
    let Some(access_log::ConfigType::TypedConfig(any)) = &manager.access_log[0].config_type else {
        panic!()
    };
    let log = FileAccessLog::decode(any.value.as_slice()).unwrap();
    assert_eq!(log.path, "/dev/stdout");
    let Some(file_access_log::AccessLogFormat::LogFormat(format)) = log.access_log_format else {
        panic!()
    };
    let Some(substitution_format_string::Format::TextFormatSource(DataSource {
        specifier: Some(data_source::Specifier::InlineString(line)),
        ..
    })) = format.format
    else {
        panic!()
    };
    assert_eq!(
        line,
        "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"
    );
}

#[test]
fn without_a_log_file_nothing_is_logged_and_json_has_the_same_bytes_every_time() {
    let plain = demo().with(&[Change::Mesh(Box::default())]);
    let listener: Listener = one(&plain, &sidecar(8), TypeUrl::Listener, "0.0.0.0_50051").unwrap();
    assert!(listener.access_log.is_empty());
    let (json, _) = MeshConfig::from_yaml(
        "accessLogFile: /dev/stdout\naccessLogEncoding: JSON\n",
        "mesh",
    )
    .unwrap();
    let snapshot = demo().with(&[Change::Mesh(Box::new(json))]);
    let bytes = || {
        named(
            &Translator::new(),
            &snapshot,
            &sidecar(8),
            TypeUrl::Listener,
            &["0.0.0.0_50051"],
        )[0]
        .body
        .clone()
    };
    let first = bytes();
    for _ in 0..5 {
        assert_eq!(bytes(), first);
    }
}

#[test]
fn istios_own_filters_go_to_nodes_that_say_they_have_them_alone() {
    let id = "sidecar~172.17.0.8~k8s-combat-service-8.default~default.svc.cluster.local";
    let with = translate::Proxy::from_node(&node(
        id,
        &[("LATEEN_EXTENSIONS", world::list(&["istio.alpn"]))],
    ))
    .unwrap();
    let has = |proxy: &translate::Proxy| {
        let listener: Listener = one(&demo(), proxy, TypeUrl::Listener, "0.0.0.0_50051").unwrap();
        http(&listener.filter_chains[0])
            .unwrap()
            .http_filters
            .iter()
            .any(|f| f.name == "istio.alpn")
    };
    assert!(has(&with));
    assert!(!has(&sidecar(8)));
}

#[test]
fn a_destination_rule_sets_limits_balancing_and_tls() {
    let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: r}\nspec:\n  host: k8s-combat-service\n  trafficPolicy:\n    loadBalancer: {simple: ROUND_ROBIN}\n    connectionPool: {tcp: {maxConnections: 7, connectTimeout: 3s}, http: {http2MaxRequests: 9}}\n    outlierDetection: {consecutive5xxErrors: 4, baseEjectionTime: 30s}\n    tls: {mode: DISABLE}\n    portLevelSettings:\n    - port: {number: 8081}\n      loadBalancer: {simple: RANDOM}\n";
    let snapshot = demo().with(&objects(rule));
    assert_eq!(check(&snapshot), []);
    let grpc: Cluster = one(
        &snapshot,
        &sidecar(8),
        TypeUrl::Cluster,
        &format!("outbound|50051||{HOST}"),
    )
    .unwrap();
    assert_eq!(grpc.lb_policy().as_str_name(), "ROUND_ROBIN");
    let limits = &grpc.circuit_breakers.as_ref().unwrap().thresholds[0];
    assert_eq!(
        (
            limits.max_connections.unwrap().value,
            limits.max_requests.unwrap().value
        ),
        (7, 9)
    );
    assert_eq!(grpc.connect_timeout.unwrap().seconds, 3);
    assert_eq!(
        grpc.outlier_detection
            .as_ref()
            .unwrap()
            .consecutive_5xx
            .unwrap()
            .value,
        4
    );
    assert!(grpc.transport_socket_matches.is_empty() && grpc.transport_socket.is_none());
    let app: Cluster = one(
        &snapshot,
        &sidecar(8),
        TypeUrl::Cluster,
        &format!("outbound|8081||{HOST}"),
    )
    .unwrap();
    assert_eq!(app.lb_policy().as_str_name(), "RANDOM");
    assert_eq!(
        app.connect_timeout.unwrap().seconds,
        10,
        "a port's settings replace all blocks"
    );
}
