//! gRPC's own xDS client (PyPI's grpcio) resolves and balances a service of the mesh, with no proxy
//! between.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod mesh;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use agent::environment::Environment;
use agent::node::Kind;
use agent::settings::{ProxyArgs, Settings};
use clap::Parser;
use mesh::secured::Mesh;
use mesh::{GREETER, PATIENCE, Pilot};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Two servers that answer with their own address.
const SERVERS: &str = r#"
import sys, time, grpc
from concurrent import futures

def serve(address):
    class Any(grpc.GenericRpcHandler):
        def service(self, details):
            return grpc.unary_unary_rpc_method_handler(lambda request, context: address.encode())
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((Any(),))
    if server.add_insecure_port(f"{address}:50051") == 0:
        sys.exit(f"cannot listen on {address}:50051")
    server.start()
    return server

servers = [serve(a) for a in sys.argv[1:]]
print("serving", flush=True)
sys.stdin.read()
"#;

/// For each line on its input, makes so many calls and prints which servers answered.
const CLIENT: &str = r#"
import sys, grpc
channel = grpc.insecure_channel("xds:///k8s-combat-service.default.svc.cluster.local:50051")
call = channel.unary_unary("/helloworld.Greeter/SayHello",
    request_serializer=lambda b: b, response_deserializer=lambda b: b.decode())
for line in sys.stdin:
    answers = {call(b"", timeout=60, wait_for_ready=True) for _ in range(int(line))}
    print(" ".join(sorted(answers)), flush=True)
"#;

/// The servers of both tests have the same addresses: one test at a time.
static ADDRESSES: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

struct Python {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Python {
    fn run(script: &str, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let python = std::env::var_os("LATEEN_PYTHON")
            .expect("LATEEN_PYTHON must name a python3 that can import grpc (pip install grpcio)");
        let mut process = Command::new(&python)
            .arg("-c")
            .arg(script)
            .args(args)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("LATEEN_PYTHON does not start");
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(
            !line.is_empty(),
            "the program ended: {:?}",
            self.process.wait()
        );
        line.trim().to_owned()
    }

    fn ask(&mut self, line: &str) -> String {
        let stdin = self.process.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
        self.line()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_xds_channel_reaches_both_replicas_and_leaves_one_that_is_removed() {
    let _alone = ADDRESSES.lock().await;
    let pilot = Pilot::start(GREETER).await;
    let bootstrap = json!({
        "xds_servers": [{
            "server_uri": format!("127.0.0.1:{}", pilot.grpc),
            "channel_creds": [{"type": "insecure"}],
            "server_features": ["xds_v3"],
        }],
        "node": {
            "id": "sidecar~127.0.0.1~client.default~default.svc.cluster.local",
            "metadata": {"GENERATOR": "grpc", "NAMESPACE": "default"},
        },
    })
    .to_string();
    let mut servers = Python::run(SERVERS, &["127.0.0.11", "127.0.0.12"], &[]);
    assert_eq!(servers.line(), "serving");
    let path = pilot.directory.path().join("bootstrap");
    std::fs::write(&path, bootstrap).unwrap();
    let environment = [("GRPC_XDS_BOOTSTRAP", path.to_str().unwrap())];
    let mut client = Python::run(CLIENT, &[], &environment);
    assert_eq!(client.ask("40"), "127.0.0.11 127.0.0.12");
    let page = pilot
        .page("/debug/syncz", |page| {
            page[0]["types"].as_array().is_some_and(|t| t.len() == 4)
        })
        .await;
    for of_type in page[0]["types"].as_array().unwrap() {
        assert_eq!(of_type["error"], serde_json::Value::Null, "{of_type:#}");
    }

    pilot.write(
        "mesh.yaml",
        &GREETER[..GREETER.find("  - addresses: [127.0.0.12]").unwrap()],
    );
    let deadline = std::time::Instant::now() + mesh::PATIENCE;
    while client.ask("10") != "127.0.0.11" {
        assert!(
            std::time::Instant::now() < deadline,
            "traffic does not move"
        );
    }
    assert_eq!(client.ask("40"), "127.0.0.11");
}

#[derive(Parser)]
struct Sidecar {
    #[command(flatten)]
    args: ProxyArgs,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_beside_an_agent_without_a_proxy_starts_from_what_the_agent_writes() {
    let _alone = ADDRESSES.lock().await;
    let mesh = Mesh::start(&[]).await;
    let pod = tempfile::tempdir().unwrap();
    let file = |name: &str| pod.path().join(name);
    for directory in ["var/run/secrets/istio", "var/run/secrets/tokens", "data"] {
        std::fs::create_dir_all(file(directory)).unwrap();
    }
    std::fs::copy(mesh.root(), file("var/run/secrets/istio/root-cert.pem")).unwrap();
    let token = mesh.token("default", "default", "istio-ca");
    std::fs::write(file("var/run/secrets/tokens/istio-token"), token).unwrap();
    // What the template grpc-agent sets.
    let mut environment = Environment::default();
    let pilot = format!("127.0.0.1:{}", mesh.pilot.secure);
    for (name, value) in [
        ("POD_NAME", "client"),
        ("POD_NAMESPACE", "default"),
        ("SERVICE_ACCOUNT", "default"),
        ("INSTANCE_IP", "127.0.0.1"),
        ("ISTIOD_SAN", "istiod.istio-system.svc"),
        ("CA_ADDR", &pilot),
        ("ISTIO_META_GENERATOR", "grpc"),
        ("OUTPUT_CERTS", file("data").to_str().unwrap()),
        (
            "GRPC_XDS_BOOTSTRAP",
            file("grpc-bootstrap.json").to_str().unwrap(),
        ),
        ("DISABLE_ENVOY", "true"),
        (
            "PROXY_CONFIG",
            &format!("{{discoveryAddress: '{pilot}', statusPort: 0}}"),
        ),
    ] {
        environment.variables.insert(name.into(), value.into());
    }
    let base = pod.path().to_str().unwrap();
    let sidecar = Sidecar::parse_from([
        "sidecar",
        "--domain",
        "default.svc.cluster.local",
        "--baseDir",
        base,
    ]);
    let settings = Settings::new(Kind::Sidecar, &sidecar.args, environment).unwrap();
    let bootstrap = settings.grpc.clone().unwrap();
    let end = CancellationToken::new();
    let agent = tokio::spawn(agent::run::run(settings, String::new, end.clone()));
    let deadline = std::time::Instant::now() + PATIENCE;
    while let Err(missing) = bootstrap.check() {
        assert!(std::time::Instant::now() < deadline, "{missing}");
        assert!(!agent.is_finished(), "{:?}", agent.await);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }

    let mut servers = Python::run(SERVERS, &["127.0.0.11", "127.0.0.12"], &[]);
    assert_eq!(servers.line(), "serving");
    let environment = [("GRPC_XDS_BOOTSTRAP", bootstrap.path.to_str().unwrap())];
    let mut client = Python::run(CLIENT, &[], &environment);
    assert_eq!(client.ask("40"), "127.0.0.11 127.0.0.12");

    let written = |name: &str| std::fs::read(file("data").join(name)).unwrap();
    let held = identity::bundle::WorkloadCertificate::from_pem(
        &written("cert-chain.pem"),
        &identity::csr::KeyPem::new(String::from_utf8(written("key.pem")).unwrap()),
        &written("root-cert.pem"),
    );
    let id = held.unwrap().identity().unwrap().to_string();
    assert_eq!(id, "spiffe://cluster.local/ns/default/sa/default");
    end.cancel();
    assert_eq!(agent.await.unwrap().unwrap(), 0);
}
