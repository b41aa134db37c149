//! One mesh of a test's own, and `lateen local` for it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

pub(super) const GREETER: &str = include_str!("../../manifests/deployment-istio.yaml");
pub(super) const ISTIO_MESH: &str = include_str!("../../manifests/istio-mesh.yaml");
pub(super) const CLIENT: &str = "/usr/local/bin/greeter-client";

/// How long anything that must come may take.
const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(100);

/// What the environment must say, or how to say it.
pub(super) fn required(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!(
            "{variable} is not set. LATEEN_BIN and LATEEN_DEMO are the programs `lateen` and `demo`, LATEEN_IMAGES is \
             `REFERENCE=FILE ...` of crossoverjie/k8s-combat and of lateen's ca, injector, pilot and proxy, LATEEN_ENVOY \
             an Envoy binary"
        )
    })
}

/// `--image REFERENCE=FILE` and `--envoy FILE` of `lateen local up` and `demo`.
pub(super) fn images_and_envoy() -> Vec<String> {
    let images = required("LATEEN_IMAGES");
    let mut arguments: Vec<String> = images
        .split_whitespace()
        .flat_map(|image| ["--image".to_owned(), image.to_owned()])
        .collect();
    arguments.extend(["--envoy".to_owned(), required("LATEEN_ENVOY")]);
    arguments
}

/// Tries until it is there; `what` is said when it does not come.
pub(super) fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(seen) => assert!(Instant::now() < deadline, "waited for {what}; last: {seen}"),
        }
        std::thread::sleep(POLL);
    }
}

/// Two meshes at once would only slow each other down.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Held by a test for as long as it uses the machine.
pub(super) fn turn() -> MutexGuard<'static, ()> {
    // A test that failed leaves nothing that the next could trip over.
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A finished command.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) code: Option<i32>,
}

impl Ran {
    /// Runs a command of LATEEN_BIN to its end; it reads nothing.
    pub(super) fn by(command: &mut Command) -> Self {
        let output = command.stdin(Stdio::null()).output();
        Self::of(output.expect("LATEEN_BIN starts"))
    }

    pub(super) fn of(output: std::process::Output) -> Self {
        Self {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code(),
        }
    }
}

/// A mesh, taken down when dropped.
pub(super) struct Mesh {
    pub(super) name: String,
    /// Where it keeps its state, if not where all do.
    state: Option<PathBuf>,
    _turn: MutexGuard<'static, ()>,
}

impl Drop for Mesh {
    fn drop(&mut self) {
        let down = self.lateen(&["down"]);
        if down.code != Some(0) {
            eprintln!("mesh {:?} is not down: {down:?}", self.name);
        }
    }
}

impl Mesh {
    /// A mesh that does not run yet.
    pub(super) fn named(test: &str) -> Self {
        Self {
            _turn: turn(),
            name: format!("{test}-{}", std::process::id()),
            state: None,
        }
    }

    /// A mesh that is up.
    pub(super) fn up(test: &str) -> Self {
        let mesh = Self::named(test);
        let up = mesh.start(&[]);
        assert_eq!(up.code, Some(0), "{up:?}");
        mesh
    }

    /// A mesh that is up, whose sidecars run our own data plane.
    pub(super) fn up_on_our_own(test: &str) -> Self {
        Self::named(test).on_our_own()
    }

    /// The same with its state below a directory.
    pub(super) fn up_in(test: &str, state: &Path) -> Self {
        let mut mesh = Self::named(test);
        mesh.state = Some(state.to_owned());
        mesh.on_our_own()
    }

    fn on_our_own(self) -> Self {
        let all = images_and_envoy();
        let (images, _envoy) = all.split_at(all.len() - 2);
        let mut arguments = vec!["up"];
        arguments.extend(images.iter().map(String::as_str));
        let up = self.lateen(&arguments);
        assert_eq!(up.code, Some(0), "{up:?}");
        self
    }

    /// A mesh that is up, with namespace default in it.
    pub(super) fn up_and_labelled(test: &str) -> Self {
        Self::up(test).labelled()
    }

    /// The same mesh with namespace default in it.
    pub(super) fn labelled(self) -> Self {
        self.ok(&["label", "namespace", "default", "istio-injection=enabled"]);
        self
    }

