//! Against the pilot itself and the agent's secret service, over their sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use agent::certificate::Issued;
use agent::certificate::state::State as Certificate;
use clap::Parser;
use control::{Answer, Control, Dial, Initialization, Options, Resolve, start, unix};
use envoy_types::pb::envoy::config::core::v3::Node;
use graph::Graph;
use graph::cluster::{Cluster, UpstreamTransport};
use graph::tls::Secured;
use identity::cert::Validity;
use identity::csr::KeyPem;
use pilot::args::{Cli, Command};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;
use xds::TypeUrl;

const GREETER: &str = include_str!("greeter.yaml");
const GRPC: &str = "outbound|50051||k8s-combat-service.default.svc.cluster.local";
/// How long anything may take that another thread does.
const PATIENCE: Duration = Duration::from_secs(60);

struct NoNames;

impl Resolve for NoNames {
    fn resolve<'a>(
        &'a self,
        name: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, String>> + Send + 'a>> {
        Box::pin(async move { Err(format!("nobody knows {name}")) })
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

struct Pilot {
    directory: tempfile::TempDir,
    ports: [u16; 3],
    shutdown: CancellationToken,
}

impl Pilot {
    fn start() -> Self {
        let mut pilot = Pilot {
            directory: tempfile::tempdir().unwrap(),
            ports: [free_port(), free_port(), free_port()],
            shutdown: CancellationToken::new(),
        };
        pilot.write(GREETER);
        pilot.run();
        pilot
    }

    fn write(&self, text: &str) {
        let temporary = self.directory.path().join(".mesh.tmp");
        std::fs::write(&temporary, text).unwrap();
        std::fs::rename(&temporary, self.directory.path().join("mesh.yaml")).unwrap();
    }

