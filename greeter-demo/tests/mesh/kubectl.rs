//! What people type who know kubectl, and what they expect to read.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::harness::{GREETER, Mesh, Ran, eventually, images_and_envoy};

/// A mesh that only runs pods.
fn pods_alone(test: &str) -> Mesh {
    let mesh = Mesh::named(test);
    let all = images_and_envoy();
    let mut arguments = vec!["up", "--no-control-plane"];
    arguments.extend(all.iter().map(String::as_str));
    let up = mesh.lateen(&arguments);
    assert_eq!(up.code, Some(0), "{up:?}");
    mesh
}

/// The body that 127.0.0.1:PORT/ping answers.
fn ping(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"GET /ping HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.rsplit("\r\n").next().unwrap_or_default().to_owned())
}

fn pings(port: u16) {
    eventually(&format!("pong from port {port}"), || match ping(port) {
        Ok(body) if body == "pong" => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// A command that goes on, and the lines it prints.
struct Running(Child, std::io::Lines<BufReader<std::process::ChildStdout>>);

impl Running {
    fn start(mesh: &Mesh, arguments: &[&str]) -> Self {
        let mut child = mesh
            .command(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("LATEEN_BIN starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self(child, lines)
    }

    fn line(&mut self) -> String {
        self.1.next().expect("a line").expect("text")
    }

    /// Ctrl-C, and what it exits with.
    fn interrupt(mut self) -> Option<i32> {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).expect("a pid"));
        kill(pid, Signal::SIGINT).expect("it lives");
        self.0.wait().expect("it ends").code()
    }
}

#[test]
fn pods_are_reached_from_the_host_as_with_kubectl() {
    let mesh = pods_alone("reached");
    mesh.applied(GREETER);
    let pods = mesh.ready("default", "k8s-combat-service", 3, 1);

    let mut forward = Running::start(
        &mesh,
        &[
            "port-forward",
            "service/k8s-combat-service",
            ":app",
            ":50051",
        ],
    );
    let first = forward.line();
    let port: u16 = first
        .strip_prefix("Forwarding from 127.0.0.1:")
        .and_then(|rest| rest.strip_suffix(" -> 8081"))
        .and_then(|port| port.parse().ok())
        .unwrap_or_else(|| panic!("{first}"));
    assert_eq!(ping(port).expect("an answer"), "pong");
    let handled = format!("Handling connection for {port}");
    let mut more = vec![];
    while more.last() != Some(&handled) {
        more.push(forward.line());
    }
    assert!(
        more.iter().any(|line| line.ends_with(" -> 50051")),
        "{more:?}"
    );
    assert_eq!(forward.interrupt(), Some(0));
    assert!(ping(port).is_err(), "nothing listens any more");

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = listener.local_addr().expect("an address").port();
    let pair = format!("{taken}:8081");
    let refused = mesh.lateen(&["port-forward", &pods[0], &pair, "--address", "127.0.0.1"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for said in [
        format!(
            "Unable to listen on port {taken}: Listeners failed to create with the following errors"
        ),
        format!("error: unable to listen on any of the requested ports: [{{{taken} 8081}}]"),
    ] {
        assert!(refused.stderr.contains(&said), "{said}: {refused:?}");
    }

    // The port of the article's Service, from outside.
    mesh.applied(
        "apiVersion: v1\nkind: Service\nmetadata: {name: outside}\nspec:\n  type: NodePort\n  selector: {app: k8s-combat-service}\n  ports: [{name: app, port: 8081}]\n",
    );
    let given = eventually("a node port", || {
        let port = mesh.ok(&[
            "get",
            "service",
            "outside",
            "-o",
            "jsonpath={.spec.ports[0].nodePort}",
        ]);
        port.parse::<u16>().map_err(|_| port)
    });
    assert!((30_000..32_768).contains(&given), "{given}");
    pings(given);
    let described = mesh.ok(&["describe", "service", "outside"]);
    assert!(
        described.contains(&format!("NodePort:                 app  {given}/TCP\n")),
        "{described}"
    );
}

#[test]
fn what_happens_is_told_as_kubectl_tells_it() {
    let mesh = pods_alone("told");
    let mut watch = Running::start(&mesh, &["get", "events", "-w"]);
    mesh.applied(GREETER);
    assert!(watch.line().starts_with("LAST SEEN   TYPE     REASON"));
    let first = watch.line();
    assert!(first.contains("ScalingReplicaSet"), "{first}");
    let pods = mesh.ready("default", "k8s-combat-service", 3, 1);
    let pod = pods[0].as_str();

    let described = mesh.ok(&["describe", "pod", pod]);
    for line in [
        "    Limits:\n      cpu:     1\n      memory:  100Mi\n    Requests:\n      cpu:        0.1\n      memory:     10Mi\n",
        "QoS Class:                    Burstable\n",
    ] {
        assert!(described.contains(line), "{line:?} in {described}");
    }
    // How wide the columns are depends on what else happened, such as a slow probe.
    assert!(
        described
            .lines()
            .any(|line| line.starts_with("  Normal") && line.contains(" Started ")),
        "{described}"
    );
    let names = mesh.ok(&[
        "get",
        "pods",
        "-o",
        "custom-columns=N:.metadata.name",
        "--no-headers",
    ]);
    assert_eq!(names.lines().collect::<Vec<_>>(), pods);
    let logs = mesh.ok(&[
        "logs",
        "-l",
        "app=k8s-combat-service",
        "--prefix",
        "--tail",
        "1",
    ]);
    for pod in &pods {
        let prefix = format!("[pod/{pod}/k8s-combat-service] ");
        assert!(logs.lines().any(|line| line.starts_with(&prefix)), "{logs}");
    }
    eventually("usage", || {
        let top = mesh.ok(&["top", "pod", pod]);
        let mut lines = top.lines();
        let heading = lines
            .next()
            .is_some_and(|line| line.ends_with("CPU(cores)   MEMORY(bytes)"));
        let used = lines
            .next()
            .is_some_and(|line| line.ends_with("Mi") && !line.ends_with(" 0Mi"));
        if heading && used { Ok(()) } else { Err(top) }
    });
    watch.interrupt();

    // Back to what was before.
    let image = |mesh: &Mesh| {
        mesh.ok(&[
            "get",
            "deployment",
            "k8s-combat-service",
            "-o",
            "jsonpath={.spec.template.metadata.annotations.kubectl\\.kubernetes\\.io/restartedAt}",
        ])
    };
    mesh.ok(&["rollout", "restart", "deployment/k8s-combat-service"]);
    assert_ne!(image(&mesh), "");
    eventually("two revisions", || {
        let history = mesh.ok(&["rollout", "history", "deployment/k8s-combat-service"]);
        match history.ends_with("REVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n\n") {
            true => Ok(()),
            false => Err(history),
        }
    });
    let undone = mesh.ok(&["rollout", "undo", "deployment/k8s-combat-service"]);
    assert_eq!(undone, "deployment.apps/k8s-combat-service rolled back\n");
    assert_eq!(image(&mesh), "");
    let unknown: Ran = mesh.lateen(&["get", "pods", "-o", "nonsense"]);
    assert!(
        unknown
            .stderr
            .contains("unable to match a printer suitable for the output format \"nonsense\""),
        "{unknown:?}"
    );
}

#[test]
fn a_job_in_the_mesh_completes_with_its_sidecar() {
    let mesh = Mesh::up_on_our_own("job").labelled();
    mesh.applied(GREETER);
    mesh.ready("default", "k8s-combat-service", 3, 2);
    mesh.applied(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: greet}\nspec:\n  template:\n    spec:\n      restartPolicy: OnFailure\n      containers:\n      - name: client\n        image: crossoverjie/k8s-combat:istio\n        command: [/usr/local/bin/greeter-client, --requests, \"30\", \"k8s-combat-service:50051\"]\n",
    );
    eventually("the Job to complete", || {
        let table = mesh.ok(&["get", "jobs", "--no-headers"]);
        let words: Vec<&str> = table.split_whitespace().collect();
        match words.get(..3) {
            Some(["greet", "Complete", "1/1"]) => Ok(()),
            _ => Err(table + &mesh.ok(&["describe", "pods", "-l", "job-name=greet"])),
        }
    });
    eventually("its sidecar to end", || {
        let ended = mesh.ok(&[
            "get",
            "pods",
            "-l",
            "job-name=greet",
            "-o",
            "jsonpath={.items[0].status.initContainerStatuses[?(@.name=='istio-proxy')].state.terminated.exitCode}",
        ]);
        if ended == "0" { Ok(()) } else { Err(ended) }
    });
    let log = mesh.ok(&["logs", "job/greet", "-c", "client"]);
    assert!(log.contains("30"), "{log}");
}
