//! Steady requests from inside a pod, for as long as a test wants them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;

use super::harness::{Mesh, Report, eventually};

/// Batches of requests, four at a time, one batch after the other.
pub(super) struct Traffic<'scope> {
    sender: ScopedJoinHandle<'scope, Report>,
    flow: &'scope Flow,
}

/// What a test and its sender tell each other.
#[derive(Default)]
pub(super) struct Flow {
    over: AtomicBool,
    batches: AtomicU64,
}

impl<'scope> Traffic<'scope> {
    /// Begins, and returns once requests flow.
    pub(super) fn begin<'env>(
        scope: &'scope std::thread::Scope<'scope, 'env>,
        flow: &'scope Flow,
        mesh: &'scope Mesh,
        pod: &'scope str,
        container: &'scope str,
        target: &'scope str,
    ) -> Self {
        let sender = scope.spawn(move || {
            let mut sum = Report::default();
            while !flow.over.load(Ordering::Relaxed) {
                let arguments = ["--requests", "400", "--concurrency", "4", target];
                sum.add(mesh.greet("default", pod, container, &arguments));
                flow.batches.fetch_add(1, Ordering::Relaxed);
            }
            sum
        });
        let traffic = Self { sender, flow };
        traffic.goes_on();
        traffic
    }

    /// Waits until two more batches are through: the second began after this call.
    pub(super) fn goes_on(&self) {
        let seen = self.flow.batches.load(Ordering::Relaxed);
        eventually("traffic to go on", || {
            assert!(!self.sender.is_finished(), "the sender has failed");
            match self.flow.batches.load(Ordering::Relaxed) {
                now if now >= seen + 2 => Ok(()),
                now => Err(format!("{now} batches, {seen} before")),
            }
        });
    }

    /// Ends it; what came of all requests.
    pub(super) fn end(self) -> Report {
        self.flow.over.store(true, Ordering::Relaxed);
        self.sender.join().expect("the sender reports")
    }
}

/// Ends the traffic of a test that fails, which would otherwise wait for it for ever.
pub(super) struct EndsWith<'a>(pub(super) &'a Flow);

impl Drop for EndsWith<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}
