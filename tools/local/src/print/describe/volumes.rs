//! Volumes of a pod or of a template.

use serde_json::Value;

use crate::kubelet::env::is_optional;
use crate::object::{integer, list, text};

pub(super) fn write(out: &mut String, indent: &str, volumes: &[Value]) {
    if volumes.is_empty() {
        out.push_str(&format!("{indent}Volumes:\t<none>\n"));
        return;
    }
    out.push_str(&format!("{indent}Volumes:\n"));
    let name_indent = if indent.is_empty() { "" } else { " " };
    for volume in volumes {
        out.push_str(&format!("  {name_indent}{}:\n", text(volume, "/name")));
        for (title, value) in fields(volume) {
            out.push_str(&format!("    {title}:\t{value}\n"));
        }
    }
}

fn fields(volume: &Value) -> Vec<(&'static str, String)> {
    let kind = |text: &str| ("Type", text.to_owned());
    if let Some(empty) = volume.get("emptyDir") {
        let limit = match empty.get("sizeLimit") {
            Some(limit) => super::plain(limit),
            None => "<unset>".to_owned(),
        };
        return vec![
            kind("EmptyDir (a temporary directory that shares a pod's lifetime)"),
            ("Medium", text(empty, "/medium").to_owned()),
            ("SizeLimit", limit),
        ];
    }
    if let Some(host) = volume.get("hostPath") {
        return vec![
            kind("HostPath (bare host directory volume)"),
            ("Path", text(host, "/path").to_owned()),
            ("HostPathType", text(host, "/type").to_owned()),
        ];
    }
    if let Some(secret) = volume.get("secret") {
        return vec![
            kind("Secret (a volume populated by a Secret)"),
            ("SecretName", text(secret, "/secretName").to_owned()),
            ("Optional", is_optional(secret).to_string()),
        ];
    }
    if let Some(config_map) = volume.get("configMap") {
        return vec![
            kind("ConfigMap (a volume populated by a ConfigMap)"),
            ("Name", text(config_map, "/name").to_owned()),
            ("Optional", is_optional(config_map).to_string()),
        ];
    }
    if let Some(projected) = volume.get("projected") {
        let mut all = vec![kind(
            "Projected (a volume that contains injected data from multiple sources)",
        )];
        for source in list(projected, "/sources") {
            all.extend(projection(source));
        }
        return all;
    }
    if volume.get("downwardAPI").is_some() {
        return vec![kind(
            "DownwardAPI (a volume populated by information about the pod)",
        )];
    }
    vec![kind("<unknown>")]
}

fn projection(source: &Value) -> Vec<(&'static str, String)> {
    if let Some(secret) = source.get("secret") {
        return vec![
            ("SecretName", text(secret, "/name").to_owned()),
            ("Optional", is_optional(secret).to_string()),
        ];
    }
    if let Some(config_map) = source.get("configMap") {
        return vec![
            ("ConfigMapName", text(config_map, "/name").to_owned()),
            ("Optional", is_optional(config_map).to_string()),
        ];
    }
    if let Some(token) = source.get("serviceAccountToken") {
        let seconds = integer(token, "/expirationSeconds").unwrap_or(3600);
        return vec![("TokenExpirationSeconds", seconds.to_string())];
    }
    vec![("DownwardAPI", "true".to_owned())]
}
