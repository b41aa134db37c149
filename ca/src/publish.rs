//! The root certificate in the ConfigMap `istio-ca-root-cert` of every namespace, where pods mount it from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::root::keeper::CurrentRoot;

/// The ConfigMap's name, Istio's.
const NAME: &str = "istio-ca-root-cert";
/// Its key.
const KEY: &str = "root-cert.pem";
/// Whose fields these are, for server-side apply.
const MANAGER: &str = "lateen-ca";
/// Namespaces whose pods are never in the mesh; Istio's list.
const IGNORED: [&str; 4] = [
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "local-path-storage",
];
/// How often the root is compared with what is published, and what failed is tried again.
const LOOK: Duration = Duration::from_secs(5);

/// What is known of the cluster.
#[derive(Debug, Default)]
struct Known {
    /// Namespaces that are not ending.
    namespaces: BTreeSet<String>,
    /// The certificate in each namespace's ConfigMap.
    published: BTreeMap<String, String>,
}

impl Known {
    /// The namespaces that have another certificate than `pem`, or none.
    fn behind(&self, pem: &str) -> Vec<String> {
        self.namespaces
            .iter()
            .filter(|namespace| !IGNORED.contains(&namespace.as_str()))
            .filter(|namespace| self.published.get(*namespace).is_none_or(|has| has != pem))
            .cloned()
            .collect()
    }

    fn namespace(&mut self, event: Event<Namespace>) {
        match event {
            Event::Init => self.namespaces.clear(),
            Event::InitDone => {}
            Event::Apply(object) | Event::InitApply(object) => {
                let name = object.name_any();
                match object.metadata.deletion_timestamp {
                    None => self.namespaces.insert(name),
                    Some(_) => self.namespaces.remove(&name),
                };
            }
            Event::Delete(object) => {
                self.namespaces.remove(&object.name_any());
            }
        }
    }

    fn config_map(&mut self, event: Event<ConfigMap>) {
        match event {
            Event::Init => self.published.clear(),
            Event::InitDone => {}
            Event::Apply(object) | Event::InitApply(object) => {
                let pem = object.data.as_ref().and_then(|data| data.get(KEY));
                let (namespace, pem) = (object.namespace(), pem.cloned().unwrap_or_default());
                self.published.insert(namespace.unwrap_or_default(), pem);
            }
            Event::Delete(object) => {
                self.published
                    .remove(&object.namespace().unwrap_or_default());
            }
        }
    }
}

/// Keeps every namespace's ConfigMap as the root is, until `shutdown`.
pub(crate) async fn keep(client: Client, root: CurrentRoot, shutdown: CancellationToken) {
    let of_name = Config::default().fields(&format!("metadata.name={NAME}"));
    let mut namespaces = Box::pin(
        watcher(Api::<Namespace>::all(client.clone()), Config::default()).default_backoff(),
    );
    let mut config_maps =
        Box::pin(watcher(Api::<ConfigMap>::all(client.clone()), of_name).default_backoff());
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut known = Known::default();
    // Both are known once.
    let mut listed = (false, false);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
            event = next(&mut namespaces, "namespaces") => {
                listed.0 |= matches!(event, Event::InitDone);
                known.namespace(event);
            }
            event = next(&mut config_maps, "configmaps") => {
                listed.1 |= matches!(event, Event::InitDone);
                known.config_map(event);
            }
        }
        if listed != (true, true) {
            continue;
        }
        let pem = root.load().pem().to_owned();
        for namespace in known.behind(&pem) {
            match publish(&client, &namespace, &pem).await {
                Ok(()) => {
                    known.published.insert(namespace, pem.clone());
                }
                Err(error) => {
                    tracing::warn!(
                        namespace,
                        "{NAME} is not published, trying again: {}",
                        kubernetes::client::said(&error)
                    );
                    // One that refuses is tried at the next look; an API server that is gone would refuse all.
                    if !matches!(error, kube::Error::Api(_)) {
                        break;
                    }
                }
            }
        }
    }
}

/// The next event; a watch that fails is begun again.
async fn next<T: Debug>(
    events: &mut (impl Stream<Item = Result<Event<T>, watcher::Error>> + Unpin),
    kind: &str,
) -> Event<T> {
    loop {
        match events.next().await {
            Some(Ok(event)) => return event,
            Some(Err(error)) => {
                tracing::warn!(
                    "watching {kind}, trying again: {}",
                    process::error::with_causes(&error)
                );
            }
            None => std::future::pending().await,
        }
    }
}

async fn publish(client: &Client, namespace: &str, pem: &str) -> Result<(), kube::Error> {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": NAME, "labels": {"istio.io/config": "true"}},
        "data": {KEY: pem},
    });
    let parameters = PatchParams::apply(MANAGER).force();
    Api::<ConfigMap>::namespaced(client.clone(), namespace)
        .patch(NAME, &parameters, &Patch::Apply(&object))
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn namespace(name: &str) -> Namespace {
        serde_json::from_value(json!({"metadata": {"name": name}})).unwrap()
    }

    fn config_map(namespace: &str, pem: &str) -> ConfigMap {
        serde_json::from_value(
            json!({"metadata": {"name": NAME, "namespace": namespace}, "data": {KEY: pem}}),
        )
        .unwrap()
    }

    #[test]
    fn namespaces_without_the_root_or_with_an_old_one_are_behind() {
        let mut known = Known::default();
        for name in ["has", "old", "none", "kube-system"] {
            known.namespace(Event::InitApply(namespace(name)));
        }
        known.config_map(Event::InitApply(config_map("has", "new")));
        known.config_map(Event::InitApply(config_map("old", "old")));
        assert_eq!(known.behind("new"), ["none", "old"]);
        known.config_map(Event::Delete(config_map("has", "new")));
        known.namespace(Event::Delete(namespace("none")));
        assert_eq!(known.behind("new"), ["has", "old"]);
    }

    #[test]
    fn a_namespace_that_ends_gets_nothing() {
        let mut known = Known::default();
        let mut ending = namespace("ending");
        known.namespace(Event::Apply(ending.clone()));
        assert_eq!(known.behind("pem"), ["ending"]);
        ending.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
                k8s_openapi::jiff::Timestamp::UNIX_EPOCH,
            ));
        known.namespace(Event::Apply(ending));
        assert_eq!(known.behind("pem"), [""; 0]);
    }
}
