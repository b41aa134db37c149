//! Keeps the root that signs in time, without a restart.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use super::Root;
use super::store::RootStore;
use crate::metric;

/// The shortest sleep between two looks, also after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// The root that signs now; another one from the moment of its renewal on.
pub(crate) type CurrentRoot = Arc<ArcSwap<Root>>;

/// Looks at where the root is kept every `interval`, and when the root is due, until shutdown.
pub(crate) async fn keep(
    store: RootStore,
    root: CurrentRoot,
    interval: Duration,
    shutdown: CancellationToken,
) {
    loop {
        let due = store.renewal().due(root.load().validity());
        let left = due.duration_since(SystemTime::now()).unwrap_or_default();
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(left.clamp(PAUSE, interval.max(PAUSE))) => {}
        }
        match store.open(SystemTime::now()).await {
            Ok(found) => take(&root, found),
            Err(error) => {
                tracing::error!(%error, "the root of trust that is kept is not used; signing goes on with the one in memory");
            }
        }
    }
}

fn take(root: &CurrentRoot, found: Root) {
    let current = root.load();
    if found.pem() == current.pem() {
        return;
    }
    if !current.is_of_the_same_key(found.pem()) {
        tracing::error!(
            "another root of trust is kept now: signing goes on with the one in memory until a restart, after which every workload needs a new certificate"
        );
        return;
    }
    metric::root_expires(found.validity().not_after);
    root.store(Arc::new(found));
}
