//! Configuration that changes while requests pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::failure::{Doing, Failure};
use crate::mesh::{Objects, Publisher};

/// A thread that changes configuration; it ends with this.
pub(crate) struct Changes {
    publishers: Arc<Vec<Publisher>>,
    accepted_before: u64,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), Failure>>>,
}

impl Changes {
    /// Changes what the proxies behind these publishers are served, so many times a second.
    pub(crate) fn start(
        objects: Objects,
        publishers: Vec<Publisher>,
        per_second: u32,
    ) -> Result<Self, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let publishers = Arc::new(publishers);
        let (asked, all) = (stop.clone(), publishers.clone());
        let interval = Duration::from_secs(1) / per_second.max(1);
        let thread = std::thread::Builder::new()
            .name("changes".to_owned())
            .spawn(move || {
                let mut due = Instant::now();
                for n in 0.. {
                    if asked.load(Ordering::Relaxed) {
                        break;
                    }
                    let changes = objects.change(n)?;
                    for publisher in all.iter() {
                        publisher.publish(&changes);
                    }
                    due += interval;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                }
                Ok(())
            })
            .doing("a thread")?;
        let accepted_before = accepted(&publishers);
        Ok(Changes {
            publishers,
            accepted_before,
            stop,
            thread: Some(thread),
        })
    }

    /// Ends them; an error where a proxy took none.
    pub(crate) fn end(mut self) -> Result<(), Failure> {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread
                .join()
                .map_err(|_| Failure("the thread that changes configuration broke".to_owned()))??;
        }
        if accepted(&self.publishers) > self.accepted_before {
            Ok(())
        } else {
            Err(Failure(
                "no proxy took a change of configuration".to_owned(),
            ))
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn accepted(publishers: &[Publisher]) -> u64 {
    publishers.iter().map(Publisher::accepted).sum()
}
