//! Processes of a mesh: the control plane's and the sidecars'.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sandbox::network::PodNetwork;

/// Who the redirect rules leave alone.
const PROXY: u32 = 1337;
/// How long anything that must come may take.
const PATIENCE: Duration = Duration::from_secs(25);

/// What the environment must say.
pub(crate) fn required(variable: &str) -> PathBuf {
    let path = std::env::var(variable).unwrap_or_default();
    assert!(
        Path::new(&path).is_file(),
        "{variable} must be the path of a program, see tests/whole_requests/main.rs; it is {path:?}"
    );
    fs::canonicalize(path).unwrap()
}

/// A program where the proxy's user can start it, whoever's directory it was built in.
fn within(directory: &Path, program: &Path) -> PathBuf {
    let place = directory.join(program.file_name().unwrap());
    if !place.exists() {
        fs::copy(program, &place).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
    }
    place
}

/// A process that ends with this value.
pub(crate) struct Process {
    child: Child,
    /// Where it writes.
    pub(crate) output: PathBuf,
}

impl Process {
    /// Starts a program whose output goes to a file, as the proxy's user where asked.
    pub(crate) fn start(mut command: Command, output: PathBuf, as_proxy: bool) -> Self {
        let file = File::create(&output).unwrap();
        if as_proxy {
            chown(&output, Some(PROXY), Some(PROXY)).unwrap();
            command.uid(PROXY).gid(PROXY);
        }
        let errors = File::create(output.with_extension("err")).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .unwrap();
        Self { child, output }
    }

    /// All that it has written.
    fn written(&self) -> String {
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        let (output, errors) = (read(&self.output), read(&self.output.with_extension("err")));
        format!("{}:\n{output}{errors}", self.output.display())
    }

    /// Why it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().unwrap()?;
        Some(format!("{status}\n{}", self.written()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Ok(pid) = i32::try_from(self.child.id()) else {
            return;
        };
        let pid = nix::unistd::Pid::from_raw(pid);
        // An agent ends its proxy on this signal.
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(20);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                drop(self.child.kill());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// `GET path` answered with 200.
pub(crate) fn answers(address: (Ipv4Addr, u16), path: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return false;
    };
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let mut answer = [0; 12];
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer == *b"HTTP/1.1 200"
}

/// Waits until it is so, while the processes live.
pub(crate) fn until(what: &str, processes: &mut [&mut Process], mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        for process in &mut *processes {
            if let Some(end) = process.ended() {
                panic!("waited for {what}, but {end}");
            }
        }
        if Instant::now() > deadline {
            let written: Vec<_> = processes.iter().map(|p| p.written()).collect();
            panic!("waited for {what}\n{}", written.join("\n"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What a sidecar is told.
pub(crate) struct Settings<'a> {
    pub(crate) name: &'a str,
    pub(crate) labels: &'a [(&'a str, &'a str)],
    pub(crate) pod: &'a PodNetwork,
    /// The directory of all pods.
    pub(crate) directory: &'a Path,
    pub(crate) control_plane: Ipv4Addr,
    pub(crate) root: &'a str,
    pub(crate) token: &'a str,
    /// Envoy, or our own.
    pub(crate) envoy: Option<&'a Path>,
}

/// Loads the redirect rules of the pod and starts its agent.
pub(crate) fn start(settings: &Settings<'_>) -> Process {
    let base = settings.directory.join(settings.name);
    let write = |path: &str, text: &str| {
        let path = base.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let labels: String = settings
        .labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{value}\"\n"))
        .collect();
    write("etc/istio/pod/labels", &labels);
    write("var/run/secrets/istio/root-cert.pem", settings.root);
    write("var/run/secrets/tokens/istio-token", settings.token);
    own(&base);
    let mut command = Command::new(within(settings.directory, &required("LATEEN_PROXY")));
    command
        .env_clear()
        .current_dir(&base)
        .args(["sidecar", "--baseDir", base.to_str().unwrap()])
        .args(["--domain", "default.svc.cluster.local"]);
    if let Some(envoy) = settings.envoy {
        command
            .arg("--envoy")
            .arg(within(settings.directory, envoy));
    }
    let pilot = format!("{}:15012", settings.control_plane);
    let config =
        format!("{{discoveryAddress: '{pilot}', concurrency: 1, terminationDrainDuration: 0s}}");
    let app = settings.labels.iter().find(|(name, _)| *name == "app");
    for (name, value) in [
        ("POD_NAME", settings.name),
        ("POD_NAMESPACE", "default"),
        ("SERVICE_ACCOUNT", "default"),
        ("INSTANCE_IP", &settings.pod.ip.to_string()),
        ("CA_ADDR", &pilot),
        ("ISTIOD_SAN", "istiod.istio-system.svc"),
        ("PROXY_CONFIG", &config),
        ("TERMINATION_DRAIN_DURATION_SECONDS", "0"),
        (
            "ISTIO_META_WORKLOAD_NAME",
            app.map_or("none", |(_, app)| app),
        ),
        ("ISTIO_META_CLUSTER_ID", "Kubernetes"),
        ("ISTIO_META_MESH_ID", "cluster.local"),
        ("ISTIO_META_INTERCEPTION_MODE", "REDIRECT"),
    ] {
        command.env(name, value);
    }
    let log = settings.directory.join(format!("{}.log", settings.name));
    let run = move || {
        redirect_everything();
        Process::start(command, log, true)
    };
    settings.pod.enter(run).unwrap()
}

/// As injection has it.
fn redirect_everything() {
    let arguments = [
        "istio-iptables",
        "-p",
        "15001",
        "-z",
        "15006",
        "-u",
        "1337",
        "-m",
        "REDIRECT",
        "-i",
        "*",
        "-x",
        "",
        "-b",
        "*",
        "-d",
        "15090,15021,15020",
    ];
    let options = <redirect::Options as clap::Parser>::try_parse_from(arguments).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let streams = redirect::Streams {
        out: &mut out,
        err: &mut err,
    };
    let code = redirect::run_with(&options, streams);
    assert_eq!(code, 0, "{}", String::from_utf8_lossy(&err));
}

/// Gives a directory and all in it to the proxy's user.
fn own(path: &Path) {
    chown(path, Some(PROXY), Some(PROXY)).unwrap();
    if path.is_dir() {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        for entry in fs::read_dir(path).unwrap() {
            own(&entry.unwrap().path());
        }
    }
}
