//! A test runner whose `main` can first be a container's stage, and a mesh to test.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use local::api::client::{Client, Which};
use local::api::{Apply, exec};
use local::daemon::Daemon;
use local::kubelet::image::Images;
use local::mesh::Options;
use local::object::text;
use serde_json::{Value, json};

/// Long enough for a busy machine; never asserted as a speed.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

type Test = (&'static str, fn());

/// Runs the tests whose name holds one of the arguments, in order, and exits.
pub(crate) fn run(tests: &[Test]) -> ! {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filters: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        for (name, _) in tests {
            println!("{name}: test");
        }
        std::process::exit(0);
    }
    if !nix::unistd::geteuid().is_root() {
        println!("these tests run pods: run them as root, for example with sudo -E");
        std::process::exit(1);
    }
    let mut failed = Vec::new();
    let mut ran = 0;
    for (name, test) in tests {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
            continue;
        }
        ran += 1;
        let passed = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        if !passed {
            failed.push(*name);
        }
    }
    println!("{} of {ran} tests passed", ran - failed.len());
    if !failed.is_empty() {
        println!("failed: {}", failed.join(", "));
    }
    std::process::exit(i32::from(!failed.is_empty()));
}

fn archive() -> &'static Path {
    static ARCHIVE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = ARCHIVE.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tools.tar");
        crate::image::write(&path);
        (directory, path)
    });
    path
}

/// A mesh without control plane.
pub(crate) struct World {
    daemon: Daemon,
    pub(crate) client: Client,
    pub(crate) state: PathBuf,
    _removed_with_it: tempfile::TempDir,
}

/// Runs a test with a mesh, and takes the mesh down.
pub(crate) fn with_mesh(test: impl AsyncFnOnce(&World)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::up("one").await;
        let tested = tokio::time::timeout(LIMIT * 3, test(&world)).await;
        world.down().await;
        tested.expect("the test ends");
    });
}

impl World {
    pub(crate) async fn up(name: &str) -> Self {
        let state = tempfile::tempdir().unwrap();
        let mut images = Images::default();
        images.add("tools", archive().to_owned());
        let options = Options {
            name: name.into(),
            state: state.path().to_owned(),
            images,
            control_plane: false,
            ..Options::default()
        };
        let (daemon, _) = Daemon::start(options, vec![], None).await.unwrap();
        Self {
            client: Client::new(state.path(), name),
            daemon,
            state: state.path().to_owned(),
            _removed_with_it: state,
        }
    }

    pub(crate) async fn down(self) {
        self.daemon.stop().await;
    }

    /// Ends the mesh; its base directory stays for as long as this does.
    pub(crate) async fn stop(&self) {
        self.daemon.mesh().stop().await;
    }

    pub(crate) async fn apply(&self, object: Value) {
        let request = Apply {
            namespace: "default".into(),
            objects: vec![object],
        };
        for applied in self.client.apply(&request).await.unwrap().results {
            assert_eq!(applied.error, None, "{}", applied.object);
        }
    }

    /// A pod of one container `app` that runs a shell script.
    pub(crate) async fn pod(&self, name: &str, script: &str, more: Value) {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 1,
                "containers": [{"name": "app", "image": "tools:1", "args": [script]}]}});
        local::object::merge_patch(&mut pod["spec"], &more);
        self.apply(pod).await;
    }

    /// The object once it is as wanted.
    pub(crate) async fn until(
        &self,
        kind: &str,
        name: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let begun = tokio::time::Instant::now();
        let which = Which {
            namespace: Some("default"),
            name: Some(name),
            ..Which::default()
        };
        loop {
            let object = self.client.get(kind, &which).await.unwrap_or_default();
            if wanted(&object) {
                return object;
            }
            if begun.elapsed() > LIMIT {
                panic!(
                    "{kind}/{name} is not as wanted: {object:#}\n{:#?}",
                    self.events("").await
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn running(&self, name: &str) -> Value {
        self.until("pod", name, |pod| {
            local::object::has_condition(pod, "Ready")
        })
        .await
    }

    /// `Reason: message` of the events about an object of this name, or about all.
    pub(crate) async fn events(&self, name: &str) -> Vec<String> {
        let found = self.client.get("events", &Which::default()).await.unwrap();
        found["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|event| name.is_empty() || text(event, "/involvedObject/name") == name)
            .map(|event| format!("{}: {}", text(event, "/reason"), text(event, "/message")))
            .collect()
    }

    /// What a program in the pod's container prints.
    pub(crate) async fn output(&self, pod: &str, command: &[&str]) -> String {
        let asked = json!({"stdin": false, "command": serde_json::to_string(command).unwrap()});
        let mut connection = self.client.exec("default", pod, &asked).await.unwrap();
        let mut output = String::new();
        loop {
            let (channel, payload) = exec::read_frame(&mut connection).await.unwrap();
            match channel {
                exec::STDOUT | exec::STDERR => output.push_str(&String::from_utf8_lossy(&payload)),
                _ => return output,
            }
        }
    }
}

/// The script of a server on this address.
pub(crate) fn server(address: &str) -> String {
    format!("exec {} serve {address}", crate::image::SERVER)
}
