//! Everything that injection takes from its operator: install values and mesh config.

use serde_json::Value;

use crate::error::SettingsError;
use crate::mesh::Mesh;
use crate::set;
use crate::template;
use crate::values::{Proxy, Values};

/// Install values and mesh config. [`Settings::default`] is an installation without any.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The values, typed.
    pub values: Values,
    /// The mesh config.
    pub mesh: Mesh,
    /// What was set so far, to merge the next file or `--set` into.
    tree: Value,
    mesh_tree: Value,
}

impl Default for Settings {
    fn default() -> Self {
        // The defaults of a nested map have to be in the tree, or setting one entry would drop
        // its siblings.
        let resources = Proxy::default().resources;
        Self {
            values: Values::default(),
            mesh: Mesh::default(),
            tree: serde_json::json!({"global": {"proxy": {"resources": resources}}}),
            mesh_tree: Value::Null,
        }
    }
}

impl Settings {
    /// The name of the revision: `default` where none is set.
    pub fn revision(&self) -> &str {
        match self.values.revision.as_str() {
            "" => "default",
            revision => revision,
        }
    }

    /// Whether the proxy is an init container with `restartPolicy: Always` (Kubernetes 1.29 on)
    /// unless the pod's annotation says otherwise.
    pub fn native_sidecars(&self) -> bool {
        let set = self.values.pilot.env.get("ENABLE_NATIVE_SIDECARS");
        set.is_none_or(|v| v != "false")
    }

    /// The install values that were given, without defaults of ours.
    pub fn given_values(&self) -> &Value {
        &self.tree
    }

    /// The mesh config that was given, without defaults; null when none was.
    pub fn given_mesh_config(&self) -> &Value {
        &self.mesh_tree
    }

    /// All values, those that nobody set with their defaults: what templates see.
    pub(crate) fn all_values(&self) -> Value {
        // Values have texts for keys, so they serialise.
        let mut all = serde_json::to_value(&self.values).unwrap_or_default();
        set::merge(&mut all, self.tree.clone());
        all
    }

    /// The mesh config, the fields that injection reads with their defaults: what templates see.
    pub(crate) fn mesh_config(&self) -> Value {
        let mut all = serde_json::json!({
            "proxyListenPort": self.mesh.proxy_listen_port,
            "proxyInboundListenPort": self.mesh.proxy_inbound_listen_port,
            "trustDomain": self.mesh.trust_domain,
            "enablePrometheusMerge": self.mesh.enable_prometheus_merge,
        });
        // Nothing was set while there is no tree.
        if self.mesh_tree.is_object() {
            set::merge(&mut all, self.mesh_tree.clone());
        }
        all
    }

    /// Reads install values from YAML: either values, or an `IstioOperator` that holds them under
    /// `spec.values`. Later files win. `origin` names the text in errors.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] when the text is not YAML or a value has the wrong type; nothing
    /// is changed then.
    pub fn add_values(&mut self, yaml: &str, origin: &str) -> Result<(), SettingsError> {
        let mut value = read(yaml, origin)?;
        if value.get("kind").and_then(Value::as_str) == Some("IstioOperator") {
            let mut spec = value.get_mut("spec").map(Value::take).unwrap_or_default();
            // On a copy: an error in the last part must not leave the first ones behind.
            let mut changed = self.clone();
            for (key, inner) in spec.as_object_mut().into_iter().flatten() {
                changed.apply(std::slice::from_ref(key), inner.take(), origin)?;
            }
            *self = changed;
            return Ok(());
        }
        self.apply(&["values".to_owned()], value, origin)
    }

    /// Reads a mesh config (YAML of Istio's `MeshConfig`).
    ///
    /// # Errors
    /// [`SettingsError::Invalid`]; nothing is changed then.
    pub fn add_mesh_config(&mut self, yaml: &str, origin: &str) -> Result<(), SettingsError> {
        let value = read(yaml, origin)?;
        self.apply(&["meshConfig".to_owned()], value, origin)
    }

    /// Applies one `--set KEY=VALUE`: `values.*`, `meshConfig.*`, `components.cni.enabled`, `hub`,
    /// `tag`, `revision`, or a value without its prefix (`global.hub`).
    ///
    /// # Errors
    /// [`SettingsError`] names the argument; nothing is changed then.
    pub fn set(&mut self, argument: &str) -> Result<(), SettingsError> {
        let assignment = set::parse(argument)?;
        self.apply(
            &assignment.path,
            assignment.value,
            &format!("--set {argument}"),
        )
    }

