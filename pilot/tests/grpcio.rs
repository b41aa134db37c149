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

use mesh::{GREETER, Pilot};
use serde_json::json;

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
