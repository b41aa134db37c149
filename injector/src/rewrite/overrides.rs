//! Containers that the user wrote under a name of the injector's (`istio-proxy`, `istio-init`):
//! their settings win over the template's, and are recorded so that a later injection knows them.

use serde_json::{Map, Value};

use super::earlier::{Earlier, user_containers};
use super::merge::merge;
use crate::annotations::OVERRIDES;
use crate::build::Overlay;
use crate::pod::{self, Containers, PROXY};

/// The image by which a user says that the injector chooses.
const AUTO: &str = "auto";

/// Lays the user's containers over the templates' in `merged`. `original` is the pod as it came in.
pub(crate) fn apply(merged: &mut Value, original: &Value, template: &Overlay, earlier: &Earlier) {
    let mut record = Map::new();
    for list in Containers::BOTH {
        let containers = match list {
            Containers::App => Some(&template.spec.containers),
            Containers::Init => template.spec.init_containers.as_ref(),
        };
        let recorded = user_containers(original, list);
        let mut overlays = Vec::new();
        for name in containers.into_iter().flatten().map(|c| c.name.as_str()) {
            if earlier.added(list, name) && !recorded.iter().any(|c| pod::name_of(c) == Some(name))
            {
                continue;
            }
            let by_name = |c: &&Value| pod::name_of(c) == Some(name);
            let anywhere = || {
                Containers::BOTH
                    .into_iter()
                    .find_map(|list| pod::container(original, list, name))
            };
            let Some(written) = recorded.iter().find(by_name).or_else(anywhere) else {
                continue;
            };
            let overlay = without_auto_image(written);
            let targets = pod::containers_mut(merged, list);
            if let Some(target) = targets.iter_mut().find(|c| pod::name_of(c) == Some(name)) {
                merge(target, &overlay);
            }
            overlays.push(overlay);
        }
        if !overlays.is_empty() {
            record.insert(list.field().to_owned(), overlays.into());
        }
    }
    if !earlier.injected() && !record.is_empty() {
        let record = Value::Object(record).to_string();
        pod::set_string(merged, "annotations", OVERRIDES, &record);
    }
}

/// A transparent proxy must be root, whichever user the pod's own `istio-proxy` asks for; the redirect rules follow that
/// wish nevertheless, as Istio's do.
pub(crate) fn keep_root(merged: &mut Value) {
    for list in Containers::BOTH {
        let proxy = pod::containers_mut(merged, list)
            .iter_mut()
            .find(|container| pod::name_of(container) == Some(PROXY));
        if let Some(user) = proxy.and_then(|proxy| proxy.pointer_mut("/securityContext/runAsUser"))
        {
            *user = Value::from(0);
        }
    }
}

fn without_auto_image(container: &Value) -> Value {
    let mut container = container.clone();
    if let Some(fields) = container.as_object_mut()
        && fields.get("image").and_then(Value::as_str) == Some(AUTO)
    {
        fields.shift_remove("image");
    }
    container
}
