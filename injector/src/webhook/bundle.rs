//! The roots in the injector's own webhooks (`caBundle`): without them no API server calls it.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::files;

/// How often the roots are read, and what failed is tried again.
const LOOK: Duration = Duration::from_secs(2);

/// Keeps the bundle of every webhook of configuration `name` as the roots in `root_file` are, until `shutdown`: whatever
/// changes either is answered at once, or at the next look.
pub(super) async fn keep(
    client: kube::Client,
    name: String,
    root_file: PathBuf,
    shutdown: CancellationToken,
) {
    let api = Api::<MutatingWebhookConfiguration>::all(client);
    let of_name = Config::default().fields(&format!("metadata.name={name}"));
    let mut events = Box::pin(watcher(api.clone(), of_name).default_backoff());
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut configuration = None;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
            event = events.next() => match event {
                Some(Ok(Event::Apply(object) | Event::InitApply(object))) => configuration = Some(object),
                Some(Ok(Event::Delete(_) | Event::Init)) => configuration = None,
                Some(Ok(Event::InitDone)) => {}
                Some(Err(error)) => tracing::warn!("watching {name}, trying again: {}", process::error::with_causes(&error)),
                None => std::future::pending().await,
            },
        }
        let path = root_file.clone();
        let read = tokio::task::spawn_blocking(move || files::read(&path)).await;
        // It comes with the ca's first root.
        let (Some(known), Ok(Ok(pem))) = (&configuration, read) else {
            continue;
        };
        let changes = changes(known, &STANDARD.encode(pem));
        if changes.is_empty() {
            continue;
        }
        let patch: json_patch::Patch = match serde_json::from_value(Value::Array(changes)) {
            Ok(patch) => patch,
            Err(error) => {
                tracing::error!(%error, "the patch of {name} cannot be written");
                continue;
            }
        };
        match api
            .patch(&name, &PatchParams::default(), &Patch::Json::<()>(patch))
            .await
        {
            Ok(patched) => {
                tracing::info!("the webhooks of {name} have the roots now");
                configuration = Some(patched);
            }
            Err(error) => tracing::warn!(
                "the webhooks of {name} do not get the roots, trying again: {}",
                kubernetes::client::said(&error)
            ),
        }
    }
}

/// A JSON patch (RFC 6902) that gives every webhook this bundle; empty where all have it. Each part tests the name of the
/// webhook that it is about: another order of them meanwhile is no patch for this one.
fn changes(configuration: &MutatingWebhookConfiguration, bundle: &str) -> Vec<Value> {
    let webhooks = configuration.webhooks.iter().flatten().enumerate();
    webhooks
        .filter(|(_, webhook)| {
            let has = webhook.client_config.ca_bundle.as_ref();
            has.is_none_or(|has| STANDARD.encode(&has.0) != bundle)
        })
        .flat_map(|(index, webhook)| {
            let at = format!("/webhooks/{index}");
            [
                json!({"op": "test", "path": format!("{at}/name"), "value": webhook.name}),
                json!({"op": "add", "path": format!("{at}/clientConfig/caBundle"), "value": bundle}),
            ]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn webhooks_that_have_other_roots_get_these_and_the_others_stay() {
        let configuration = json!({"webhooks": [
            {"name": "has", "clientConfig": {"caBundle": "bmV3"}, "admissionReviewVersions": ["v1"], "sideEffects": "None"},
            {"name": "old", "clientConfig": {"caBundle": "b2xk"}, "admissionReviewVersions": ["v1"], "sideEffects": "None"},
            {"name": "none", "clientConfig": {}, "admissionReviewVersions": ["v1"], "sideEffects": "None"},
        ]});
        let mut now = configuration.clone();
        let patch = changes(&serde_json::from_value(configuration).unwrap(), "bmV3");
        let patch: json_patch::Patch = serde_json::from_value(Value::Array(patch)).unwrap();
        json_patch::patch(&mut now, &patch).unwrap();
        for webhook in now["webhooks"].as_array().unwrap() {
            assert_eq!(webhook["clientConfig"]["caBundle"], "bmV3");
        }
        assert_eq!(patch.0.len(), 4);
        let now = serde_json::from_value(now).unwrap();
        assert_eq!(changes(&now, "bmV3"), Vec::<Value>::new());
    }
}
