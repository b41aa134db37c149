//! `kube-inject` over the demo's manifests, as a user runs it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use injector::command::{KubeInjectArgs, run};
use injector::{Settings, kube_inject};
use serde_json::{Value, json};

const DEPLOYMENT: &str = include_str!("testdata/deployment-istio.yaml");
const PROBES: &str = include_str!("testdata/probe.yaml");

fn settings(sets: &[&str]) -> Settings {
    let mut settings = Settings::default();
    for set in sets {
        settings.set(set).unwrap();
    }
    settings
}

fn documents(yaml: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    documents.into_iter().filter(|d| !d.is_null()).collect()
}

fn names(containers: &Value) -> Vec<&str> {
    let containers = containers.as_array().into_iter().flatten();
    containers.map(|c| c["name"].as_str().unwrap()).collect()
}

#[test]
fn the_demos_deployment_gets_a_native_sidecar_and_its_service_passes_through() {
    let injected = documents(&kube_inject(DEPLOYMENT, &Settings::default()).unwrap());
    let written = documents(DEPLOYMENT);
    assert_eq!(injected[1], written[1]);
    let template = &injected[0]["spec"]["template"];
    let spec = &template["spec"];
    assert_eq!(
        names(&spec["initContainers"]),
        ["istio-init", "istio-proxy"]
    );
    assert_eq!(
        spec["containers"],
        written[0]["spec"]["template"]["spec"]["containers"]
    );
    let proxy = &spec["initContainers"][1];
    assert_eq!(proxy["restartPolicy"], "Always");
    assert_eq!(proxy["image"], "lateen/proxy:dev");
    assert_eq!(spec["initContainers"][0]["image"], "lateen/proxy:dev");
    assert_eq!(proxy["startupProbe"]["httpGet"]["port"], 15021);
    assert_eq!(
        template["metadata"]["labels"]["service.istio.io/canonical-name"],
        "k8s-combat-service"
    );
}

#[test]
fn the_classic_form_puts_the_proxy_beside_the_application() {
    let classic = settings(&["values.pilot.env.ENABLE_NATIVE_SIDECARS=false"]);
    let injected = documents(&kube_inject(DEPLOYMENT, &classic).unwrap());
    let spec = &injected[0]["spec"]["template"]["spec"];
    assert_eq!(names(&spec["initContainers"]), ["istio-init"]);
    assert_eq!(
        names(&spec["containers"]),
        ["k8s-combat-service", "istio-proxy"]
    );
    assert_eq!(spec["containers"][1].get("restartPolicy"), None);
}

#[test]
fn the_three_probes_of_the_demo_go_through_the_agent() {
    let injected = documents(&kube_inject(PROBES, &Settings::default()).unwrap());
    let spec = &injected[0]["spec"]["template"]["spec"];
    for (probe, leaf) in [
        ("livenessProbe", "livez"),
        ("readinessProbe", "readyz"),
        ("startupProbe", "startupz"),
    ] {
        assert_eq!(
            spec["containers"][0][probe]["httpGet"],
            json!({"path": format!("/app-health/k8s-combat-service/{leaf}"), "port": 15020, "scheme": "HTTP"})
        );
    }
    let env = spec["initContainers"][1]["env"].as_array().unwrap();
    let probers = env.iter().find(|e| e["name"] == "ISTIO_KUBE_APP_PROBERS");
    let probers: Value = serde_json::from_str(probers.unwrap()["value"].as_str().unwrap()).unwrap();
    assert_eq!(
        probers["/app-health/k8s-combat-service/livez"],
        json!({"httpGet": {"path": "/ping", "port": 8081, "scheme": "HTTP"}, "timeoutSeconds": 1})
    );
}

#[test]
fn injecting_the_result_again_changes_nothing() {
    for sets in [
        vec![],
        vec!["values.pilot.env.ENABLE_NATIVE_SIDECARS=false"],
        vec!["components.cni.enabled=true", "values.global.network=n1"],
    ] {
        let settings = settings(&sets);
        for manifest in [DEPLOYMENT, PROBES] {
            let once = kube_inject(manifest, &settings).unwrap();
            let twice = kube_inject(&once, &settings).unwrap();
            assert_eq!(documents(&once), documents(&twice), "{sets:?}");
        }
    }
}

