//! The kubelet: runs the pods of this one node.

pub mod container;
pub mod end;
pub mod env;
pub mod envoy;
pub mod facts;
pub mod hook;
pub mod image;
pub mod node;
pub mod pod;
pub mod probe;
pub mod quantity;
pub mod runtime;
pub mod start;
pub mod status;
pub mod supervise;
pub mod volume;

use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::object::{is_terminating, uid};
use crate::pace;
use node::Node;
use pod::Pod;

/// Runs every pod in the store until `stop`; then ends them all and returns.
pub async fn run(node: Arc<Node>, stop: CancellationToken) {
    let mut objects = node.store.subscribe();
    let mut pods = JoinSet::new();
    loop {
        let began = Instant::now();
        sync(&node, &mut pods);
        pace::rest(began).await;
        tokio::select! {
            changed = objects.changed() => if changed.is_err() { break },
            Some(_) = pods.join_next() => {}
            () = stop.cancelled() => break,
        }
    }
    for pod in node.pods() {
        pod.end();
    }
    while pods.join_next().await.is_some() {}
}

/// Starts what is new and ends what is to be deleted.
fn sync(node: &Arc<Node>, pods: &mut JoinSet<()>) {
    let view = node.store.view();
    for (key, object) in view.of_kind("", "Pod") {
        match node.pod(uid(object)) {
            Some(pod) if is_terminating(object) => pod.end(),
            Some(_) => {}
            None => {
                let pod = Arc::new(Pod::new(Arc::clone(node), key.clone(), Arc::clone(object)));
                if is_terminating(object) {
                    pod.end();
                }
                node.add(Arc::clone(&pod));
                pods.spawn(pod.run());
            }
        }
    }
    // A pod that was taken out of the store behind the kubelet's back ends too.
    for pod in node.pods() {
        if view
            .get(&pod.key)
            .is_none_or(|object| uid(object) != pod.uid())
        {
            pod.end();
        }
    }
}

#[cfg(test)]
mod tests;
