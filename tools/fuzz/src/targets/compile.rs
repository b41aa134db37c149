//! xDS resources of any content: refused with a reason and nothing else changed, or taken.

use std::sync::Arc;

use bytes::Bytes;
use compile::{Compiler, Update, Upsert};
use xds::TypeUrl;

use crate::input::Input;

const KINDS: &[TypeUrl] = &[
    TypeUrl::Listener,
    TypeUrl::Route,
    TypeUrl::Cluster,
    TypeUrl::Endpoints,
    TypeUrl::Secret,
];

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut compiler = Compiler::new();
    while !input.is_empty() {
        let kind = input.pick(KINDS);
        let name: Arc<str> = String::from_utf8_lossy(input.piece()).into();
        let body = Bytes::copy_from_slice(input.long_piece());
        let update = Update {
            kind,
            upserts: vec![Upsert {
                name: name.clone(),
                body,
            }],
            removals: Vec::new(),
        };
        let before = compiler.graph();
        let outcome = compiler.apply(update.clone());
        let after = compiler.graph();
        assert_eq!(outcome.accepted.len() + outcome.rejected.len(), 1);
        if let Some(rejection) = outcome.rejected.first() {
            assert!(!rejection.message.is_empty());
            assert!(
                same(&before, &after),
                "{name} was refused: {}",
                rejection.message
            );
        } else {
            // What was taken is taken again, and changes nothing.
            let again = compiler.apply(update);
            assert_eq!(again.rejected, []);
            assert_eq!(again.warnings, outcome.warnings);
            assert!(same(&after, &compiler.graph()), "{name} again");
        }
        let _ = compiler.awaiting();
    }
}

/// The clusters and listeners that there are. A name that was only seen may have a place, which stays empty.
fn same(before: &graph::Graph, after: &graph::Graph) -> bool {
    let there = |graph: &graph::Graph| -> Vec<usize> {
        let clusters = graph.clusters.iter().enumerate();
        clusters
            .filter_map(|(at, c)| c.as_ref().map(|_| at))
            .collect()
    };
    there(before) == there(after) && before.listeners.len() == after.listeners.len()
}
