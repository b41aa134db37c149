//! The pod template of a Deployment or Job.

use serde_json::Value;

use super::{annotations, containers, map, volumes};
use crate::object::{list, strings, text};

pub(super) fn write(out: &mut String, template: &Value) {
    out.push_str("Pod Template:\n");
    map(out, "  ", "Labels", &strings(template, "/metadata/labels"));
    if !strings(template, "/metadata/annotations").is_empty() {
        annotations(out, "  ", template);
    }
    let account = text(template, "/spec/serviceAccountName");
    if !account.is_empty() {
        out.push_str(&format!("  Service Account:\t{account}\n"));
    }
    for (title, field) in [
        ("Init Containers", "/spec/initContainers"),
        ("Containers", "/spec/containers"),
    ] {
        let own = list(template, field);
        if !own.is_empty() {
            containers::write(out, "  ", title, own, &[], None);
        }
    }
    volumes::write(out, "  ", list(template, "/spec/volumes"));
    out.push_str("  Node-Selectors:\t<none>\n  Tolerations:\t<none>\n");
}
