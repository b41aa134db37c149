//! AdmissionReviews as the API server sends them, or somebody else: to `/inject` and to `/validate`.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use injector::webhook::{review, validate};
use injector::{PodContext, Settings, inject};
use serde_json::{Value, json};

use crate::input::Input;

pub(crate) fn run(bytes: &[u8]) {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    let settings = SETTINGS.get_or_init(Settings::default);
    let line = bytes.iter().position(|b| *b == b'\n').unwrap_or(0);
    let (path, body) = bytes.split_at(line);
    // What is no JSON says how a review that is one is changed.
    let request = serde_json::from_slice::<Value>(body).unwrap_or_else(|_| edited(bytes));
    let path = String::from_utf8_lossy(path);
    let answers = [review(&request, &path, settings), validate(&request)];
    for answer in answers.into_iter().flatten() {
        let response = &answer["response"];
        assert_eq!(response["uid"], request["request"]["uid"]);
        assert!(response["allowed"].is_boolean());
        assert!(response["allowed"] == true || response["status"]["message"].is_string());
    }
    patched(&request, settings);
}

/// A review with some of its values replaced, by others of it or by what does not fit.
fn edited(bytes: &[u8]) -> Value {
    static REVIEW: OnceLock<(Value, Vec<String>)> = OnceLock::new();
    let (review, pointers) = REVIEW.get_or_init(|| {
        let review = whole();
        let mut pointers = Vec::new();
        collect(&review, String::new(), &mut pointers);
        (review, pointers)
    });
    let mut review = review.clone();
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("istio-proxy"),
        json!([]),
        json!({}),
        json!([null]),
        json!({"a": null}),
    ];
    let mut input = Input(bytes);
    for _ in 0..8 {
        if input.is_empty() {
            break;
        }
        let at = &pointers[usize::from(input.short()) % pointers.len()];
        let new = if input.flag() {
            let from = &pointers[usize::from(input.short()) % pointers.len()];
            review.pointer(from).cloned()
        } else {
            Some(odd[usize::from(input.byte()) % odd.len()].clone())
        };
        if let (Some(place), Some(new)) = (review.pointer_mut(at), new) {
            *place = new;
        }
    }
    review
}

/// A review of a pod with a part of every kind that injection reads.
fn whole() -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u-1", "kind": {"version": "v1", "kind": "Pod"}, "namespace": "shop", "operation": "CREATE",
            "object": {
                "metadata": {
                    "generateName": "web-5d4f-", "labels": {"app": "web", "pod-template-hash": "5d4f", "sidecar.istio.io/inject": "true"},
                    "annotations": {
                        "prometheus.io/port": "9090", "proxy.istio.io/config": "concurrency: 1",
                        "sidecar.istio.io/status": "{\"initContainers\":[\"istio-init\"],\"containers\":[\"istio-proxy\"],\"volumes\":[\"v\"],\"imagePullSecrets\":null,\"revision\":\"default\"}",
                        "proxy.istio.io/overrides": "{\"containers\":[{\"name\":\"istio-proxy\",\"image\":\"auto\"}]}",
                    },
                    "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4f", "controller": true}],
                },
                "spec": {
                    "securityContext": {"fsGroup": 1},
                    "volumes": [{"name": "v", "emptyDir": {}}],
                    "imagePullSecrets": [{"name": "s"}],
                    "initContainers": [{"name": "istio-init", "image": "i"}, {"name": "own", "restartPolicy": "Always", "startupProbe": {"tcpSocket": {"port": "http"}}}],
                    "containers": [
                        {"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}],
                         "env": [{"name": "A", "value": "1"}], "volumeMounts": [{"name": "v", "mountPath": "/v"}],
                         "livenessProbe": {"httpGet": {"port": "http", "path": "/live", "httpHeaders": [{"name": "Host", "value": "h"}]}},
                         "readinessProbe": {"grpc": {"port": 80}}, "lifecycle": {"preStop": {"httpGet": {"port": 80}}}},
                        {"name": "istio-proxy", "image": "auto", "resources": {"limits": {"cpu": "1"}}, "securityContext": {"runAsUser": 7}},
                    ],
                },
            },
        },
    })
}

fn collect(value: &Value, at: String, into: &mut Vec<String>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(k, v)| (k.replace('~', "~0").replace('/', "~1"), v))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(n, v)| (n.to_string(), v))
            .collect(),
        _ => Vec::new(),
    };
    for (key, value) in inner {
        collect(value, format!("{at}/{key}"), into);
    }
    into.push(at);
}

/// The patch makes of the pod what injection makes of it.
fn patched(request: &Value, settings: &Settings) {
    let Ok(answer) = review(request, "", settings) else {
        return;
    };
    let Some(patch) = answer["response"]["patch"].as_str() else {
        return;
    };
    let patch: json_patch::Patch =
        serde_json::from_slice(&STANDARD.decode(patch).expect("base64")).expect("a patch");
    let namespace = request["request"]["namespace"].as_str();
    let namespace = namespace.filter(|n| !n.is_empty()).unwrap_or("default");
    let mut pod = request["request"]["object"].clone();
    let context = PodContext::of_pod(namespace, &pod);
    let injected = inject(&pod, &context, settings).expect("what has a patch can be injected");
    json_patch::patch(&mut pod, &patch).expect("the patch fits the pod that it was made for");
    assert_eq!(pod, injected);
}
