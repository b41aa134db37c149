//! The injection itself, step by step.

use serde_json::{Map, Value};

use crate::annotations::{
    Annotations, PROXY_CONFIG, REWRITE_PROBES, STATUS_PORT, TEMPLATES, parse_bool,
};
use crate::build::{Input, Overlay, Template};
use crate::context::PodContext;
use crate::error::InjectError;
use crate::mesh::{Interception, ProxyConfig};
use crate::pod::{self, INIT, PROXY, VALIDATION};
use crate::rewrite::earlier::Earlier;
use crate::rewrite::{merge, order, overrides, probes, prometheus, status};
use crate::settings::Settings;

const NETWORK_LABEL: &str = "topology.istio.io/network";

/// The pod (a Pod, or a workload's pod template: an object with `metadata` and `spec`) with the
/// proxy's containers, volumes, labels and annotations. Fields unknown to this crate survive;
/// a pod that was injected before is injected anew and not twice. Whether a pod should be
/// injected is [`crate::decide`]'s to say.
///
/// # Errors
/// [`InjectError`] names the field or annotation that cannot be used.
pub fn inject(
    pod: &Value,
    context: &PodContext,
    settings: &Settings,
) -> Result<Value, InjectError> {
    pod::check(pod)?;
    let annotations = Annotations::check(pod::strings(pod, "annotations"))?;
    let proxy_config = proxy_config(&annotations, &settings.mesh.default_config)?;
    let agent_port = proxy_config.status_port();
    let earlier = Earlier::of(pod);
    let stripped = earlier.undo(pod, agent_port);
    let templates = templates(&annotations, settings)?;
    let input = Input {
        settings,
        context,
        labels: pod::strings(&stripped, "labels"),
        annotations: Annotations::check(pod::strings(&stripped, "annotations"))?,
        pod: &stripped,
        proxy_config,
    };

    let mut merged = pod.clone();
    let mut template = Overlay::default();
    for one in templates {
        let (overlay, patch) = one.build(&input)?;
        if overlay.has_init_container(PROXY) {
            pod::move_to_init(&mut merged, PROXY);
        }
        merge::merge(&mut merged, &patch);
        add(&mut template, overlay);
    }
    overrides::apply(&mut merged, pod, &template, &earlier);
    // Where traffic is redirected at all: a gateway runs as whom it says.
    let redirected = [INIT, VALIDATION]
        .iter()
        .any(|name| template.has_init_container(name));
    if redirected && input.interception() == Interception::Tproxy {
        overrides::keep_root(&mut merged);
    }
    for (key, value) in &settings
        .values
        .sidecar_injector_webhook
        .injected_annotations
    {
        pod::set_string(&mut merged, "annotations", key, value);
    }

    prometheus::merge(&mut merged, &settings.mesh, agent_port);
    // A template may say so as well as the pod.
    let rewrite = pod::strings(&merged, "annotations");
    let rewrite = rewrite.get(REWRITE_PROBES).and_then(|v| parse_bool(v));
    if rewrite.unwrap_or(
        settings
            .values
            .sidecar_injector_webhook
            .rewrite_app_http_probe,
    ) {
        let own = input.annotations.get(STATUS_PORT);
        let own = own.and_then(|port| port.trim().parse().ok());
        probes::rewrite(&mut merged, own.unwrap_or(agent_port));
    }
    status::record(&mut merged, &template, settings.revision());
    if let (Some(network), false) = (input.network(), input.labels.contains_key(NETWORK_LABEL)) {
        pod::set_string(&mut merged, "labels", NETWORK_LABEL, network);
    }
    order::arrange(&mut merged, input.hold_application());
    Ok(merged)
}

/// The mesh's proxy config with the pod's own over it.
fn proxy_config(annotations: &Annotations, mesh: &ProxyConfig) -> Result<ProxyConfig, InjectError> {
    let Some(own) = annotations.get(PROXY_CONFIG) else {
        return Ok(mesh.clone());
    };
    let wrong = |problem: String| {
        InjectError::Annotations(vec![format!("annotation {PROXY_CONFIG}: {problem}")])
    };
    let own: Option<Map<String, Value>> =
        serde_saphyr::from_str(own).map_err(|e| wrong(e.without_snippet().to_string()))?;
    mesh.with(own.unwrap_or_default()).map_err(wrong)
}

/// The templates that the pod names, or else the values; each once.
fn templates<'s>(
    annotations: &Annotations,
    settings: &'s Settings,
) -> Result<Vec<Template<'s>>, InjectError> {
    let defaults = &settings.values.sidecar_injector_webhook.default_templates;
    let names: Vec<&str> = match annotations.get(TEMPLATES) {
        Some(list) => list.split(',').map(str::trim).collect(),
        None if defaults.is_empty() => vec!["sidecar"],
        None => defaults.iter().map(String::as_str).collect(),
    };
    let mut templates = Vec::new();
    for name in names {
        let template = Template::named(name, settings)?;
        if !templates.contains(&template) {
            templates.push(template);
        }
    }
    Ok(templates)
}

/// Collects what several templates add, for the record: a thing that more than one adds to once, by its name.
fn add(all: &mut Overlay, one: Overlay) {
    fn extend<T>(all: &mut Vec<T>, one: impl IntoIterator<Item = T>, name: fn(&T) -> &str) {
        for item in one {
            if !all.iter().any(|known| name(known) == name(&item)) {
                all.push(item);
            }
        }
    }
    all.metadata.labels.extend(one.metadata.labels);
    all.metadata.annotations.extend(one.metadata.annotations);
    let (all, one) = (&mut all.spec, one.spec);
    extend(&mut all.containers, one.containers, |c| &c.name);
    extend(
        all.init_containers.get_or_insert_default(),
        one.init_containers.unwrap_or_default(),
        |c| &c.name,
    );
    extend(
        all.volumes.get_or_insert_default(),
        one.volumes.unwrap_or_default(),
        |v| &v.name,
    );
    extend(
        all.image_pull_secrets.get_or_insert_default(),
        one.image_pull_secrets.unwrap_or_default(),
        |s| &s.name,
    );
}
