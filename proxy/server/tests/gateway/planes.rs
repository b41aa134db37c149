//! An Envoy and our own data plane with the same resources, each on an address of its own.

use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent::bootstrap::{Bootstrap, Ports};
use agent::environment::Environment;
use agent::node::{Kind, Node};
use agent::proxy_config::ProxyConfig;
use clap::Parser;
use tokio_util::sync::{CancellationToken, DropGuard};
use xds::{Resource, TypeUrl};

use crate::pilot::Pilot;

/// How long anything may take that others do.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// One of the two.
#[derive(Debug)]
pub struct Plane {
    pub name: &'static str,
    pub address: IpAddr,
    pub pilot: Arc<Pilot>,
}

/// Both.
#[derive(Debug)]
pub struct Planes {
    pub ours: Plane,
    pub theirs: Plane,
    _directory: tempfile::TempDir,
    _envoy: Envoy,
    _end: DropGuard,
}

#[derive(Debug)]
struct Envoy(Child);

impl Drop for Envoy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ports that are free on both addresses.
pub fn free<const N: usize>() -> [u16; N] {
    let held: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("0.0.0.0:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

impl Planes {
    /// Starts both with the resources for each one's address; goes on once they have taken the listeners.
    pub async fn start(resources: impl Fn(IpAddr) -> Vec<Resource>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let shutdown = CancellationToken::new();
        let [our_ip, their_ip] = [1, 2].map(|n| IpAddr::V4(Ipv4Addr::new(127, 0, 0, n)));
        let plane = |name: &'static str, address: IpAddr| {
            let pilot = Pilot::new(resources(address));
            let socket = directory.path().join(format!("{name}.xds"));
            pilot.serve(&socket, shutdown.clone());
            let bootstrap = directory.path().join(format!("{name}.json"));
            std::fs::write(&bootstrap, bootstrap_of(name, &socket)).unwrap();
            let plane = Plane {
                name,
                address,
                pilot,
            };
            (plane, bootstrap)
        };
        let (ours, our_bootstrap) = plane("ours", our_ip);
        let (theirs, their_bootstrap) = plane("theirs", their_ip);
        let arguments = server::Arguments::parse_from([
            "envoy",
            "--concurrency",
            "2",
            "-c",
            our_bootstrap.to_str().unwrap(),
        ]);
        let ending = shutdown.clone();
        tokio::spawn(async move { server::run(&arguments, ending).await.unwrap() });
        let planes = Self {
            ours,
            theirs,
            _envoy: envoy(&their_bootstrap),
            _directory: directory,
            _end: shutdown.drop_guard(),
        };
        let all = resources(our_ip);
        for listener in all.iter().filter(|r| r.type_url == TypeUrl::Listener) {
            let (_, port) = listener.name.rsplit_once('_').expect("named by its port");
            for plane in planes.both() {
                plane.opens(port.parse().unwrap());
            }
        }
        planes
    }

    pub fn both(&self) -> [&Plane; 2] {
        [&self.ours, &self.theirs]
    }
}

impl Plane {
    /// Waits until a port takes connections.
    pub fn opens(&self, port: u16) {
        self.until(&format!("{port} to open"), || {
            TcpStream::connect((self.address, port)).is_ok()
        });
    }

    /// Waits until a port takes none.
    pub fn closes(&self, port: u16) {
        self.until(&format!("{port} to close"), || {
            TcpStream::connect((self.address, port)).is_err()
        });
    }

    /// Waits for a condition.
    pub fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            let refused = self.pilot.refusals.lock().unwrap();
            assert!(
                refused.is_empty() && Instant::now() < deadline,
                "{}: waited for {what}; it refused {refused:?}",
                self.name
            );
            drop(refused);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn bootstrap_of(name: &str, socket: &std::path::Path) -> String {
    let mut environment = Environment::default();
    for (key, value) in [
        ("POD_NAME", name),
        ("POD_NAMESPACE", "istio-system"),
        ("INSTANCE_IP", "127.0.0.1"),
    ] {
        environment.variables.insert(key.into(), value.into());
    }
    let none = serde_json::Map::new();
    let node = Node::of(Kind::Router, &environment, None, None, &none).unwrap();
    let [admin, status, readiness, prometheus] = free();
    let bootstrap = Bootstrap {
        node: &node,
        config: &ProxyConfig::default(),
        ports: Ports {
            admin,
            status,
            readiness,
            prometheus,
        },
        listen: "127.0.0.1".parse().unwrap(),
        // All secrets come by the one stream.
        sds_socket: &socket.with_extension("none"),
        xds_socket: socket,
        outlier_log: None,
    };
    bootstrap.to_json().to_string()
}

fn envoy(bootstrap: &PathBuf) -> Envoy {
    let program = std::env::var_os("LATEEN_ENVOY").expect("LATEEN_ENVOY must name an Envoy 1.40");
    let log = std::fs::File::create(bootstrap.with_extension("log")).unwrap();
    let child = Command::new(program)
        .args([
            "--concurrency",
            "2",
            "--use-dynamic-base-id",
            "--drain-time-s",
            "2",
            "-c",
        ])
        .arg(bootstrap)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    Envoy(child.expect("LATEEN_ENVOY does not start"))
}
