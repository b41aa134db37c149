//! The record of an injection, in the pod's annotation `sidecar.istio.io/status`.

use serde::Serialize;
use serde_json::Value;

use crate::annotations::STATUS;
use crate::build::Overlay;
use crate::pod;

/// What was added, by name. An empty list is written as null.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    init_containers: Option<Vec<&'a str>>,
    containers: Option<Vec<&'a str>>,
    volumes: Option<Vec<&'a str>>,
    image_pull_secrets: Option<Vec<&'a str>>,
    revision: &'a str,
}

pub(crate) fn record(pod: &mut Value, template: &Overlay, revision: &str) {
    fn names<'a, T>(items: &'a [T], name: fn(&'a T) -> &'a str) -> Option<Vec<&'a str>> {
        Some(items.iter().map(name).collect::<Vec<_>>()).filter(|names| !names.is_empty())
    }
    let spec = &template.spec;
    let status = Status {
        init_containers: names(spec.init_containers.as_deref().unwrap_or_default(), |c| {
            &c.name
        }),
        containers: names(&spec.containers, |c| &c.name),
        volumes: names(spec.volumes.as_deref().unwrap_or_default(), |v| &v.name),
        image_pull_secrets: names(
            spec.image_pull_secrets.as_deref().unwrap_or_default(),
            |s| &s.name,
        ),
        revision,
    };
    // Strings serialise always; a record that cannot be written is left out.
    if let Ok(text) = serde_json::to_string(&status) {
        pod::set_string(pod, "annotations", STATUS, &text);
    }
}
