#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use serde_json::{Value, json};

use crate::{InjectError, PodContext, Settings, inject};

/// A pod that asks for a template, injected by it.
fn injected_by(template: &str, pod: Value) -> Result<Value, InjectError> {
    let mut settings = Settings::default();
    let values = json!({"sidecarInjectorWebhook": {"templates": {"own": template}}});
    settings
        .add_values(&values.to_string(), "values.yaml")
        .unwrap();
    let mut pod = pod;
    pod["metadata"]["annotations"]["inject.istio.io/templates"] = json!("own");
    let context = PodContext::of_pod("shop", &pod);
    inject(&pod, &context, &settings)
}

/// What a template prints, seen in an annotation.
fn printed(template: &str, pod: Value) -> String {
    let template = format!("metadata:\n  annotations:\n    got: |-\n      {template}\n");
    let injected = injected_by(&template, pod).unwrap();
    injected["metadata"]["annotations"]["got"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn pod() -> Value {
    json!({
        "metadata": {"name": "web-1", "labels": {"app": "web"}, "annotations": {"a": "1"}},
        "spec": {
            "hostNetwork": false,
            "fieldOfTheFuture": 7,
            "containers": [
                {"name": "web", "image": "web:1", "ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}],
                 "readinessProbe": {"httpGet": {"port": 80, "path": "/ready"}}},
                {"name": "log", "image": "log:1"},
            ],
        },
    })
}

#[test]
fn the_data_has_gos_names_and_gos_empty_values() {
    for (template, wanted) in [
        (
            "{{ .ObjectMeta.Name }} {{ .ObjectMeta.Labels.app }}",
            "web-1 web",
        ),
        ("{{ index .ObjectMeta.Annotations `a` }}", "1"),
        (
            "{{ range $i, $c := .Spec.Containers }}{{ $i }}={{ $c.Name }},{{ end }}",
            "0=web,1=log,",
        ),
        (
            "{{ (index .Spec.Containers 0).ReadinessProbe.HTTPGet.Path }}",
            "/ready",
        ),
        (
            "[{{ .Spec.ServiceAccountName }}]{{ len .Spec.Volumes }}{{ if .Spec.HostNetwork }}h{{ end }}",
            "[]0",
        ),
        (
            "{{ if .Spec.SecurityContext }}yes{{ else }}no{{ end }}",
            "no",
        ),
        (
            "{{ .DeploymentMeta.Name }}/{{ .DeploymentMeta.Namespace }} {{ .TypeMeta.Kind }}",
            "web-1/shop Pod",
        ),
        (
            "{{ .Values.global.hub }}/{{ .Values.global.proxy.image }} {{ .ProxyImage }}",
            "lateen/proxy lateen/proxy:dev",
        ),
        (
            "{{ .ProxyConfig.DiscoveryAddress }} {{ .ProxyConfig.GetStatusPort }}",
            "istiod.istio-system.svc:15012 15020",
        ),
        (
            "{{ .MeshConfig.TrustDomain }} {{ .Revision }} {{ .ProxyUID }}",
            "cluster.local default 1337",
        ),
        (
            "{{ .ProxyConfig.GetTracing.GetTlsSettings.GetCaCertificates }}",
            "<no value>",
        ),
    ] {
        assert_eq!(printed(template, pod()), wanted, "{template}");
    }
}

#[test]
fn istios_functions_do_what_they_do_there() {
    for (template, wanted) in [
        (
            "{{ annotation .ObjectMeta `a` `2` }} {{ annotation .ObjectMeta `b` 2 }}",
            "1 2",
        ),
        (
            "{{ isset .ObjectMeta.Annotations `a` }} {{ isset .ObjectMeta.Annotations `b` }}",
            "true false",
        ),
        (
            "{{ valueOrDefault `` `x` }}{{ valueOrDefault `y` `x` }}",
            "xy",
        ),
        ("{{ includeInboundPorts .Spec.Containers }}", "80"),
        (
            "{{ excludeInboundPort 15020 `15021` }} {{ excludeInboundPort 0 `1` }}",
            "15021,15020 1",
        ),
        ("{{ formatDuration .ProxyConfig.DrainDuration }}", "45s"),
        ("{{ protoToJSON .ProxyConfig }}", "{}"),
        (
            "{{ structToJSON (index (index .Spec.Containers 0).Ports 0) }}",
            r#"{"containerPort":80}"#,
        ),
        (
            "{{ toJSON .ObjectMeta.Labels }} {{ (fromJSON `{\"k\": [1, 2]}`).k }}",
            r#"{"app":"web"} [1 2]"#,
        ),
        (
            "{{ directory `/a/b/c` }} {{ contains `b` `abc` }} {{ toLower `ABC` }}",
            "/a/b/ true abc",
        ),
        ("{{ appendMultusNetwork `a` `istio-cni` }}", "a, istio-cni"),
        ("{{ env `NO_SUCH_VARIABLE_HERE` `none` }}", "none"),
        (
            "{{ toJsonMap (strdict `a` `1`) (omit (strdict `b` `2` `c` `3`) `c`) }}",
            r#"{"a":"1","b":"2"}"#,
        ),
    ] {
        assert_eq!(printed(template, pod()), wanted, "{template}");
    }
}

#[test]
fn sprigs_functions_do_what_they_do_there() {
    for (template, wanted) in [
        (
            "{{ index .ObjectMeta.Labels `none` | default `x` | quote }}",
            "\"x\"",
        ),
        (
            "{{ $l := list `a` }}{{ $l = append $l `b` }}{{ $l | join `,` }}",
            "a,b",
        ),
        ("{{ `a-b` | replace `-` `_` | upper | trunc 2 }}", "A_"),
        ("{{ ternary `yes` `no` (hasPrefix `we` `web`) }}", "yes"),
        (
            "{{ get (dict `k` `v`) `k` }} {{ hasKey (dict `k` `v`) `x` }}",
            "v false",
        ),
        ("{{ add 1 2 | mul 3 }} {{ int `12` }}", "9 12"),
        (
            "{{ `text` | b64enc }} {{ `dGV4dA==` | b64dec }}",
            "dGV4dA== text",
        ),
    ] {
        assert_eq!(printed(template, pod()), wanted, "{template}");
    }
}

#[test]
fn what_a_template_gives_is_laid_over_the_pod_and_what_nobody_knows_survives() {
    let template = "spec:\n  newer: {a: 1}\n  containers:\n  {{- range .Spec.Containers }}\n  - name: {{ .Name }}\n    \
                    env: [{name: X, value: \"1\"}]\n  {{- end }}\n  - name: added\n    image: added:1\n";
    let injected = injected_by(template, pod()).unwrap();
    let spec = &injected["spec"];
    assert_eq!(
        (&spec["fieldOfTheFuture"], &spec["newer"]),
        (&json!(7), &json!({"a": 1}))
    );
    for n in [0, 1] {
        assert_eq!(
            spec["containers"][n]["env"],
            json!([{"name": "X", "value": "1"}])
        );
    }
    assert_eq!(spec["containers"][2]["name"], "added");
    let status = injected["metadata"]["annotations"]["sidecar.istio.io/status"]
        .as_str()
        .unwrap();
    assert!(
        status.contains(r#""containers":["web","log","added"]"#),
        "{status}"
    );
    let again = {
        let mut settings = Settings::default();
        let values = json!({"sidecarInjectorWebhook": {"templates": {"own": template}}});
        settings
            .add_values(&values.to_string(), "values.yaml")
            .unwrap();
        inject(&injected, &PodContext::of_pod("shop", &injected), &settings).unwrap()
    };
    assert_eq!(again, injected, "injecting twice is injecting once");
}

#[test]
fn a_template_that_fails_is_named_with_its_reason_and_nothing_is_injected() {
    for (template, reason) in [
        ("{{ noSuchFunction 1 }}", "noSuchFunction"),
        ("{{ fail `no port` }}", "no port"),
        ("a: [", "YAML"),
        ("- a", "map"),
        ("spec: {containers: 7}", "containers"),
        ("{{ range $i := 200000 }}{{ end }}", "range"),
        (
            "{{ define `a` }}{{ template `a` . }}{{ end }}{{ template `a` . }}",
            "recursion",
        ),
    ] {
        let message = injected_by(template, pod()).unwrap_err().to_string();
        assert!(
            message.contains("template `own`") && message.contains(reason),
            "{template}: {message}"
        );
    }
}

#[test]
fn a_text_that_is_no_template_is_refused_with_the_settings() {
    let mut settings = Settings::default();
    let values = json!({"sidecarInjectorWebhook": {"templates": {"own": "a: {{ if }}"}}});
    let message = settings
        .add_values(&values.to_string(), "values.yaml")
        .unwrap_err()
        .to_string();
    for part in ["values.yaml", "sidecarInjectorWebhook.templates.own", "1:"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_template_of_the_name_of_one_of_ours_stands_in_its_place() {
    let mut settings = Settings::default();
    let values = json!({"sidecarInjectorWebhook": {"templates": {"sidecar": "metadata: {labels: {mine: \"yes\"}}"}}});
    settings
        .add_values(&values.to_string(), "values.yaml")
        .unwrap();
    let injected = inject(&pod(), &PodContext::of_pod("shop", &pod()), &settings).unwrap();
    assert_eq!(injected["metadata"]["labels"]["mine"], "yes");
    assert_eq!(injected["spec"].get("initContainers"), None);
}
