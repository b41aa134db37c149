//! What a pod's status shows when several containers change at the same moment.

use std::sync::{Arc, Barrier};

use serde_json::json;

use super::{Fake, Images, Key, Node, NodeParts, Signer, Store};
use crate::kubelet::pod::Pod;
use crate::object::list;

#[test]
fn containers_that_become_ready_at_once_are_all_shown_ready() {
    const CONTAINERS: usize = 4;
    const ROUNDS: usize = 3000;
    process::crypto::install();
    let state = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::default());
    let names: Vec<String> = (0..CONTAINERS).map(|n| format!("c{n}")).collect();
    let containers: Vec<_> = names
        .iter()
        .map(|name| json!({"name": name, "image": "app"}))
        .collect();
    store
        .create(json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "p", "namespace": "default"}, "spec": {"containers": containers}}))
        .unwrap();
    let key = Key::core("Pod", "default", "p");
    let node = Arc::new(Node::new(NodeParts {
        name: "n".into(),
        store: Arc::clone(&store),
        runtime: Arc::new(Fake::default()),
        images: Images::default(),
        signer: Arc::new(Signer::generate().unwrap()),
        envoy: None,
        state: state.path().to_owned(),
        domain: "cluster.local".into(),
    }));
    let pod = Pod::new(node, key.clone(), store.get(&key).unwrap());
    let start = Barrier::new(CONTAINERS);
    for round in 0..ROUNDS {
        let ready = round % 2 == 0;
        std::thread::scope(|scope| {
            for name in &names {
                let (pod, start) = (&pod, &start);
                scope.spawn(move || {
                    start.wait();
                    pod.record(name, |record| record.ready = ready);
                });
            }
        });
        let shown = store.get(&key).unwrap();
        let all = list(&shown, "/status/containerStatuses")
            .iter()
            .all(|status| status["ready"] == ready);
        assert!(all, "round {round}: {:?}", shown["status"]);
    }
}
