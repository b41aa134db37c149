//! The world as it is served now: replaced whole, read without waiting.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use resources::problem::Problem;
use resources::yaml::RawObject;
use tokio::sync::watch;
use translate::Snapshot;

/// One state of the world.
#[derive(Debug, Clone)]
pub struct Published {
    /// What is translated.
    pub snapshot: Arc<Snapshot>,
    /// Counted up with every snapshot.
    pub number: u64,
    /// When the first change of those that led to the snapshot was seen.
    pub changed_at: Instant,
    /// When it was ready to be sent.
    pub published_at: Instant,
    /// The objects as they were given, for debug pages.
    pub objects: Arc<[Arc<RawObject>]>,
    /// What is wrong with the input.
    pub problems: Arc<[Problem]>,
}

/// The current state, and who waits for the next.
#[derive(Debug)]
pub struct World {
    current: ArcSwap<Published>,
    numbers: watch::Sender<u64>,
    loaded: watch::Sender<bool>,
}

impl World {
    /// A world of which nothing is known yet.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        let empty = Published {
            snapshot,
            number: 0,
            changed_at: Instant::now(),
            published_at: Instant::now(),
            objects: Arc::new([]),
            problems: Arc::new([]),
        };
        Self {
            current: ArcSwap::from_pointee(empty),
            numbers: watch::Sender::new(0),
            loaded: watch::Sender::new(false),
        }
    }

    /// The state now.
    pub fn now(&self) -> Arc<Published> {
        self.current.load_full()
    }

    /// Whether the sources were read at least once.
    pub fn is_loaded(&self) -> bool {
        *self.loaded.borrow()
    }

    /// Waits until the sources were read once.
    pub async fn loaded(&self) {
        // The sender is this world's own, so there is one for as long as this waits.
        let _ = self.loaded.subscribe().wait_for(|loaded| *loaded).await;
    }

    /// Changes with every new snapshot.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.numbers.subscribe()
    }

    /// Replaces the state. Those who wait for changes hear of it only if the snapshot is another.
    pub fn publish(
        &self,
        snapshot: &Arc<Snapshot>,
        changed_at: Instant,
        objects: Arc<[Arc<RawObject>]>,
        problems: Arc<[Problem]>,
    ) {
        let before = self.now();
        let is_new = !Arc::ptr_eq(&before.snapshot, snapshot);
        let number = before.number + u64::from(is_new);
        self.current.store(Arc::new(Published {
            snapshot: snapshot.clone(),
            number,
            changed_at: if is_new {
                changed_at
            } else {
                before.changed_at
            },
            published_at: if is_new {
                Instant::now()
            } else {
                before.published_at
            },
            objects,
            problems,
        }));
        self.loaded.send_replace(true);
        if is_new {
            self.numbers.send_replace(number);
        }
    }
}
