//! What every mesh begins with: the objects of its control plane, with the settings that were asked for. Pure.

use injector::{Settings, SettingsError};
use serde_json::Value;

use crate::manifest::Manifests;
use crate::object::{child, name, text};

/// The pilot and the ca.
pub const CONTROL_PLANE: &str = include_str!("../../../../manifests/local/control-plane.yaml");
/// The injector with its webhooks.
pub const INJECTOR: &str = include_str!("../../../../manifests/local/injector.yaml");
/// The ingress gateway, which comes with it.
pub const GATEWAY: &str = include_str!("../../../../manifests/local/gateway.yaml");

/// The ConfigMap with the install values, and the mesh config's.
const VALUES: (&str, &str) = ("istio-sidecar-injector", "values");
const MESH: (&str, &str) = ("istio", "mesh");

/// The objects, with each `KEY=VALUE` of `set` in the ConfigMap that it belongs to.
///
/// # Errors
/// Names the setting that cannot be used.
pub(super) fn objects(set: &[String]) -> Result<Vec<Value>, SettingsError> {
    let mut manifests = Manifests::default();
    for (text, source) in [
        (CONTROL_PLANE, "manifests/local/control-plane.yaml"),
        (INJECTOR, "manifests/local/injector.yaml"),
        (GATEWAY, "manifests/local/gateway.yaml"),
    ] {
        manifests.add_text(text, source);
    }
    for problem in manifests.errors.iter().chain(&manifests.warnings) {
        tracing::error!(problem, "the control plane's own manifest");
    }
    let mut objects = manifests.values();
    if set.is_empty() {
        return Ok(objects);
    }
    let mut settings = Settings::default();
    settings.add_values(&data(&objects, VALUES), VALUES.0)?;
    settings.add_mesh_config(&data(&objects, MESH), MESH.0)?;
    for argument in set {
        settings.set(argument)?;
    }
    put(&mut objects, VALUES, settings.given_values());
    put(&mut objects, MESH, settings.given_mesh_config());
    Ok(objects)
}

fn is_map(object: &Value, called: &str) -> bool {
    text(object, "/kind") == "ConfigMap" && name(object) == called
}

fn data(objects: &[Value], (map, key): (&str, &str)) -> String {
    let map = objects.iter().find(|object| is_map(object, map));
    map.map_or("", |map| text(map, &format!("/data/{key}")))
        .to_owned()
}

/// Any JSON is YAML.
fn put(objects: &mut [Value], (map, key): (&str, &str), value: &Value) {
    let text = format!("{value:#}\n");
    if let Some(map) = objects.iter_mut().find(|object| is_map(object, map)) {
        child(map, "data").insert(key.to_owned(), Value::String(text));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_set_reaches_the_injector_and_the_whole_mesh() {
        let set = [
            "values.global.proxy.logLevel=debug",
            "meshConfig.accessLogEncoding=JSON",
        ];
        let objects = objects(&set.map(str::to_owned)).unwrap();
        let read = |which| -> Value { serde_json::from_str(&data(&objects, which)).unwrap() };
        let (values, mesh) = (read(VALUES), read(MESH));
        assert_eq!(text(&values, "/global/proxy/logLevel"), "debug");
        assert_eq!(text(&values, "/global/tag"), "dev");
        assert_eq!(text(&mesh, "/accessLogEncoding"), "JSON");
        assert_eq!(text(&mesh, "/accessLogFile"), "/dev/stdout");
    }

    #[test]
    fn a_setting_that_makes_no_sense_is_named() {
        let error = objects(&["global.logAsJson=maybe".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("global.logAsJson=maybe"));
    }
}
