//! The program as injected containers call it. A shell script stands in for Envoy.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The longest that a test waits for a process.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory with the program under a name of Istio's, and a proxy that does `script`.
struct Pod {
    directory: tempfile::TempDir,
    port: u16,
}

impl Pod {
    fn new(script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let proxy = directory.path().join("envoy");
        // Written by another process: a file that this one has open for writing while a test beside
        // it forks cannot be executed.
        let written = Command::new("sh")
            .args([
                "-c",
                "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 755 \"$0\"",
            ])
            .arg(&proxy)
            .arg(script)
            .status();
        assert!(written.unwrap().success());
        std::fs::create_dir_all(directory.path().join("etc/istio/proxy")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { directory, port }
    }

    fn called(&self, name: &str) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_proxy"))
            .canonicalize()
            .unwrap();
        let path: PathBuf = self.directory.path().join(name);
        if !path.exists() {
            symlink(program, &path).unwrap();
        }
        let mut command = Command::new(path);
        command.env_clear().stdin(Stdio::null());
        command
    }

    fn sidecar(&self) -> Command {
        let mut command = self.called("pilot-agent");
        command
            .args(["proxy", "sidecar", "--domain", "default.svc.cluster.local"])
            .args(["--proxyLogLevel=warning", "--log_output_level=default:info"])
            .arg("--envoy")
            .arg(self.directory.path().join("envoy"))
            .arg("--baseDir")
            .arg(self.directory.path())
            .envs([
                ("POD_NAME", "greeter-0"),
                ("POD_NAMESPACE", "default"),
                ("INSTANCE_IP", "127.0.0.1"),
                ("CA_ADDR", "127.0.0.1:1"),
            ])
            .env(
                "PROXY_CONFIG",
                format!(
                    "{{statusPort: {}, terminationDrainDuration: 0s}}",
                    self.port
                ),
            )
            .stderr(Stdio::piped());
        command
    }

    fn request(&self, method: &str, path: &str) -> Output {
        self.called("pilot-agent")
            .args([
                "request",
                &format!("--debug-port={}", self.port),
                method,
                path,
            ])
            .output()
            .unwrap()
    }

    /// Waits until the agent answers that it is not ready, and returns its reason.
    fn reason(&self) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.request("GET", "healthz/ready");
            let text = String::from_utf8(answer.stderr).unwrap();
            if text.contains("503") {
                assert_eq!(answer.status.code(), Some(1));
                return text;
            }
            assert!(Instant::now() < until, "no answer: {text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn ended(mut child: Child) -> (Option<i32>, String) {
    let until = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("still running after {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), text)
}

#[test]
fn a_sidecar_tells_why_it_is_not_ready_and_ends_clean_at_sigterm() {
    let pod = Pod::new("exec sleep 600");
    let child = pod.sidecar().spawn().unwrap();
    assert!(pod.reason().contains("no certificate yet"));
    let kill = Command::new("kill").arg(child.id().to_string()).status();
    assert!(kill.unwrap().success());
    assert_eq!(ended(child).0, Some(0));
}

#[test]
fn quitquitquit_ends_the_pod_clean() {
    let pod = Pod::new("exec sleep 600");
    let child = pod.sidecar().spawn().unwrap();
    pod.reason();
    let answer = pod.request("POST", "quitquitquit");
    assert!(answer.status.success());
    assert_eq!(answer.stdout, b"OK");
    assert_eq!(ended(child).0, Some(0));
}

#[test]
fn the_code_of_a_crashed_proxy_is_the_agents() {
    let pod = Pod::new("exit 3");
    let child = pod.sidecar().spawn();
    assert_eq!(ended(child.unwrap()).0, Some(3));
}

#[test]
fn a_missing_variable_stops_the_start_with_its_name() {
    let pod = Pod::new("exit 3");
    let child = pod.sidecar().env_remove("POD_NAME").spawn();
    let (code, text) = ended(child.unwrap());
    assert_eq!(code, Some(1));
    assert!(text.contains("POD_NAME"), "{text}");
}

#[test]
fn a_port_in_use_is_named_with_the_setting_and_nothing_is_left_running() {
    let pod = Pod::new("exec sleep 600");
    let _taken = TcpListener::bind(("0.0.0.0", pod.port)).unwrap();
    let (code, text) = ended(pod.sidecar().spawn().unwrap());
    assert_eq!(code, Some(1));
    assert!(text.contains(&pod.port.to_string()), "{text}");
    assert!(text.contains("statusPort"), "{text}");
}

#[test]
fn waiting_for_a_proxy_that_is_not_there_fails_in_time() {
    let output = Pod::new("")
        .called("pilot-agent")
        .args(["wait", "--timeoutSeconds=1", "--periodMillis=10"])
        .args(["--url", "http://127.0.0.1:1/healthz/ready"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("not ready after 1 seconds"), "{text}");
}

#[test]
fn the_redirect_rules_are_reached_by_name_and_by_command() {
    let pod = Pod::new("");
    let by_name = pod.called("istio-iptables").arg("--help").output().unwrap();
    let by_command = pod
        .called("pilot-agent")
        .args(["istio-iptables", "--help"])
        .output()
        .unwrap();
    assert!(by_name.status.success());
    assert!(String::from_utf8_lossy(&by_name.stdout).contains("--dry-run"));
    assert_eq!(by_name.stdout, by_command.stdout);
}
