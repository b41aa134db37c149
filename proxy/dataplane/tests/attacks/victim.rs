//! A data plane under attack.

use std::net::SocketAddr;
use std::time::Duration;

use dataplane::{DataPlane, Held};
use graph::cluster::UpstreamProtocol;
use graph::manager::HttpManager;
use graph::route::Action;

use crate::graphs::{cluster, forward, graph, http, manager, route};
use crate::peers::{free, server, started};

/// One worker with a cluster 0 that serves and a cluster 1 that is the test's own.
pub struct Victim {
    pub address: SocketAddr,
    pub plane: DataPlane,
    _logs: tempfile::TempDir,
    _alone: tokio::sync::MutexGuard<'static, ()>,
}

/// Held by the test that runs: others would change what memory the process has.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

impl Victim {
    /// `/other` goes to `other`, everything else to a server that answers.
    pub async fn with(
        other: SocketAddr,
        protocol: UpstreamProtocol,
        change: impl FnOnce(&mut HttpManager),
    ) -> Victim {
        let alone = ALONE.lock().await;
        let logs = tempfile::tempdir().unwrap();
        let (good, _) = server("good").await;
        let routes = vec![
            route(
                "/local",
                Action::Respond {
                    status: 200,
                    body: b"here".as_slice().into(),
                },
            ),
            route("/other", Action::Forward(Box::new(forward(1)))),
            route("/", Action::Forward(Box::new(forward(0)))),
        ];
        let mut manager = manager(routes, logs.path().join("log").to_str().unwrap());
        change(&mut manager);
        let address = free();
        let clusters = vec![
            cluster(0, &[good], UpstreamProtocol::Http2),
            cluster(1, &[other], protocol),
        ];
        let plane = started(address, &graph(address, http(manager), clusters)).await;
        Victim {
            address,
            plane,
            _logs: logs,
            _alone: alone,
        }
    }

    /// One whose cluster 1 takes requests and never answers.
    pub async fn new() -> Victim {
        Victim::with(silent().await, UpstreamProtocol::Http1, |_| {}).await
    }

    /// What the worker holds once it is as `quiet` says, which it has to become.
    pub async fn becomes(&self, quiet: impl Fn(&Held) -> bool) -> Held {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            let held = self.plane.held();
            if quiet(&held) {
                return held;
            }
            assert!(tokio::time::Instant::now() < deadline, "{held:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// An endpoint that takes connections and bytes, and says nothing.
pub async fn silent() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let _ = tokio::io::copy(&mut socket, &mut tokio::io::sink()).await;
            });
        }
    });
    address
}

/// Bytes of memory that this process has.
pub fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}
