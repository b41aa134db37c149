//! The mesh's root certificate: from the ca's directory on the node to the ConfigMap that the namespace controller copies
//! everywhere, and to the webhooks of the control plane.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::admission::{GROUP, MUTATING};
use crate::controller::namespace::{SYSTEM_NAMESPACE, root_config_map};
use crate::object::{Key, child, labels, text};
use crate::store::{Store, View};

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
    let bundle = STANDARD.encode(&pem);
    for (key, webhooks) in with_bundle(&store.view(), &bundle) {
        if let Err(error) = store.patch(&key, &json!({"webhooks": webhooks})) {
            tracing::error!(%error, "a webhook does not get the root certificate");
        }
    }
    true
}

/// The webhooks of the control plane that hold another bundle, with this one. They are told by their names and by the
/// label of a revision, as Istio's are.
fn with_bundle(view: &View, bundle: &str) -> Vec<(Key, Value)> {
    view.of_kind(GROUP, MUTATING)
        .filter(|(_, configuration)| labels(configuration).contains_key("istio.io/rev"))
        .filter_map(|(key, configuration)| {
            let mut webhooks = configuration.get("webhooks")?.clone();
            for webhook in webhooks.as_array_mut()? {
                if text(webhook, "/name").ends_with("sidecar-injector.istio.io") {
                    child(webhook, "clientConfig")
                        .insert("caBundle".to_owned(), bundle.to_owned().into());
                }
            }
            (configuration.get("webhooks") != Some(&webhooks)).then(|| (key.clone(), webhooks))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_control_planes_own_webhooks_alone_get_the_bundle_and_once() {
        let store = Store::default();
        let of = |name: &str, webhook: &str, labels: Value| {
            let configuration = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": MUTATING,
                "metadata": {"name": name, "labels": labels}, "webhooks": [{"name": webhook}]});
            store.create(configuration).unwrap();
        };
        let revision = || json!({"istio.io/rev": "default"});
        of("ours", "namespace.sidecar-injector.istio.io", revision());
        of(
            "unlabelled",
            "namespace.sidecar-injector.istio.io",
            json!({}),
        );
        of("another", "pods.example.com", revision());
        let found = with_bundle(&store.view(), "Zm9v");
        assert_eq!(found.len(), 1);
        for (key, webhooks) in found {
            assert_eq!(key.name, "ours");
            store.patch(&key, &json!({"webhooks": webhooks})).unwrap();
        }
        assert_eq!(with_bundle(&store.view(), "Zm9v"), []);
    }
}