    /// Merges one value at a path of an installation into values or mesh config.
    fn apply(&mut self, path: &[String], value: Value, origin: &str) -> Result<(), SettingsError> {
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        let (tree, is_mesh) = match keys.as_slice() {
            ["meshConfig", ..] => (set::tree(path.get(1..).unwrap_or_default(), value), true),
            // Istio reads the plugin's provider from its own chart's values.
            ["values", "cni", "provider"] => (at(&["pilot", "cni", "provider"], value), false),
            ["values", ..] => (set::tree(path.get(1..).unwrap_or_default(), value), false),
            ["components", "cni", "enabled"] => (at(&["pilot", "cni", "enabled"], value), false),
            ["components"] => {
                let cni = value.get("cni").and_then(|c| c.get("enabled")).cloned();
                (
                    at(&["pilot", "cni", "enabled"], cni.unwrap_or(false.into())),
                    false,
                )
            }
            ["hub" | "tag" | "variant"] => (at(&["global", keys.concat().as_str()], value), false),
            ["profile" | "namespace" | "components", ..] => return Ok(()),
            _ => (set::tree(path, value), false),
        };
        let invalid = |problem: serde_json::Error| SettingsError::Invalid {
            origin: origin.to_owned(),
            problem: problem.to_string(),
        };
        if is_mesh {
            let mut merged = self.mesh_tree.clone();
            set::merge(&mut merged, tree);
            self.mesh = Mesh::from_value(&merged).map_err(invalid)?;
            self.mesh_tree = merged;
        } else {
            let mut merged = self.tree.clone();
            set::merge(&mut merged, tree);
            let values: Values = serde_json::from_value(merged.clone()).map_err(invalid)?;
            if values.sidecar_injector_webhook.templates
                != self.values.sidecar_injector_webhook.templates
            {
                check_templates(&values, origin)?;
            }
            self.values = values;
            self.tree = merged;
        }
        Ok(())
    }
}

fn check_templates(values: &Values, origin: &str) -> Result<(), SettingsError> {
    for (name, text) in &values.sidecar_injector_webhook.templates {
        template::check(name, text).map_err(|problem| SettingsError::Invalid {
            origin: origin.to_owned(),
            problem: format!("sidecarInjectorWebhook.templates.{name}: {problem}"),
        })?;
    }
    Ok(())
}

fn at(path: &[&str], value: Value) -> Value {
    let path: Vec<String> = path.iter().map(|k| (*k).to_owned()).collect();
    set::tree(&path, value)
}

fn read(yaml: &str, origin: &str) -> Result<Value, SettingsError> {
    let value: Value = serde_saphyr::from_str(yaml).map_err(|e| SettingsError::Invalid {
        origin: origin.to_owned(),
        problem: format!("not valid YAML: {}", e.without_snippet()),
    })?;
    match value {
        Value::Object(_) | Value::Null => Ok(value),
        _ => Err(SettingsError::Invalid {
            origin: origin.to_owned(),
            problem: "is not a map of settings".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn later_settings_win_and_leave_their_siblings() {
        let mut settings = Settings::default();
        settings
            .add_values("global: {hub: example.com/mesh, tag: v1}", "values.yaml")
            .unwrap();
        settings.set("values.global.tag=v2").unwrap();
        settings
            .set("values.global.proxy.resources.limits.cpu=1")
            .unwrap();
        let global = &settings.values.global;
        assert_eq!(
            (global.hub.as_str(), global.tag.as_str()),
            ("example.com/mesh", "v2")
        );
        assert_eq!(global.proxy.resources["limits"]["memory"], "1Gi");
        assert_eq!(global.proxy.resources["limits"]["cpu"], 1);
    }

    #[test]
    fn an_operator_file_gives_its_values_mesh_config_and_components() {
        let mut settings = Settings::default();
        let yaml = "kind: IstioOperator\nspec:\n  hub: example.com/x\n  values: {global: {network: \
                    n1}}\n  meshConfig: {trustDomain: td}\n  components: {cni: {enabled: true}}\n";
        settings.add_values(yaml, "x.iop.yaml").unwrap();
        assert_eq!(settings.values.global.hub, "example.com/x");
        assert_eq!(settings.values.global.network, "n1");
        assert_eq!(settings.mesh.trust_domain, "td");
        assert!(settings.values.pilot.cni.enabled);
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_by_name_and_changes_nothing() {
        let mut settings = Settings::default();
        let before = settings.clone();
        let message = settings
            .set("values.global.logAsJson=maybe")
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("values.global.logAsJson=maybe"),
            "{message}"
        );
        assert!(settings.add_values("global: [", "v.yaml").is_err());
        assert!(settings.add_values("- a", "v.yaml").is_err());
        let half = "kind: IstioOperator\nspec: {hub: example.com/x, meshConfig: {trustDomain: []}}";
        assert!(settings.add_values(half, "half.iop.yaml").is_err());
        assert_eq!(settings, before);
    }

    #[test]
    fn native_sidecars_are_on_until_switched_off() {
        let mut settings = Settings::default();
        assert!(settings.native_sidecars());
        settings
            .set("values.pilot.env.ENABLE_NATIVE_SIDECARS=false")
            .unwrap();
        assert!(!settings.native_sidecars());
    }
}
