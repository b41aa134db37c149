//! The data plane: workers that take connections and requests and carry them where the compiled configuration says.
//!
//! The life of a request, phase by phase, is in docs/design/dataplane.md; `worker` has a file for each.

mod arrivals;
mod codec;
mod conn;
mod date;
mod deadlines;
mod held;
mod logs;
mod peer;
mod random;
mod report;
mod stream;
mod subject;
mod telemetry;
mod timers;
mod tls;
mod upstream;
mod wire;
mod worker;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arrivals::Arrivals;
use graph::Graph;
use mio::{Poll, Token, Waker};

pub use held::Held;
pub use report::{ClusterReport, HostReport};
pub use telemetry::Telemetry;
use worker::{Message, OpenConnections, Worker};

/// The running data plane. Dropped, it stops.
#[derive(Debug)]
pub struct DataPlane {
    workers: Vec<Handle>,
    writer: Option<JoinHandle<()>>,
    open: OpenConnections,
}

/// How long a worker's report is waited for: turns are far shorter.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Handle {
    to: Sender<Message>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl DataPlane {
    /// Starts so many workers (at least one); they listen once a configuration is published. They count into
    /// `telemetry`, whose registry has a share for each of them.
    ///
    /// # Errors
    /// No thread, or no way to wait for sockets.
    pub fn start(workers: u32, telemetry: &Arc<Telemetry>) -> io::Result<Self> {
        let writer = logs::Writer::new();
        let seed = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(1, |d| d.as_nanos() as u64);
        let open = OpenConnections::default();
        let mut handles = Vec::new();
        for number in 0..workers.max(1) {
            let poll = Poll::new()?;
            let waker = Waker::new(poll.registry(), Token(usize::MAX))?;
            let (to, inbox) = channel();
            let lines = writer.lines();
            let open = open.clone();
            let telemetry = telemetry.clone();
            let seed = seed ^ (u64::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let thread = std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || {
                    let thread = number as usize;
                    Worker::new(poll, inbox, lines, open, seed, telemetry, thread).run();
                })?;
            handles.push(Handle {
                to,
                waker,
                thread: Some(thread),
            });
        }
        let writer = std::thread::Builder::new()
            .name("access-logs".to_owned())
            .spawn(move || writer.run())?;
        Ok(DataPlane {
            workers: handles,
            writer: Some(writer),
            open,
        })
    }

    /// Gives all workers a new configuration.
    pub fn publish(&self, graph: &Arc<Graph>) {
        let arrivals = Arc::new(Arrivals::of(graph));
        self.tell(|| Message::Graph(graph.clone(), arrivals.clone()));
    }

    /// Announces to clients that their connections end (GOAWAY, `connection: close`); what is under way goes on.
    pub fn drain(&self, inbound_only: bool) {
        self.tell(|| Message::Drain { inbound_only });
    }

    /// Takes no connections any more and returns once no request is under way, or after `within`: clients have been told
    /// by then which of their requests were never looked at. Connections of bytes are cut.
    pub fn leave(&self, within: Duration) {
        let (done, left) = channel::<()>();
        self.tell(|| Message::Leave(within, done.clone()));
        drop(done);
        // Each worker drops its sender as it ends.
        let _ = left.recv_timeout(within + PATIENCE);
    }

    /// Connections of clients that are open now, of inbound and of outbound listeners.
    #[must_use]
    pub fn open_connections(&self) -> [u64; 2] {
        [&self.open.inbound, &self.open.outbound].map(|n| n.load(Ordering::Relaxed))
    }

    /// What the workers know of the endpoints of clusters, each its own part. Waits until they have told, a second at
    /// most: not for threads that must not wait.
    #[must_use]
    pub fn report(&self) -> Vec<ClusterReport> {
        let (to, told) = channel();
        self.tell(|| Message::Report(to.clone()));
        drop(to);
        let end = Instant::now() + PATIENCE;
        let mut reports = Vec::new();
        while let Ok(report) = told.recv_timeout(end.saturating_duration_since(Instant::now())) {
            reports.extend(report);
        }
        reports
    }

    /// What the workers hold now. A worker that does not answer within a second is left out.
    #[must_use]
    pub fn held(&self) -> Held {
        let (to, from) = channel();
        self.tell(|| Message::Held(to.clone()));
        drop(to);
        let mut whole = Held::default();
        for _ in &self.workers {
            if let Ok(held) = from.recv_timeout(Duration::from_secs(1)) {
                whole += held;
            }
        }
        whole
    }

    fn tell(&self, message: impl Fn() -> Message) {
        for worker in &self.workers {
            // A worker that is gone takes nothing; there is nothing to be done about it here.
            if worker.to.send(message()).is_ok() {
                let _ = worker.waker.wake();
            }
        }
    }
}

impl Drop for DataPlane {
    fn drop(&mut self) {
        self.tell(|| Message::Stop);
        for worker in &mut self.workers {
            if let Some(thread) = worker.thread.take() {
                let _ = thread.join();
            }
        }
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}
