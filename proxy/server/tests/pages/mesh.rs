//! A pilot, an agent's secret service, the agent's bootstrap and a workload: what a data plane needs to start.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent::bootstrap::{Bootstrap, Ports};
use agent::certificate::Issued;
use agent::certificate::state::State as Certificate;
use agent::environment::Environment;
use agent::node::{Kind, Node};
use agent::proxy_config::ProxyConfig;
use clap::Parser;
use identity::cert::Validity;
use identity::csr::KeyPem;
use pilot::args::{Cli, Command};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

const GREETER: &str = include_str!("greeter.yaml");
/// The greeter's gRPC port as a cluster.
pub(crate) const GRPC: &str = "outbound|50051||k8s-combat-service.default.svc.cluster.local";
/// How long anything may take that others do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The surroundings of a sidecar of the greeter.
pub(crate) struct Mesh {
    pub(crate) directory: tempfile::TempDir,
    shutdown: CancellationToken,
    _end: DropGuard,
    issuer: watch::Sender<Certificate>,
    /// The port of the pilot's pages.
    pub(crate) pilot: u16,
}

/// A data plane's ports and bootstrap file.
pub(crate) struct Place {
    pub(crate) ports: Ports,
    pub(crate) bootstrap: PathBuf,
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Mesh {
    pub(crate) fn start() -> Self {
        let mesh = Self::without_certificate();
        mesh.issue();
        mesh
    }

    /// The authority answers.
    pub(crate) fn issue(&self) {
        self.issuer.send_replace(certificate());
    }

    /// One whose authority does not answer yet.
    pub(crate) fn without_certificate() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let shutdown = CancellationToken::new();
        std::fs::write(directory.path().join("mesh.yaml"), GREETER).unwrap();
        let pilot = free_port();
        let pages = free_port();
        let [grpc, http, monitoring] =
            [pilot, pages, free_port()].map(|port| format!("127.0.0.1:{port}"));
        let cli = Cli::parse_from([
            "pilot",
            "discovery",
            "--configDir",
            directory.path().to_str().unwrap(),
            "--meshConfig",
            directory.path().join("none").to_str().unwrap(),
            "--grpcAddr",
            &grpc,
            "--secureGRPCAddr",
            "",
            "--monitoringAddr",
            &monitoring,
            "--httpAddr",
            &http,
            "--debounceAfter",
            "20ms",
        ]);
        let Command::Discovery(args) = cli.command else {
            panic!("not discovery");
        };
        tokio::spawn(pilot::discovery::run(*args, None, shutdown.clone()));
        let (issuer, state) = watch::channel(Certificate::Waiting { problem: None });
        let secrets = agent::sds::server::bind(&directory.path().join("secrets")).unwrap();
        tokio::spawn(agent::sds::server::serve(secrets, state, shutdown.clone()));
        let socket = UnixListener::bind(directory.path().join("xds")).unwrap();
        tokio::spawn(bridge(socket, pilot));
        Mesh {
            directory,
            _end: shutdown.clone().drop_guard(),
            shutdown,
            issuer,
            pilot: pages,
        }
    }

    /// Ports and a bootstrap for one more data plane, and the workload's agent that answers for its readiness.
    pub(crate) async fn place(&self, name: &str) -> Place {
        let status = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ports = Ports {
            admin: free_port(),
            status: status.local_addr().unwrap().port(),
            readiness: free_port(),
            prometheus: free_port(),
        };
        tokio::spawn(answer_all(status));
        let mut environment = Environment::default();
        for (key, value) in [
            ("POD_NAME", "k8s-combat-service-a"),
            ("POD_NAMESPACE", "default"),
            ("INSTANCE_IP", "127.0.0.11"),
        ] {
            environment.variables.insert(key.into(), value.into());
        }
        let node = Node::of(
            Kind::Sidecar,
            &environment,
            None,
            None,
            &serde_json::Map::new(),
        )
        .unwrap();
        let bootstrap = Bootstrap {
            node: &node,
            config: &ProxyConfig::default(),
            ports,
            listen: "127.0.0.1".parse().unwrap(),
            sds_socket: &self.directory.path().join("secrets"),
            xds_socket: &self.directory.path().join("xds"),
            outlier_log: None,
        };
        let file = self.directory.path().join(name);
        std::fs::write(&file, bootstrap.to_json().to_string()).unwrap();
        Place {
            ports,
            bootstrap: file,
        }
    }

