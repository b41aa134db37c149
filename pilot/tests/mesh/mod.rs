//! A pilot on free ports of the loopback address, serving a directory of its own.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

pub mod secrets;
pub mod secured;

use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use clap::Parser;
use pilot::args::{Cli, Command, DiscoveryArgs};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// How long anything may take that another process or thread does.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The service of the k8s-combat manifests with two pods behind it, as a cluster shows them.
pub const GREETER: &str = include_str!("greeter.yaml");

pub struct Pilot {
    pub directory: tempfile::TempDir,
    pub grpc: u16,
    pub http: u16,
    pub secure: u16,
    pub monitoring: u16,
    more: Vec<String>,
    shutdown: CancellationToken,
}

/// The metrics of this process, which has one recorder only.
fn metrics() -> axum::Router {
    static ROUTER: OnceLock<axum::Router> = OnceLock::new();
    let install = || process::telemetry::router(process::telemetry::install().unwrap());
    ROUTER.get_or_init(install).clone()
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Pilot {
    /// Starts with one file of configuration and waits until it is ready.
    pub async fn start(configuration: &str) -> Self {
        Self::start_with(configuration, &[]).await
    }

    /// Starts with the cluster of this file, and does not wait.
    pub fn of_cluster(kubeconfig: &Path) -> Self {
        let mut pilot = Self::new(&["--kubeconfig", kubeconfig.to_str().unwrap()]);
        pilot.run();
        pilot
    }

    fn new(more: &[&str]) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            grpc: free_port(),
            http: free_port(),
            secure: free_port(),
            monitoring: free_port(),
            more: more.iter().map(|flag| (*flag).to_owned()).collect(),
            shutdown: CancellationToken::new(),
        }
    }

    /// Starts with further flags; with a ca among them, the secure port is served too.
    pub async fn start_with(configuration: &str, more: &[&str]) -> Self {
        let mut pilot = Self::new(more);
        pilot.write("mesh.yaml", configuration);
        pilot.run();
        pilot.get("/ready").await;
        pilot
    }

    fn run(&mut self) {
        self.shutdown = CancellationToken::new();
        let args = self.args();
        let shutdown = self.shutdown.clone();
        tokio::spawn(async move {
            let metrics = Some(metrics());
            pilot::discovery::run(args, metrics, shutdown)
                .await
                .unwrap();
        });
    }

    fn args(&self) -> DiscoveryArgs {
        let secure = if self.more.iter().any(|flag| flag == "--caAddress") {
            format!("127.0.0.1:{}", self.secure)
        } else {
            String::new()
        };
        let none = self.directory.path().join("none");
        let grpc = format!("127.0.0.1:{}", self.grpc);
        let http = format!("127.0.0.1:{}", self.http);
        let monitoring = format!("127.0.0.1:{}", self.monitoring);
        let directory = self.directory.path().to_str().unwrap();
        let reads_cluster = self.more.iter().any(|flag| flag == "--kubeconfig");
        let source = (!reads_cluster).then_some(["--configDir", directory]);
        let own = [
            "pilot",
            "discovery",
            "--meshConfig",
            none.to_str().unwrap(),
            "--grpcAddr",
            &grpc,
            "--secureGRPCAddr",
            &secure,
            "--monitoringAddr",
            &monitoring,
            "--httpAddr",
            &http,
            "--debounceAfter",
            "20ms",
        ];
        let more = self.more.iter().map(String::as_str);
        let cli = Cli::parse_from(
            own.into_iter()
                .chain(source.into_iter().flatten())
                .chain(more),
        );
        match cli.command {
            Command::Discovery(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    /// Stops serving and starts again on the same ports, with the same directory.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.run();
        self.get("/ready").await;
    }

    /// Stops serving; returns when the ports are free.
    pub async fn stop(&self) {
        self.shutdown.cancel();
        let deadline = Instant::now() + PATIENCE;
        for port in [self.grpc, self.http, self.secure, self.monitoring] {
            while std::net::TcpListener::bind(("127.0.0.1", port)).is_err() {
                assert!(Instant::now() < deadline, "port {port} stays open");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Writes a configuration file whole, as one does who does not want to be read halfway.
    pub fn write(&self, name: &str, text: &str) {
        write(self.directory.path(), name, text);
    }

    /// The body of a page, once it is there.
    pub async fn get(&self, path: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(body) = get(self.http, path).await {
                return body;
            }
            assert!(Instant::now() < deadline, "{path} does not answer with 200");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A page as JSON, once it is as wanted.
    pub async fn page(
        &self,
        path: &str,
        wanted: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let page = serde_json::from_str(&self.get(path).await).unwrap();
            if wanted(&page) {
                return page;
            }
            assert!(Instant::now() < deadline, "{path} stays {page:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn write(directory: &Path, name: &str, text: &str) {
    let temporary = directory.join(format!(".{name}.tmp"));
    std::fs::write(&temporary, text).unwrap();
    std::fs::rename(&temporary, directory.join(name)).unwrap();
}

/// A whole answer, once there is one.
pub async fn answer(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// The body of an answer with status 200, else `None`.
pub async fn get(port: u16, path: &str) -> Option<String> {
    let answer = answer(port, path).await?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    if !head.starts_with("HTTP/1.1 200") {
        return None;
    }
    if !head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked")
    {
        return Some(body.to_owned());
    }
    let (mut whole, mut rest) = (String::new(), body);
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        if size == 0 {
            break;
        }
        whole.push_str(after.get(..size)?);
        rest = after.get(size + 2..)?;
    }
    Some(whole)
}