    fn run(&mut self) {
        let [grpc, http, monitoring] = self.ports.map(|port| format!("127.0.0.1:{port}"));
        let none = self.directory.path().join("none");
        let cli = Cli::parse_from([
            "pilot",
            "discovery",
            "--configDir",
            self.directory.path().to_str().unwrap(),
            "--meshConfig",
            none.to_str().unwrap(),
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
        self.shutdown = CancellationToken::new();
        let shutdown = self.shutdown.clone();
        tokio::spawn(async move {
            pilot::discovery::run(*args, None, shutdown).await.unwrap();
        });
    }

    async fn stop(&self) {
        self.shutdown.cancel();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self
            .ports
            .iter()
            .any(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_err())
        {
            assert!(tokio::time::Instant::now() < deadline, "a port stays open");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn dial(&self) -> Dial {
        let address = format!("http://127.0.0.1:{}", self.ports[0]);
        Arc::new(move || {
            Endpoint::from_shared(address.clone())
                .unwrap()
                .connect_lazy()
        })
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn certificate() -> Certificate {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI(
        "spiffe://cluster.local/ns/default/sa/default"
            .try_into()
            .unwrap(),
    )];
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

/// The control side of a sidecar of the greeter, and who issues its certificate.
fn sidecar(pilot: &Pilot, shutdown: &CancellationToken) -> (Control, watch::Sender<Certificate>) {
    let (issuer, state) = watch::channel(Certificate::Waiting { problem: None });
    let socket = pilot.directory.path().join("secrets");
    let listener = agent::sds::server::bind(&socket).unwrap();
    tokio::spawn(agent::sds::server::serve(listener, state, shutdown.clone()));
    let options = Options {
        node: Node {
            id: "sidecar~127.0.0.11~k8s-combat-service-a.default~default.svc.cluster.local"
                .to_owned(),
            ..Default::default()
        },
        configuration: pilot.dial(),
        secrets: unix(socket),
        resolver: Arc::new(NoNames),
        local: None,
    };
    (start(options, shutdown.clone()).unwrap(), issuer)
}

async fn until(control: &mut Control, wanted: impl Fn(&Graph) -> bool) -> Arc<Graph> {
    let seen = tokio::time::timeout(PATIENCE, control.graph.wait_for(|graph| wanted(graph))).await;
    seen.expect("the graph does not become as wanted")
        .unwrap()
        .clone()
}

fn cluster<'g>(graph: &'g Graph, name: &str) -> Option<&'g Arc<Cluster>> {
    graph.clusters.iter().flatten().find(|c| *c.name == *name)
}

fn addresses(graph: &Graph) -> Vec<String> {
    let Some(endpoints) = cluster(graph, GRPC).and_then(|c| c.endpoints.as_ref()) else {
        return Vec::new();
    };
    endpoints
        .priorities
        .iter()
        .flatten()
        .map(|h| h.address.to_string())
        .collect()
}

/// The greeter without its second endpoint.
fn one_endpoint() -> &'static str {
    &GREETER[..GREETER.find("  - addresses: [127.0.0.12]").unwrap()]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pilots_configuration_becomes_a_graph_with_mutual_tls() {
    let (pilot, shutdown) = (Pilot::start(), CancellationToken::new());
    let _guard = shutdown.clone().drop_guard();
    let (mut control, issuer) = sidecar(&pilot, &shutdown);
    let listeners = tokio::time::timeout(PATIENCE, async {
        while control.view().of(TypeUrl::Listener).resources.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    listeners.await.expect("no listeners come");
    assert_eq!(
        control.view().initialization(),
        Initialization::Clusters,
        "those of the mesh wait for a certificate"
    );
    assert!(
        control.graph.borrow().listeners.is_empty(),
        "nothing leaves in the clear meanwhile"
    );
    issuer.send_replace(certificate());
    let graph = until(&mut control, |g| {
        cluster(g, GRPC).is_some() && g.listeners.iter().any(|l| &*l.name == "virtualInbound")
    })
    .await;
    assert_eq!(addresses(&graph), ["127.0.0.11:50051", "127.0.0.12:50051"]);
    let grpc = cluster(&graph, GRPC).unwrap();
    assert!(matches!(
        &grpc.transports[0],
        UpstreamTransport::Tls(Secured::Ready(_))
    ));
    assert!(graph.tables.iter().flatten().any(|t| &*t.name == "50051"));

    pilot.write(one_endpoint());
    let after = until(&mut control, |g| addresses(g).len() == 1).await;
    assert!(Arc::ptr_eq(
        cluster(&graph, "PassthroughCluster").unwrap(),
        cluster(&after, "PassthroughCluster").unwrap()
    ));
    let view = control.view();
    let clusters = view.of(TypeUrl::Cluster);
    assert!(clusters.resources[GRPC].refused().is_none());
    let used = clusters.resources[GRPC].used().unwrap();
    assert!(!used.version.is_empty());
    let counters = view.counters(TypeUrl::Listener);
    assert!(
        counters.update_success >= 1 && counters.update_rejected == 0,
        "{counters:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_outlives_the_pilot_and_catches_up_with_the_next() {
    let (mut pilot, shutdown) = (Pilot::start(), CancellationToken::new());
    let _guard = shutdown.clone().drop_guard();
    let (mut control, issuer) = sidecar(&pilot, &shutdown);
    issuer.send_replace(certificate());
    let before = until(&mut control, |g| addresses(g).len() == 2).await;
    pilot.stop().await;
    let ended = tokio::time::timeout(PATIENCE, async {
        while control.view().counters(TypeUrl::Cluster).update_failure == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    ended.await.expect("the end of the stream is not counted");
    let during = control.graph.borrow().clone();
    assert!(Arc::ptr_eq(&before, &during) || addresses(&during).len() == 2);
    pilot.write(one_endpoint());
    pilot.run();
    let after = until(&mut control, |g| addresses(g).len() == 1).await;
    assert!(
        Arc::ptr_eq(
            cluster(&before, "PassthroughCluster").unwrap(),
            cluster(&after, "PassthroughCluster").unwrap()
        ),
        "what the pilot's successor has in the same version is not sent again"
    );
}
