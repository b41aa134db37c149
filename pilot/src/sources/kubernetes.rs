//! A cluster's API server as a source: one informer for each kind, which lists and then watches it
//! for as long as the pilot lives.
//!
//! What an informer was told stays known until the API server says otherwise: a watch that breaks, an
//! API server that is gone, and objects that cannot be read take nothing away. After any failure the
//! kind is listed anew and compared with what is known, so only what differs goes on from here.

mod cache;
mod informer;
mod kinds;
mod read;
mod received;
mod slim;
mod status;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::Client;
use resources::problem::Problem;
use resources::yaml::{RawKey, RawObject};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use cache::Cache;
pub use kinds::{Kind, kinds};
use status::{State, Statuses};

/// How problems and log lines name this source.
const SOURCE: &str = "Kubernetes";

/// The objects that differ from the last look: `None` for those that are gone.
pub type Changes = BTreeMap<RawKey, Option<Arc<RawObject>>>;

/// What is known of a cluster, kept up to date by its informers.
#[derive(Debug)]
pub struct Cluster {
    kinds: Vec<Kind>,
    cache: Mutex<Cache>,
    statuses: Mutex<Statuses>,
    changed: Notify,
}

impl Cluster {
    /// A cluster of which these kinds are read, and nothing is known yet.
    pub fn new(kinds: Vec<Kind>) -> Self {
        Self {
            cache: Mutex::new(Cache::new(kinds.len())),
            statuses: Mutex::new(Statuses::new(kinds.len())),
            changed: Notify::new(),
            kinds,
        }
    }

    /// Follows every kind until `shutdown`.
    pub async fn follow(self: Arc<Self>, client: Client, shutdown: CancellationToken) {
        let informers = (0..self.kinds.len()).map(|number| {
            let cluster = self.clone();
            informer::run(cluster, number, client.clone())
        });
        let all = futures::future::join_all(informers);
        tokio::select! {
            () = shutdown.cancelled() => {}
            _ = all => {}
            () = status::report(&self) => {}
        }
    }

    /// Whether every kind was listed at least once, or is known not to be installed.
    pub fn is_synced(&self) -> bool {
        self.statuses().is_synced()
    }

    /// The kinds that were not listed yet, with what is in the way of each; empty where all were.
    pub fn waits_for(&self) -> String {
        self.statuses().waits_for(&self.kinds)
    }

    /// Takes what changed since this was called last.
    pub fn take(&self) -> Changes {
        self.cache().take()
    }

    /// Objects that the API server gave and that are none.
    pub fn problems(&self) -> Vec<Problem> {
        self.cache().problems()
    }

    /// Waits until there may be something to take. Safe to drop while waiting.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn kind(&self, number: usize) -> Option<&Kind> {
        self.kinds.get(number)
    }

    /// Changes what is known, and says so to whoever waits for it.
    fn learn(&self, change: impl FnOnce(&mut Cache) -> bool) {
        if change(&mut self.cache()) {
            self.changed.notify_one();
        }
    }

    /// Notes how an informer fares. The last one that has synced makes everything known ready to be
    /// taken.
    fn fares(&self, number: usize, state: State) {
        let Some(kind) = self.kinds.get(number) else {
            return;
        };
        let (was, is) = {
            let mut statuses = self.statuses();
            let was = statuses.is_synced();
            statuses.set(number, kind, state);
            (was, statuses.is_synced())
        };
        if is && !was {
            tracing::info!("{}", self.statuses().summary(&self.kinds));
            self.changed.notify_one();
        }
    }

    // A panic while one of these is held leaves a value that is whole: each change is one call.
    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn statuses(&self) -> MutexGuard<'_, Statuses> {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