    /// `up` with the test's images and more arguments.
    pub(super) fn start(&self, more: &[&str]) -> Ran {
        let images = images_and_envoy();
        let mut arguments = vec!["up"];
        arguments.extend(images.iter().map(String::as_str));
        arguments.extend(more);
        self.lateen(&arguments)
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(required("LATEEN_BIN"));
        command
            // The command would read it, too.
            .env_remove("LATEEN_ENVOY")
            .args(["local", "--name", &self.name])
            .args(arguments);
        if let Some(state) = &self.state {
            command.env("LATEEN_STATE_DIR", state);
        }
        command
    }

    /// Runs `lateen proxy-config` for this mesh; its standard output.
    pub(super) fn proxy_config(&self, arguments: &[&str]) -> String {
        self.shown("proxy-config", arguments)
    }

    /// Runs `lateen proxy-status` for this mesh; its standard output.
    pub(super) fn proxy_status(&self, arguments: &[&str]) -> String {
        self.shown("proxy-status", arguments)
    }

    /// Runs one of istioctl's commands for this mesh; its standard output.
    pub(super) fn shown(&self, command: &str, arguments: &[&str]) -> String {
        let mut lateen = Command::new(required("LATEEN_BIN"));
        lateen
            .args(command.split(' '))
            .args(["--mesh", &self.name])
            .args(arguments);
        let ran = Ran::by(&mut lateen);
        assert_eq!(ran.code, Some(0), "{command} {arguments:?}: {ran:?}");
        ran.stdout
    }

    /// Runs a command, whatever comes of it.
    pub(super) fn lateen(&self, arguments: &[&str]) -> Ran {
        Ran::by(&mut self.command(arguments))
    }

