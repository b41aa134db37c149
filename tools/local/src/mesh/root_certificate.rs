//! The mesh's root certificate: from the ca's directory on the node to the ConfigMap that the namespace
//! controller copies everywhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::controller::namespace::{SYSTEM_NAMESPACE, root_config_map};
use crate::object::Key;
use crate::store::Store;

/// Where the ca writes it, on the node.
const FILE: &str = "var/lib/lateen/ca/root-cert.pem";
/// Pods cannot start before it is there.
const WHILE_MISSING: Duration = Duration::from_millis(100);
/// Roots change rarely.
const ONCE_THERE: Duration = Duration::from_secs(5);

/// Follows the file for as long as the task lives.
pub(super) async fn run(store: Arc<Store>, node_root: PathBuf) {
    let path = node_root.join(FILE);
    loop {
        let there = publish(&store, &path).await;
        tokio::time::sleep(if there { ONCE_THERE } else { WHILE_MISSING }).await;
    }
}

async fn publish(store: &Store, path: &Path) -> bool {
    let Ok(pem) = tokio::fs::read_to_string(path).await else {
        return false;
    };
    // Half a file has no end marker yet.
    if !pem.trim_end().ends_with("-----END CERTIFICATE-----") {
        return false;
    }
    let namespace = Key::core("Namespace", "", SYSTEM_NAMESPACE);
    if store.get(&namespace).is_none() {
        return false;
    }
    let object = root_config_map(SYSTEM_NAMESPACE, json!({"root-cert.pem": pem}));
    if let Err(error) = store.put(object) {
        tracing::error!(%error, "cannot publish the root certificate");
    }
    true
}
