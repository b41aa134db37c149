//! A pod by itself.

use local::object::{integer, labels, list, strings, text};
use serde_json::Value;

use super::page::Page;
use crate::pod::SIDECAR;

/// The user that the redirect rules leave alone: the sidecar's.
const SIDECARS_USER: i64 = 1337;
const REQUIREMENTS: &str = "https://istio.io/latest/docs/ops/deployment/application-requirements/";

/// Whether a pod has a sidecar.
pub(super) fn is_meshed(pod: &Value) -> bool {
    let places = ["/spec/containers", "/spec/initContainers"];
    let mut all = places.iter().flat_map(|place| list(pod, place));
    all.any(|container| text(container, "/name") == SIDECAR)
}

pub(super) fn describe(page: &mut Page, pod: &Value, ignore_unmeshed: bool) {
    let shown = page.name(pod);
    let mut ports = Vec::new();
    for container in list(pod, "/spec/containers") {
        let name = text(container, "/name");
        for port in list(container, "/ports") {
            let number = integer(port, "/containerPort").unwrap_or(0);
            let protocol = match text(port, "/protocol") {
                "" | "TCP" => String::new(),
                other => format!("/{other}"),
            };
            ports.push(format!("{number}{protocol} ({name})"));
        }
        let user = integer(container, "/securityContext/runAsUser");
        if name != SIDECAR && user == Some(SIDECARS_USER) {
            page.line(
                0,
                "WARNING: User ID (UID) 1337 is reserved for the sidecar proxy.",
            );
        }
    }
    page.line(0, format!("Pod: {shown}"));
    page.line(3, format!("Pod Revision: {}", revision(pod)));
    match ports.is_empty() {
        true => page.line(3, "Pod does not expose ports"),
        false => page.line(3, format!("Pod Ports: {}", ports.join(", "))),
    }
    let phase = text(pod, "/status/phase");
    if phase != "Running" {
        return page.line(3, format!("Pod is not Running ({phase})"));
    }
    for (place, kind) in [
        ("/status/containerStatuses", "Container"),
        ("/status/initContainerStatuses", "Init Container"),
    ] {
        for status in list(pod, place) {
            if status.get("ready") != Some(&Value::Bool(true)) {
                let name = text(status, "/name");
                page.line(0, format!("WARNING: Pod {shown} {kind} {name} NOT READY"));
            }
        }
    }
    if ignore_unmeshed {
        return;
    }
    if !is_meshed(pod) {
        return page.line(
            0,
            format!("WARNING: {shown} is not part of mesh; no Istio sidecar"),
        );
    }
    if integer(pod, "/spec/securityContext/runAsUser") == Some(SIDECARS_USER) {
        page.line(
            3,
            "WARNING: User ID (UID) 1337 is reserved for the sidecar proxy.",
        );
    }
    let labels = labels(pod);
    let has = |any: &[&str]| any.iter().any(|label| labels.contains_key(*label));
    let missing = |what: &str| {
        format!(
            "Suggestion: add required service {what} label for Istio telemetry. See {REQUIREMENTS}."
        )
    };
    if !has(&[
        "service.istio.io/canonical-name",
        "app.kubernetes.io/name",
        "app",
    ]) {
        page.line(0, missing("name"));
    }
    if !has(&[
        "service.istio.io/canonical-revision",
        "app.kubernetes.io/version",
        "version",
    ]) {
        page.line(0, missing("revision"));
    }
}

/// The revision that injected the pod, as the injector notes it.
fn revision(pod: &Value) -> String {
    let annotations = strings(pod, "/metadata/annotations");
    if let Some(revision) = annotations.get("istio.io/rev") {
        return revision.clone();
    }
    let status = annotations.get("sidecar.istio.io/status");
    let status: Value = status
        .and_then(|status| serde_json::from_str(status).ok())
        .unwrap_or_default();
    text(&status, "/revision").to_owned()
}