    /// Runs a command that must succeed; its standard output.
    pub(super) fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.lateen(arguments);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
        ran.stdout
    }

    /// Runs a command that must succeed and prints JSON.
    pub(super) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(arguments)).expect("JSON")
    }

    /// `apply -f -`.
    pub(super) fn apply(&self, manifest: &str) -> Ran {
        let mut child: Child = self
            .command(&["apply", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("LATEEN_BIN starts");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(manifest.as_bytes()).expect("it reads all");
        drop(input);
        Ran::of(child.wait_with_output().expect("it ends"))
    }

    /// `apply -f -` of what must be accepted whole.
    pub(super) fn applied(&self, manifest: &str) -> String {
        let ran = self.apply(manifest);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout
    }

    /// The pods with this `app` label that are not going away.
    pub(super) fn pods(&self, namespace: &str, app: &str) -> Vec<Pod> {
        let selector = format!("app={app}");
        let list = self.json(&[
            "get", "pods", "-n", namespace, "-l", &selector, "-o", "json",
        ]);
        let items = list["items"].as_array().cloned().unwrap_or_default();
        items
            .into_iter()
            .filter(|pod| pod["metadata"].get("deletionTimestamp").is_none())
            .map(Pod)
            .collect()
    }

    /// Waits until the replicas are there with `containers` ready each, and nothing else is; their names.
    pub(super) fn ready(
        &self,
        namespace: &str,
        app: &str,
        replicas: usize,
        containers: usize,
    ) -> Vec<String> {
        let what = format!("{replicas} pods of {app} with {containers}/{containers}");
        eventually(&what, || {
            let pods = self.pods(namespace, app);
            let ready = |pod: &Pod| pod.containers().len() == containers && pod.is_ready();
            if pods.len() == replicas && pods.iter().all(ready) {
                return Ok(pods.iter().map(|pod| pod.name().to_owned()).collect());
            }
            Err(pods
                .iter()
                .map(|pod| format!("{} {:?}\n", pod.name(), pod.containers()))
                .collect())
        })
    }

    /// Runs `greeter-client --json ARGUMENTS` in a pod's container.
    pub(super) fn greet(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        arguments: &[&str],
    ) -> Report {
        let mut words = vec![
            "exec", "-n", namespace, pod, "-c", container, "--", CLIENT, "--json",
        ];
        words.extend(arguments);
        let ran = self.lateen(&words);
        Report::of(&ran)
    }

    /// Waits until requests from a pod to the target are answered by so many pods: that a pod is ready
    /// reaches the others' sidecars a moment later.
    pub(super) fn balanced(&self, pod: &str, container: &str, target: &str, pods: usize) {
        eventually(&format!("{pods} pods to answer"), || {
            let report = self.greet("default", pod, container, &["--requests", "60", target]);
            match report.answers.len() == pods && report.failed() == 0 {
                true => Ok(()),
                false => Err(format!("{report:?}")),
            }
        });
    }

    /// Entries of a sidecar's access log that are not of plain success, those before it knew any endpoint apart.
    pub(super) fn troubled(&self, pod: &str) -> Vec<String> {
        let log = self.ok(&["logs", pod, "-c", "istio-proxy"]);
        log.lines()
            .filter(|line| {
                !line.contains(" UH ")
                    && line.starts_with('[')
                    && !line.contains("\" 200 - via_upstream - ")
            })
            .map(str::to_owned)
            .collect()
    }

    /// Entries of a sidecar's access log of requests that came in for the greeter.
    pub(super) fn inbound(&self, pod: &str) -> Vec<String> {
        let log = self.ok(&["logs", pod, "-c", "istio-proxy"]);
        log.lines()
            .filter(|line| line.contains(" inbound|50051|| "))
            .map(str::to_owned)
            .collect()
    }
}

/// A pod as the API shows it.
pub(super) struct Pod(pub(super) Value);

impl Pod {
    pub(super) fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().unwrap_or_default()
    }

    pub(super) fn uid(&self) -> &str {
        self.0["metadata"]["uid"].as_str().unwrap_or_default()
    }

    /// Ready by container, native sidecars included.
    pub(super) fn containers(&self) -> BTreeMap<String, bool> {
        let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let sidecars: Vec<Value> = array(&self.0["spec"]["initContainers"])
            .into_iter()
            .filter(|container| container["restartPolicy"] == "Always")
            .map(|container| container["name"].clone())
            .collect();
        array(&self.0["status"]["containerStatuses"])
            .into_iter()
            .chain(
                array(&self.0["status"]["initContainerStatuses"])
                    .into_iter()
                    .filter(|status| sidecars.contains(&status["name"])),
            )
            .map(|status| {
                let name = status["name"].as_str().unwrap_or_default().to_owned();
                (name, status["ready"] == true)
            })
            .collect()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.containers().values().all(|ready| *ready)
    }

    /// Restarts of a container.
    pub(super) fn restarts(&self, container: &str) -> u64 {
        self.0["status"]["containerStatuses"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|status| status["name"] == container)
            .and_then(|status| status["restartCount"].as_u64())
            .unwrap_or(0)
    }
}

/// What `greeter-client` reports.
#[derive(Debug, Default, Clone)]
pub(super) struct Report {
    pub(super) answers: BTreeMap<String, u64>,
    /// By status: how many, and the message of one.
    pub(super) errors: BTreeMap<String, (u64, String)>,
}

impl Report {
    fn of(ran: &Ran) -> Self {
        let report: Value = serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|error| panic!("no report: {error}: {ran:?}"));
        let object = |value: &Value| value.as_object().cloned().unwrap_or_default();
        Self {
            answers: object(&report["answers"])
                .into_iter()
                .map(|(pod, count)| (pod, count.as_u64().unwrap_or(0)))
                .collect(),
            errors: object(&report["errors"])
                .into_iter()
                .map(|(status, error)| {
                    let example = error["example"].as_str().unwrap_or_default().to_owned();
                    (status, (error["count"].as_u64().unwrap_or(0), example))
                })
                .collect(),
        }
    }

    pub(super) fn answered(&self) -> u64 {
        self.answers.values().sum()
    }

    pub(super) fn failed(&self) -> u64 {
        self.errors.values().map(|(count, _)| count).sum()
    }

    pub(super) fn add(&mut self, other: Self) {
        for (pod, count) in other.answers {
            *self.answers.entry(pod).or_default() += count;
        }
        for (status, (count, example)) in other.errors {
            self.errors.entry(status).or_insert((0, example)).0 += count;
        }
    }
}
