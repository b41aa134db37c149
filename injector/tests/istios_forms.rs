//! What Istio's injector does beyond the cases at hand, as its users know it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use injector::{PodContext, Settings, inject, kube_inject};
use serde_json::{Value, json};

fn settings(set: &[&str]) -> Settings {
    let mut settings = Settings::default();
    for argument in set {
        settings.set(argument).unwrap();
    }
    settings
}

fn injected(pod: &Value, settings: &Settings) -> Value {
    inject(pod, &PodContext::of_pod("default", pod), settings).unwrap()
}

fn plain() -> Value {
    json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}})
}

fn container<'a>(pod: &'a Value, name: &str) -> &'a Value {
    let all = ["initContainers", "containers"]
        .into_iter()
        .filter_map(|list| pod["spec"][list].as_array())
        .flatten();
    all.into_iter()
        .find(|container| container["name"] == name)
        .unwrap()
}

fn variable<'a>(pod: &'a Value, name: &str) -> Option<&'a str> {
    let env = container(pod, "istio-proxy")["env"].as_array().unwrap();
    let found = env.iter().find(|variable| variable["name"] == name)?;
    found["value"].as_str()
}

fn argument<'a>(container: &'a Value, flag: &str) -> &'a str {
    let arguments = container["args"].as_array().unwrap();
    let at = arguments.iter().position(|one| one == flag).unwrap();
    arguments[at + 1].as_str().unwrap()
}

#[test]
fn an_image_is_named_as_under_the_hub_unless_its_own_setting_names_it() {
    let images = |set: &[&str]| {
        let pod = injected(&plain(), &settings(set));
        ["istio-proxy", "istio-init"]
            .map(|name| container(&pod, name)["image"].as_str().unwrap().to_owned())
    };
    assert_eq!(
        images(&["global.tag=1"]),
        ["lateen/proxy:1", "lateen/proxy:1"]
    );
    assert_eq!(
        images(&["global.hub=example.com/istio", "global.tag=1"]),
        ["example.com/istio/proxyv2:1", "example.com/istio/proxyv2:1"]
    );
    assert_eq!(
        images(&[
            "global.hub=example.com/istio",
            "global.tag=1",
            "global.proxy.image=mine"
        ]),
        ["example.com/istio/mine:1", "example.com/istio/proxyv2:1"]
    );
}

#[test]
fn a_transparent_proxy_stays_root_and_the_rules_let_pass_whom_the_pod_names() {
    let mut pod = plain();
    pod["metadata"]["annotations"] = json!({"sidecar.istio.io/interceptionMode": "TPROXY"});
    let own =
        json!({"name": "istio-proxy", "image": "auto", "securityContext": {"runAsUser": 1234}});
    pod["spec"]["containers"].as_array_mut().unwrap().push(own);
    let pod = injected(&pod, &Settings::default());
    let proxy = container(&pod, "istio-proxy");
    assert_eq!(proxy["securityContext"]["runAsUser"], 0);
    assert_eq!(argument(container(&pod, "istio-init"), "-u"), "1234");
}

#[test]
fn a_gateway_is_not_root_where_the_mesh_is_transparent() {
    let mut settings = Settings::default();
    settings
        .add_mesh_config("defaultConfig: {interceptionMode: TPROXY}", "mesh")
        .unwrap();
    let mut pod = plain();
    pod["metadata"]["annotations"] = json!({"inject.istio.io/templates": "gateway"});
    pod["spec"]["containers"] = json!([{"name": "istio-proxy", "image": "auto",
        "securityContext": {"runAsUser": 1337, "runAsGroup": 1337}}]);
    let pod = injected(&pod, &settings);
    assert_eq!(
        container(&pod, "istio-proxy")["securityContext"]["runAsUser"],
        1337
    );
}

#[test]
fn a_deployment_config_keeps_what_it_says() {
    let config = "apiVersion: apps.openshift.io/v1\nkind: DeploymentConfig\nmetadata: {name: a}\nspec:\n  \
        replicas: 0\n  test: true\n  paused: false\n  template:\n    metadata: {labels: {app: a}}\n    \
        spec: {containers: [{name: app, image: i}]}\n";
    let injected = kube_inject(config, &Settings::default()).unwrap();
    let [config, ..] = &serde_saphyr::from_multiple::<Value>(&injected).unwrap()[..] else {
        panic!("nothing is printed");
    };
    assert_eq!(config["spec"]["replicas"], 0);
    assert_eq!(config["spec"]["test"], true);
    assert_eq!(config["spec"].get("paused"), None);
}

#[test]
fn the_pilots_compliance_policy_is_the_proxys() {
    let pod = injected(
        &plain(),
        &settings(&["pilot.env.COMPLIANCE_POLICY=fips-140-3"]),
    );
    assert_eq!(variable(&pod, "COMPLIANCE_POLICY"), Some("fips-140-3"));
    assert_eq!(variable(&pod, "GODEBUG"), Some("fips140=only"));
    let pod = injected(&plain(), &settings(&["pilot.env.COMPLIANCE_POLICY=pqc"]));
    assert_eq!(variable(&pod, "COMPLIANCE_POLICY"), Some("pqc"));
    assert_eq!(variable(&pod, "GODEBUG"), None);
}

#[test]
fn the_proxys_config_is_written_in_the_order_of_its_declaration() {
    let mut pod = plain();
    pod["metadata"]["annotations"] = json!({"proxy.istio.io/config":
        "proxyMetadata: {FOO: bar, A: b}\nconcurrency: 0\ndiscoveryAddress: foo:123\n"});
    let pod = injected(&pod, &Settings::default());
    assert_eq!(
        variable(&pod, "PROXY_CONFIG"),
        Some(
            "{\"discoveryAddress\":\"foo:123\",\"concurrency\":0,\"proxyMetadata\":{\"A\":\"b\",\"FOO\":\"bar\"}}\n"
        )
    );
}

#[test]
fn what_two_templates_add_to_is_recorded_once() {
    let mut own = settings(&[]);
    own.add_values(
        "sidecarInjectorWebhook:\n  templates:\n    more: |\n      spec:\n        initContainers:\n        - name: istio-proxy\n          env: [{name: MORE, value: '1'}]\n        volumes:\n        - name: workload-socket\n          csi: {driver: csi.spiffe.io}\n",
        "values.yaml",
    )
    .unwrap();
    let mut pod = plain();
    pod["metadata"]["annotations"] = json!({"inject.istio.io/templates": "sidecar,more"});
    let pod = injected(&pod, &own);
    let status = pod["metadata"]["annotations"]["sidecar.istio.io/status"]
        .as_str()
        .unwrap();
    let status: Value = serde_json::from_str(status).unwrap();
    assert_eq!(
        status["initContainers"],
        json!(["istio-init", "istio-proxy"])
    );
    let volumes = status["volumes"].as_array().unwrap();
    let sockets = volumes.iter().filter(|name| *name == "workload-socket");
    assert_eq!(sockets.count(), 1);
}

#[test]
fn kube_inject_prints_counts_and_defaults_as_istios_types_do() {
    for (kind, status) in [
        (
            "StatefulSet",
            json!({"availableReplicas": 0, "replicas": 0}),
        ),
        ("ReplicaSet", json!({"replicas": 0})),
        (
            "DaemonSet",
            json!({"currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0}),
        ),
    ] {
        let yaml = format!(
            "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: a}}\nspec:\n  template:\n    spec: {{containers: [{{name: app, image: 'app:1'}}]}}\n"
        );
        let text = kube_inject(&yaml, &Settings::default()).unwrap();
        let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        assert_eq!(objects[0]["status"], status, "{kind}");
    }
}
