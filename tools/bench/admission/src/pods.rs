//! Pods as controllers create them, in the reviews that the API server makes of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::Failure;

/// Pods that differ; the same ones come again after these.
const PODS: usize = 64;

/// A review to be answered.
pub(crate) struct Review {
    pub(crate) body: Bytes,
    uid: String,
    pod: Value,
}

/// Reviews of pods with one to three containers, probes, volumes and variables.
pub(crate) fn reviews() -> Vec<Review> {
    (0..PODS).map(review).collect()
}

impl Review {
    /// That the answer is for this review and its patch injects the pod.
    pub(crate) fn check(&self, answer: &Value) -> Result<(), Failure> {
        let wrong = |what: &str| Failure(format!("the answer {what}: {answer}"));
        let text = |field: &str| {
            let value = answer.pointer(&format!("/response/{field}"));
            value.and_then(Value::as_str).unwrap_or_default()
        };
        if text("uid") != self.uid {
            return Err(wrong("is for another request"));
        }
        let allowed = answer.pointer("/response/allowed") == Some(&Value::Bool(true));
        if !allowed || text("patchType") != "JSONPatch" {
            return Err(wrong("has no patch"));
        }
        let patch = STANDARD
            .decode(text("patch"))
            .map_err(|e| wrong(&e.to_string()))?;
        let patch: json_patch::Patch =
            serde_json::from_slice(&patch).map_err(|e| wrong(&e.to_string()))?;
        let mut pod = self.pod.clone();
        json_patch::patch(&mut pod, &patch).map_err(|e| wrong(&e.to_string()))?;
        let containers = pod
            .pointer("/spec/initContainers")
            .and_then(Value::as_array);
        let has_proxy = containers
            .into_iter()
            .flatten()
            .any(|c| c.get("name").and_then(Value::as_str) == Some("istio-proxy"));
        let added = pod
            .pointer("/metadata/annotations/sidecar.istio.io~1status")
            .is_some_and(Value::is_string);
        if has_proxy && added {
            Ok(())
        } else {
            Err(wrong("does not inject the pod"))
        }
    }
}

fn review(n: usize) -> Review {
    let uid = format!("4f7d9a52-0c5c-4b3b-9a0e-{n:012x}");
    let pod = pod(n);
    let body = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
            "requestResource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": {
                "username": "system:serviceaccount:kube-system:replicaset-controller",
                "uid": "9f8be0f4-1c7d-4b52-8a9c-5d6c1f0d2a11",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"],
            },
            "object": pod,
            "oldObject": null,
            "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    });
    Review {
        body: Bytes::from(body.to_string()),
        uid,
        pod,
    }
}

fn pod(n: usize) -> Value {
    let hash = format!("{:08x}", n * 2_654_435_761 % 4_294_967_296);
    let app = format!("service-{n}");
    let containers: Vec<Value> = (0..=n % 3).map(|c| container(n, c)).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": format!("{app}-{hash}-"),
            "labels": {"app": app, "version": "v1", "pod-template-hash": hash, "sidecar.istio.io/inject": "true"},
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "9090", "prometheus.io/path": "/metrics"},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{app}-{hash}"),
                "uid": "0b5d4c6a-7a0e-4b43-9b6f-2f1f3c9e7d55", "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "containers": containers,
            "volumes": [
                {"name": "kube-api-access-x7x2p", "projected": {"defaultMode": 420, "sources": [
                    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                    {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
                ]}},
                {"name": "settings", "configMap": {"name": format!("{app}-settings"), "defaultMode": 420}},
            ],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": app,
            "serviceAccount": app,
            "securityContext": {"runAsNonRoot": true, "fsGroup": 2000},
            "schedulerName": "default-scheduler",
            "tolerations": [
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
            ],
            "priority": 0,
            "enableServiceLinks": true,
            "preemptionPolicy": "PreemptLowerPriority",
        },
    })
}

fn container(n: usize, c: usize) -> Value {
    let probe = |path: &str| {
        json!({
            "httpGet": {"path": path, "port": 8080 + c, "scheme": "HTTP"},
            "initialDelaySeconds": 5, "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
        })
    };
    let env: Vec<Value> = (0..8)
        .map(|v| json!({"name": format!("SETTING_{v}"), "value": format!("value-{n}-{v}")}))
        .collect();
    json!({
        "name": format!("server-{c}"),
        "image": format!("registry.example.com/shop/service-{n}:1.{c}.0"),
        "args": ["--listen=:8080", "--config=/etc/settings/server.yaml"],
        "ports": [{"name": format!("http-{c}"), "containerPort": 8080 + c, "protocol": "TCP"}],
        "env": env,
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
        "volumeMounts": [
            {"name": "settings", "mountPath": "/etc/settings"},
            {"name": "kube-api-access-x7x2p", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
        ],
        "livenessProbe": probe("/livez"),
        "readinessProbe": probe("/readyz"),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true},
    })
}