    /// Runs our data plane with Envoy's arguments.
    pub(crate) fn run(&self, place: &Place) {
        let arguments = server::Arguments::parse_from([
            "envoy",
            "-c",
            place.bootstrap.to_str().unwrap(),
            "--concurrency",
            "2",
        ]);
        let shutdown = self.shutdown.clone();
        tokio::spawn(async move { server::run(&arguments, shutdown).await.unwrap() });
    }
}

/// Carries bytes between a Unix socket and the pilot.
async fn bridge(socket: UnixListener, pilot: u16) {
    while let Ok((mut from, _)) = socket.accept().await {
        tokio::spawn(async move {
            if let Ok(mut to) = TcpStream::connect(("127.0.0.1", pilot)).await {
                // Either end may go at any time.
                let _ = copy_bidirectional(&mut from, &mut to).await;
            }
        });
    }
}

/// Answers every request on every connection with 200.
async fn answer_all(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                if stream.write_all(answer).await.is_err() {
                    return;
                }
            }
        });
    }
}

fn certificate() -> Certificate {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::default();
    let identity = "spiffe://cluster.local/ns/default/sa/default";
    params.subject_alt_names = vec![SanType::URI(identity.try_into().unwrap())];
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &authority).unwrap();
    Certificate::Fresh(Arc::new(Issued {
        chain: leaf.pem(),
        key: KeyPem::new(key.serialize_pem()),
        roots: authority.pem(),
        validity: Validity::of(leaf.der()).unwrap(),
        fingerprint: identity::cert::fingerprint(leaf.der()),
    }))
}

/// Status, head and body of an answer; nothing where nobody answers.
pub(crate) async fn ask(port: u16, method: &str, path: &str) -> Option<(u16, String, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok()?;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let head = head.to_ascii_lowercase();
    let body = match head.contains("transfer-encoding: chunked") {
        true => whole(body),
        false => body.to_owned(),
    };
    Some((status, head, body))
}

/// Chunks as one.
fn whole(mut chunks: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole.push_str(&rest[..size]);
        chunks = &rest[size + 2..];
    }
    whole
}

/// The JSON of a page.
pub(crate) async fn json(port: u16, path: &str) -> Option<Value> {
    let (status, _, body) = ask(port, "GET", path).await?;
    (status == 200).then(|| serde_json::from_str(&body).expect(&body))
}

/// Asks again until the dump is as wanted.
pub(crate) async fn dump(port: u16, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut last = None;
    while tokio::time::Instant::now() < deadline {
        if let Some(dump) = json(port, "/config_dump?include_eds").await {
            if wanted(&dump) {
                return dump;
            }
            last = Some(dump);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the configuration does not come: {last:#?}");
}

/// One list of a dump.
pub(crate) fn of_kind<'a>(
    dump: &'a Value,
    kind: &'a str,
    list: &'a str,
) -> impl Iterator<Item = &'a Value> {
    dump["configs"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(move |c| c["@type"].as_str().is_some_and(|t| t.ends_with(kind)))
        .flat_map(move |c| c[list].as_array().into_iter().flatten())
}

/// Whether listeners, clusters, endpoints and secrets of the greeter are in use.
pub(crate) fn is_whole(dump: &Value) -> bool {
    let listener = |name: &str| {
        of_kind(dump, "ListenersConfigDump", "dynamic_listeners")
            .any(|l| l["name"] == name && l.get("active_state").is_some())
    };
    listener("virtualInbound")
        && listener("0.0.0.0_50051")
        && of_kind(dump, "ClustersConfigDump", "dynamic_active_clusters")
            .any(|c| c["cluster"]["name"] == GRPC)
        && of_kind(dump, "EndpointsConfigDump", "dynamic_endpoint_configs")
            .any(|e| e["endpoint_config"]["cluster_name"] == GRPC)
        && of_kind(dump, "RoutesConfigDump", "dynamic_route_configs")
            .any(|r| r["route_config"]["name"] == "50051")
        && of_kind(dump, "SecretsConfigDump", "dynamic_active_secrets").count() == 2
}
