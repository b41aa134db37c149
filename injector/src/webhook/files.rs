//! Files that are read again when their content changes. Kubernetes replaces mounted files behind
//! a symbolic link, where change notifications are missed; comparing contents sees every way.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How often contents are compared.
const INTERVAL: Duration = Duration::from_secs(2);
/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// A configured file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct ReadError {
    path: PathBuf,
    source: std::io::Error,
}

pub(super) fn read(path: &Path) -> Result<String, ReadError> {
    let failed = |source| ReadError {
        path: path.to_path_buf(),
        source,
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_FILE)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text)
}

/// Calls `changed` with all contents whenever one of them is another than before. A file that
/// cannot be read is as if unchanged: it is being replaced, or the last good content goes on.
pub(super) async fn watch(
    paths: Vec<PathBuf>,
    mut before: Vec<String>,
    shutdown: CancellationToken,
    mut changed: impl FnMut(&[String]),
) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let paths = paths.clone();
        let now = tokio::task::spawn_blocking(move || {
            let contents = paths.iter().map(|path| read(path));
            contents.collect::<Result<Vec<String>, ReadError>>()
        });
        match now.await {
            Ok(Ok(now)) if now != before => {
                changed(&now);
                before = now;
            }
            Ok(Ok(_)) | Err(_) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last good content goes on"),
        }
    }
}
