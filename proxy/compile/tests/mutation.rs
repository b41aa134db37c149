//! Bytes that went wrong: no panic, and what was good goes on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod mesh;

use std::sync::Arc;

use bytes::Bytes;
use compile::{Update, Upsert};
use mesh::{Authority, BACKWARDS, ready, resources, snapshot};

/// A sequence that is the same in every run (Marsaglia's xorshift).
struct Draws(u64);

impl Draws {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }
}

fn mutate(body: &[u8], draws: &mut Draws) -> Vec<u8> {
    let mut bytes = body.to_vec();
    for _ in 0..=draws.next(4) {
        let at = draws.next(bytes.len());
        match draws.next(5) {
            0 => bytes[at] ^= 1 << draws.next(8),
            1 => bytes[at] = draws.next(256) as u8,
            2 => bytes.truncate(at.max(1)),
            3 => bytes.insert(at, draws.next(256) as u8),
            _ => {
                let end = (at + draws.next(32)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

#[test]
fn damaged_resources_never_panic_and_a_refused_one_leaves_the_graph_as_it_was() {
    let mut compiler = ready(&Authority::new());
    let mut draws = Draws(0x9e37_79b9_7f4a_7c15);
    let mut refused = 0;
    let mut taken = 0;
    for kind in BACKWARDS {
        for resource in resources(&snapshot(), kind) {
            for _ in 0..60 {
                let before = compiler.graph();
                let outcome = compiler.apply(Update {
                    kind,
                    upserts: vec![Upsert {
                        name: resource.name.clone(),
                        body: Bytes::from(mutate(&resource.body, &mut draws)),
                    }],
                    removals: Vec::new(),
                });
                let after = compiler.graph();
                if outcome.rejected.is_empty() {
                    taken += 1;
                    continue;
                }
                refused += 1;
                assert!(!outcome.rejected[0].message.is_empty());
                let same = before
                    .clusters
                    .iter()
                    .flatten()
                    .zip(after.clusters.iter().flatten())
                    .all(|(a, b)| Arc::ptr_eq(a, b));
                assert!(same && before.listeners.len() == after.listeners.len());
                let same = before
                    .listeners
                    .iter()
                    .zip(&after.listeners)
                    .all(|(a, b)| Arc::ptr_eq(a, b));
                assert!(same);
            }
        }
    }
    assert!(
        refused > 100 && taken > 100,
        "{refused} refused, {taken} taken"
    );
}