#[test]
fn a_users_own_settings_of_the_proxy_survive_injecting_again() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - {name: \
               web, image: web:1}\n  - name: istio-proxy\n    image: auto\n    resources: \
               {limits: {memory: 64Mi}}\n    lifecycle: {preStop: {httpGet: {port: 1}}}\n";
    for sets in [
        vec![],
        vec!["values.pilot.env.ENABLE_NATIVE_SIDECARS=false"],
    ] {
        let settings = settings(&sets);
        let once = kube_inject(pod, &settings).unwrap();
        let twice = kube_inject(&once, &settings).unwrap();
        assert_eq!(documents(&once), documents(&twice), "{sets:?}");
        let pods = documents(&once);
        let list = if sets.is_empty() {
            "initContainers"
        } else {
            "containers"
        };
        let proxy = &pods[0]["spec"][list][1];
        assert_eq!(proxy["image"], "lateen/proxy:dev");
        assert_eq!(proxy["resources"]["limits"]["memory"], "64Mi");
        assert_eq!(proxy["resources"]["limits"]["cpu"], "2");
        assert_eq!(
            proxy["lifecycle"]["preStop"],
            json!({"httpGet": {"port": 1}})
        );
    }
}

#[test]
fn texts_that_look_like_other_types_stay_texts_in_the_yaml() {
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: 'on', b: '010', \
                  c: 'null', d: '1:30', e: \"x\\ny\\n\", f: '', g: '*', h: '- a', i: 'yes', j: \
                  '1e3', k: ' x '}\n";
    let out = kube_inject(config, &Settings::default()).unwrap();
    assert_eq!(documents(&out), documents(config));
    // A reader of YAML 1.1 would take these for booleans, so they must be quoted.
    for line in out
        .lines()
        .filter(|l| l.starts_with("  a:") || l.starts_with("  i:"))
    {
        assert!(line.contains(['"', '\'']), "{line}");
    }
}

#[test]
fn a_pod_that_says_no_passes_through() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  labels: \
               {sidecar.istio.io/inject: 'false'}\nspec: {containers: [{name: web}]}\n";
    let out = kube_inject(pod, &Settings::default()).unwrap();
    assert_eq!(documents(&out), documents(pod));
}

#[test]
fn a_label_on_a_cron_jobs_pods_is_heard() {
    let job = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: nightly}\nspec:\n  \
               jobTemplate:\n    spec:\n      template:\n        metadata: {labels: \
               {sidecar.istio.io/inject: 'false'}}\n        spec: {containers: [{name: job}]}\n";
    let out = kube_inject(job, &Settings::default()).unwrap();
    assert_eq!(documents(&out), documents(job));
}

#[test]
fn what_is_wrong_is_named_with_object_and_field() {
    let message = |yaml: &str| {
        kube_inject(yaml, &Settings::default())
            .unwrap_err()
            .to_string()
    };
    let pod = |metadata: &str, spec: &str| {
        format!("kind: Pod\nmetadata: {{name: web, {metadata}}}\nspec: {spec}\n")
    };
    let wrong = message(&pod("", "{containers: web}"));
    assert!(
        wrong.contains("Pod default/web") && wrong.contains("spec.containers"),
        "{wrong}"
    );
    let wrong = message(&pod(
        "annotations: {inject.istio.io/templates: waypoint}",
        "{}",
    ));
    assert!(wrong.contains("`waypoint`"), "{wrong}");
    let wrong = message(&pod(
        "annotations: {proxy.istio.io/config: 'statusPort: x'}",
        "{}",
    ));
    assert!(
        wrong.contains("proxy.istio.io/config") && wrong.contains("statusPort"),
        "{wrong}"
    );
    assert!(message("a: [").contains("not valid YAML"));
}

