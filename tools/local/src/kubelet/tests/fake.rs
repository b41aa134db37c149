//! A runtime in memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use nix::sys::signal::Signal;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::kubelet::runtime::{
    End, Execution, Forward, ImageContent, Program, Running, Runtime, RuntimeError, Start, Usage,
};

#[derive(Default)]
pub(super) struct Fake(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    events: Vec<String>,
    started: Vec<String>,
    signals: Vec<(String, Signal)>,
    pods: BTreeSet<String>,
    /// Statuses with which the first runs of a container end by themselves.
    exits: BTreeMap<String, VecDeque<End>>,
    serves: BTreeMap<u16, u16>,
    answers: VecDeque<i32>,
    stubborn: BTreeSet<String>,
    /// Containers that take so long to start.
    slow: BTreeMap<String, Duration>,
}

impl Fake {
    pub(super) fn exits(&self, container: &str, codes: &[i32]) {
        let codes = codes
            .iter()
            .map(|code| End {
                code: *code,
                out_of_memory: false,
            })
            .collect();
        self.0
            .lock()
            .unwrap()
            .exits
            .insert(container.to_owned(), codes);
    }

    /// The container's first run ends for lack of memory.
    pub(super) fn runs_out_of_memory(&self, container: &str) {
        let end = End {
            code: 137,
            out_of_memory: true,
        };
        let mut inner = self.0.lock().unwrap();
        inner
            .exits
            .insert(container.to_owned(), VecDeque::from([end]));
    }

    /// What is asked of a pod's port is asked of this port of the test's own.
    pub(super) fn serves(&self, port: u16, at: u16) {
        self.0.lock().unwrap().serves.insert(port, at);
    }

    /// Statuses of programs executed in containers; then 0.
    pub(super) fn answers(&self, codes: &[i32]) {
        self.0.lock().unwrap().answers = codes.iter().copied().collect();
    }

    pub(super) fn is_stubborn(&self, container: &str) {
        self.0.lock().unwrap().stubborn.insert(container.to_owned());
    }

    pub(super) fn is_slow_to_start(&self, container: &str, time: Duration) {
        self.0
            .lock()
            .unwrap()
            .slow
            .insert(container.to_owned(), time);
    }

    pub(super) fn started(&self) -> Vec<String> {
        self.0.lock().unwrap().started.clone()
    }

    pub(super) fn signals(&self) -> Vec<(String, Signal)> {
        self.0.lock().unwrap().signals.clone()
    }

    pub(super) fn events(&self) -> Vec<String> {
        self.0.lock().unwrap().events.clone()
    }

    pub(super) fn pods(&self) -> usize {
        self.0.lock().unwrap().pods.len()
    }
}

struct FakeContainer {
    name: String,
    inner: Arc<Mutex<Inner>>,
    exit: watch::Sender<Option<End>>,
}

#[async_trait]
impl Runtime for Fake {
    fn host_ip(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 244, 0, 1)
    }

    async fn add_pod(&self, uid: &str) -> Result<Ipv4Addr, RuntimeError> {
        self.0.lock().unwrap().pods.insert(uid.to_owned());
        Ok(Ipv4Addr::new(10, 244, 0, 2))
    }

    async fn remove_pod(&self, uid: &str) {
        self.0.lock().unwrap().pods.remove(uid);
    }

    async fn image(&self, _archive: &Path) -> Result<Arc<ImageContent>, RuntimeError> {
        Ok(Arc::new(ImageContent {
            entrypoint: vec!["/app".into()],
            ..ImageContent::default()
        }))
    }

    async fn start(&self, start: Start) -> Result<Arc<dyn Running>, RuntimeError> {
        // <uid>-<container>-<restart>
        let name = start.id.split('-').nth(1).unwrap().to_owned();
        let slow = self.0.lock().unwrap().slow.get(&name).copied();
        if let Some(time) = slow {
            tokio::time::sleep(time).await;
        }
        std::fs::write(&start.log, "").unwrap();
        let mut inner = self.0.lock().unwrap();
        inner.started.push(name.clone());
        inner.events.push(format!("start {name}"));
        let code = inner.exits.get_mut(&name).and_then(VecDeque::pop_front);
        Ok(Arc::new(FakeContainer {
            name,
            inner: Arc::clone(&self.0),
            exit: watch::Sender::new(code),
        }))
    }

    async fn connect(&self, to: SocketAddr) -> std::io::Result<TcpStream> {
        let at = self.0.lock().unwrap().serves.get(&to.port()).copied();
        match at {
            Some(port) => TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await,
            None => Err(std::io::ErrorKind::ConnectionRefused.into()),
        }
    }

    async fn connect_inside(&self, _uid: &str, port: u16) -> std::io::Result<TcpStream> {
        self.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
            .await
    }

    async fn close(&self) {}

    async fn forward(&self, _forwards: Vec<Forward>) -> Result<(), RuntimeError> {
        Ok(())
    }
}

#[async_trait]
impl Running for FakeContainer {
    async fn exit(&self) -> End {
        let mut exit = self.exit.subscribe();
        exit.wait_for(Option::is_some).await.unwrap().unwrap()
    }

    fn signal(&self, signal: Signal) {
        let mut inner = self.inner.lock().unwrap();
        inner.signals.push((self.name.clone(), signal));
        inner.events.push(format!("{signal} {}", self.name));
        if signal == Signal::SIGKILL || !inner.stubborn.contains(&self.name) {
            self.exit.send_replace(Some(End {
                code: 128 + signal as i32,
                out_of_memory: false,
            }));
        }
    }

    fn unlimited(&self) -> Option<String> {
        None
    }

    fn usage(&self) -> Result<Option<Usage>, RuntimeError> {
        Ok(None)
    }

    async fn exec(&self, program: Program) -> Result<Execution, RuntimeError> {
        let mut inner = self.inner.lock().unwrap();
        inner
            .events
            .push(format!("exec {}", program.args.join(" ")));
        let code = inner.answers.pop_front().unwrap_or(0);
        Ok(Execution {
            stdin: None,
            stdout: Box::new(tokio::io::empty()),
            stderr: Box::new(tokio::io::empty()),
            resize: None,
            exit: Box::pin(async move { Ok(code) }),
        })
    }
}
