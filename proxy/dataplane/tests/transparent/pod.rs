//! A pod and the world outside, in network namespaces of their own.

use std::process::Command;
use std::sync::mpsc;
use std::thread;

use clap::Parser;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, gettid, setfsgid};

type Work = Box<dyn FnOnce() + Send>;

/// The calling thread is in the pod; this is the way out.
pub struct Pod {
    outside: mpsc::Sender<Work>,
}

/// Runs in a pod with the address 10.9.0.2, whose link leads to 10.9.0.1 and 10.9.0.3 outside.
pub fn with(body: impl FnOnce(Pod) + Send + 'static) {
    let ran = thread::spawn(|| {
        enter_a_new_namespace();
        let (outside, todo) = mpsc::channel::<Work>();
        let (say, hear) = mpsc::channel();
        thread::spawn(move || {
            enter_a_new_namespace();
            say.send(gettid()).unwrap();
            todo.into_iter().for_each(|work| work());
        });
        let there = format!(
            "/proc/{}/task/{}/ns/net",
            std::process::id(),
            hear.recv().unwrap()
        );
        ip(&format!(
            "link add eth0 type veth peer name out0 netns {there}"
        ));
        ip("addr add 10.9.0.2/24 dev eth0");
        ip("link set eth0 up");
        let pod = Pod { outside };
        pod.outside(|| {
            ip("addr add 10.9.0.1/24 dev out0");
            ip("addr add 10.9.0.3/24 dev out0");
            ip("link set out0 up");
        });
        ip("route add default via 10.9.0.1");
        body(pod);
    });
    if let Err(panic) = ran.join() {
        std::panic::resume_unwind(panic);
    }
}

fn enter_a_new_namespace() {
    unshare(CloneFlags::CLONE_NEWNET).expect("a new network namespace: run this test as root");
    ip("link set lo up");
}

fn ip(arguments: &str) {
    let ran = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .expect("ip (Debian package iproute2) is needed for this test");
    assert!(ran.status.success(), "ip {arguments}: {ran:?}");
}

impl Pod {
    /// Runs in the world outside.
    pub fn outside(&self, body: impl FnOnce() + Send + 'static) {
        let (say, hear) = mpsc::channel();
        let work = move || {
            let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
            say.send(ran).unwrap();
        };
        self.outside.send(Box::new(work)).unwrap();
        if let Err(panic) = hear.recv().unwrap() {
            std::panic::resume_unwind(panic);
        }
    }

    /// Loads the rules that `istio-iptables` makes of these arguments.
    pub fn redirect(&self, arguments: &[&str]) {
        let options = redirect::Options::try_parse_from(["istio-iptables"].iter().chain(arguments));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let streams = redirect::Streams {
            out: &mut out,
            err: &mut err,
        };
        let code = redirect::run_with(&options.unwrap(), streams);
        assert_eq!(code, 0, "{}", String::from_utf8_lossy(&err));
    }
}

/// Runs with the proxy's group for what is opened, sockets too, and as root: so Istio runs proxies in this mode, and the
/// rules let connections to this pod's own address pass for who is not the user 1337.
pub fn as_proxy<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    let work = || {
        setfsgid(Gid::from_raw(1337));
        body()
    };
    let ran = thread::scope(|scope| scope.spawn(work).join());
    ran.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