#[test]
fn the_command_reads_standard_input_and_writes_nothing_when_it_fails() {
    let mut args = KubeInjectArgs {
        filename: "-".into(),
        set: vec!["values.global.hub=example.com/mesh".to_owned()],
        ..KubeInjectArgs::default()
    };
    let mut out = Vec::new();
    run(&args, &mut DEPLOYMENT.as_bytes(), &mut out).unwrap();
    assert!(
        String::from_utf8(out)
            .unwrap()
            .contains("example.com/mesh/proxyv2:dev")
    );
    let mut out = Vec::new();
    args.set.push("values.global.logAsJson=maybe".to_owned());
    let message = run(&args, &mut DEPLOYMENT.as_bytes(), &mut out)
        .unwrap_err()
        .to_string();
    assert!(message.contains("logAsJson"), "{message}");
    assert!(out.is_empty());
    args.filename = "absent.yaml".into();
    args.set.clear();
    let message = run(&args, &mut std::io::empty(), &mut out)
        .unwrap_err()
        .to_string();
    assert!(message.contains("absent.yaml"), "{message}");
}

/// Every field of an injected pod, put to another type: refused or injected, never a panic,
/// and what comes out can be injected again.
#[test]
fn no_field_of_the_wrong_type_stops_the_injector() {
    let once = kube_inject(PROBES, &Settings::default()).unwrap();
    let template = documents(&once)[0]["spec"]["template"].clone();
    let mut pointers = Vec::new();
    collect(&template, String::new(), &mut pointers);
    assert!(pointers.len() > 100, "{}", pointers.len());
    let context = injector::PodContext::of_pod("default", &template);
    // Three kinds of wrong by turns: each list and map meets several over its elements.
    let wrong = [json!(7), json!([1]), json!({"a": [null]})];
    for (pointer, wrong) in pointers.iter().zip(wrong.iter().cycle()) {
        let mut pod = template.clone();
        *pod.pointer_mut(pointer).unwrap() = wrong.clone();
        if let Ok(injected) = injector::inject(&pod, &context, &Settings::default()) {
            let again = injector::inject(&injected, &context, &Settings::default());
            assert!(again.is_ok(), "{pointer}: {again:?}");
        }
    }
}

fn collect(value: &Value, pointer: String, into: &mut Vec<String>) {
    let escape = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                collect(inner, format!("{pointer}/{}", escape(key)), into);
            }
        }
        Value::Array(items) => {
            for (i, inner) in items.iter().enumerate() {
                collect(inner, format!("{pointer}/{i}"), into);
            }
        }
        _ => {}
    }
    into.push(pointer);
}

#[test]
fn a_template_from_a_values_file_is_run_beside_the_sidecars() {
    let directory = tempfile::tempdir().unwrap();
    let values = directory.path().join("values.yaml");
    let template = "sidecarInjectorWebhook:\n  templates:\n    team: |\n      metadata:\n        labels:\n          \
                    team: {{ index .ObjectMeta.Labels `app` | default `nobody` }}\n";
    std::fs::write(&values, template).unwrap();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  labels: {app: web}\n  annotations: \
               {inject.istio.io/templates: 'sidecar,team'}\nspec: {containers: [{name: web, image: web:1}]}\n";
    let args = KubeInjectArgs {
        filename: "-".into(),
        values_files: vec![values],
        ..KubeInjectArgs::default()
    };
    let mut out = Vec::new();
    run(&args, &mut pod.as_bytes(), &mut out).unwrap();
    let injected = documents(&String::from_utf8(out).unwrap());
    assert_eq!(injected[0]["metadata"]["labels"]["team"], "web");
    assert_eq!(
        names(&injected[0]["spec"]["initContainers"]),
        ["istio-init", "istio-proxy"]
    );
    let unknown = pod.replace("sidecar,team", "team,none");
    let message = run(&args, &mut unknown.as_bytes(), &mut Vec::new())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("`none`") && message.contains("team"),
        "{message}"
    );
}
