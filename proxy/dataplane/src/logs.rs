//! Access-log lines: collected by each worker, written by one thread.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Bytes that a worker collects before it hands them over without waiting for the second to end.
const FULL: usize = 64 << 10;
/// Hand-overs that may wait for the writer. Beyond it lines are dropped, and that is logged: a slow disk must not stop
/// traffic.
const WAITING: usize = 64;

type Batch = (Arc<str>, Vec<u8>);

/// The lines of one worker.
#[derive(Debug)]
pub(crate) struct Lines {
    by_path: Vec<Batch>,
    to: SyncSender<Batch>,
    /// A time is set at which they are handed over. One at most: full hand-overs between must not leave more behind.
    timed: bool,
}

impl Lines {
    /// Renders a line for `path`.
    pub(crate) fn add(&mut self, path: &Arc<str>, render: impl FnOnce(&mut Vec<u8>)) {
        if let Some((_, bytes)) = self.by_path.iter_mut().find(|(p, _)| p == path) {
            return render(bytes);
        }
        let mut bytes = Vec::with_capacity(FULL);
        render(&mut bytes);
        self.by_path.push((path.clone(), bytes));
    }

    pub(crate) fn is_full(&self) -> bool {
        self.by_path.iter().any(|(_, bytes)| bytes.len() >= FULL)
    }

    /// Whether lines wait and nobody has set a time for them: whoever asks does it now.
    pub(crate) fn ask_for_time(&mut self) -> bool {
        let waiting = self.by_path.iter().any(|(_, bytes)| !bytes.is_empty());
        waiting && !std::mem::replace(&mut self.timed, true)
    }

    /// The time that was set is over.
    pub(crate) fn time_is_over(&mut self) {
        self.timed = false;
        self.flush();
    }

    /// Hands over what there is.
    pub(crate) fn flush(&mut self) {
        for (path, bytes) in &mut self.by_path {
            if bytes.is_empty() {
                continue;
            }
            let batch = std::mem::replace(bytes, Vec::with_capacity(FULL));
            if let Err(TrySendError::Full((_, batch)) | TrySendError::Disconnected((_, batch))) =
                self.to.try_send((path.clone(), batch))
            {
                let lines = batch.iter().filter(|b| **b == b'\n').count();
                tracing::warn!(
                    "access log {path}: {lines} lines are lost: it is written too slowly"
                );
            }
        }
    }
}

/// The writer of all workers' lines.
#[derive(Debug)]
pub(crate) struct Writer {
    from: Receiver<Batch>,
    to: SyncSender<Batch>,
}

impl Writer {
    pub(crate) fn new() -> Self {
        let (to, from) = sync_channel(WAITING);
        Writer { from, to }
    }

    /// The lines of one more worker.
    pub(crate) fn lines(&self) -> Lines {
        Lines {
            by_path: Vec::new(),
            to: self.to.clone(),
            timed: false,
        }
    }

    /// Writes until all workers are gone.
    pub(crate) fn run(self) {
        let Writer { from, to } = self;
        drop(to);
        let mut files: HashMap<Arc<str>, Option<File>> = HashMap::new();
        for (path, bytes) in from {
            let file = files.entry(path).or_insert_with_key(|path| open(path));
            if let Some(file) = file
                && let Err(error) = file.write_all(&bytes)
            {
                tracing::warn!(
                    "access log: {error}; its lines are lost until it can be written again"
                );
            }
        }
    }
}

fn open(path: &str) -> Option<File> {
    let opened = match path {
        "/dev/stdout" => duplicate(std::io::stdout()),
        "/dev/stderr" => duplicate(std::io::stderr()),
        path => File::options().append(true).create(true).open(path),
    };
    opened
        .inspect_err(|error| tracing::error!("access log {path}: {error}; it is not written"))
        .ok()
}

/// A pipe or file behind a standard stream, without the stream's own buffer and lock.
fn duplicate(stream: impl std::os::fd::AsFd) -> std::io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_time_at_most_is_set_for_lines_that_wait() {
        let mut lines = Writer::new().lines();
        assert!(!lines.ask_for_time());
        let path: Arc<str> = "log".into();
        lines.add(&path, |line| line.extend_from_slice(b"one\n"));
        assert!(lines.ask_for_time());
        // As when the buffer is full.
        lines.flush();
        lines.add(&path, |line| line.extend_from_slice(b"two\n"));
        assert!(!lines.ask_for_time());
        lines.time_is_over();
        lines.add(&path, |line| line.extend_from_slice(b"three\n"));
        assert!(lines.ask_for_time());
    }
}
