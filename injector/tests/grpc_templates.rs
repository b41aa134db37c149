//! Applications that speak xDS by gRPC's library: the templates `grpc-agent` and `grpc-simple`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use injector::{PodContext, Settings, inject};
use serde_json::{Value, json};

fn injected(template: &str) -> Value {
    let pod = json!({
        "metadata": {
            "labels": {"app": "grpc", "pod-template-hash": "5d4f"},
            "annotations": {"inject.istio.io/templates": template},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "grpc-5d4f", "controller": true}],
        },
        "spec": {"containers": [
            {"name": "traffic", "image": "traffic:1", "readinessProbe": {"httpGet": {"port": 80}}},
        ]},
    });
    inject(
        &pod,
        &PodContext::of_pod("default", &pod),
        &Settings::default(),
    )
    .unwrap()
}

fn variables(container: &Value) -> Vec<(&str, &str)> {
    let env = container["env"].as_array().unwrap().iter();
    env.map(|e| {
        (
            e["name"].as_str().unwrap(),
            e["value"].as_str().unwrap_or(""),
        )
    })
    .collect()
}

fn mounts(container: &Value) -> Vec<(&str, &str)> {
    let mounts = container["volumeMounts"].as_array().unwrap().iter();
    mounts
        .map(|m| {
            (
                m["name"].as_str().unwrap(),
                m["mountPath"].as_str().unwrap(),
            )
        })
        .collect()
}

#[test]
fn an_agent_gives_an_application_that_speaks_xds_its_bootstrap_and_certificates() {
    let pod = injected("grpc-agent");
    let (spec, metadata) = (&pod["spec"], &pod["metadata"]);
    assert_eq!(spec.get("initContainers"), None, "nothing is redirected");
    let application = &spec["containers"][0];
    assert_eq!(
        application["readinessProbe"],
        json!({"httpGet": {"port": 80}})
    );
    assert_eq!(
        variables(application),
        [
            ("GRPC_XDS_EXPERIMENTAL_SECURITY_SUPPORT", "true"),
            ("GRPC_XDS_BOOTSTRAP", "/etc/istio/proxy/grpc-bootstrap.json"),
        ]
    );
    let shared = [
        ("istio-data", "/var/lib/istio/data"),
        ("istio-xds", "/etc/istio/proxy"),
    ];
    assert_eq!(mounts(application), shared);
    let agent = &spec["containers"][1];
    assert_eq!(agent["name"], "istio-proxy");
    let variables = variables(agent);
    for wanted in [
        ("ISTIO_META_GENERATOR", "grpc"),
        ("OUTPUT_CERTS", "/var/lib/istio/data"),
        ("ISTIO_META_APP_CONTAINERS", "traffic"),
        ("ISTIO_META_WORKLOAD_NAME", "grpc"),
        ("ISTIO_META_DNS_CAPTURE", "false"),
        ("DISABLE_ENVOY", "true"),
    ] {
        assert!(variables.contains(&wanted), "{wanted:?}: {variables:?}");
    }
    assert!(shared.iter().all(|mount| mounts(agent).contains(mount)));
    let volumes: Vec<_> = spec["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        volumes,
        [
            "workload-socket",
            "workload-certs",
            "istio-xds",
            "istio-data",
            "istio-podinfo",
            "istio-token",
            "istiod-ca-cert"
        ]
    );
    assert_eq!(
        metadata["labels"]["service.istio.io/canonical-name"],
        "grpc"
    );
    assert_eq!(metadata["labels"].get("security.istio.io/tlsMode"), None);
    let annotations = &metadata["annotations"];
    assert_eq!(
        annotations["sidecar.istio.io/rewriteAppHTTPProbers"],
        "false"
    );
    assert_eq!(
        annotations["kubectl.kubernetes.io/default-container"],
        "traffic"
    );
}

#[test]
fn without_an_agent_an_init_container_writes_the_bootstrap() {
    let pod = injected("grpc-simple");
    let (init, application) = (
        &pod["spec"]["initContainers"][0],
        &pod["spec"]["containers"][0],
    );
    assert_eq!(init["name"], "grpc-bootstrap-init");
    assert_eq!(variables(init)[3], ("ISTIO_NAMESPACE", "istio-system"));
    let folder = [("grpc-io-proxyless-bootstrap", "/var/lib/grpc/data/")];
    assert_eq!(
        (mounts(init), mounts(application)),
        (folder.to_vec(), folder.to_vec())
    );
    assert_eq!(variables(application)[0].0, "GRPC_XDS_BOOTSTRAP");

    // The script, run as the container would run it, in a folder of this test.
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("bootstrap.json");
    let script = init["command"][2].as_str().unwrap();
    let script = script.replace("/var/lib/grpc/data/bootstrap.json", file.to_str().unwrap());
    let run = std::process::Command::new("sh")
        .args(["-c", &script])
        .envs([
            ("INSTANCE_IP", "10.0.0.9"),
            ("POD_NAME", "grpc-1"),
            ("POD_NAMESPACE", "default"),
        ])
        .env("ISTIO_NAMESPACE", variables(init)[3].1)
        .status()
        .unwrap();
    assert!(run.success());
    let bootstrap: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(
        bootstrap["node"]["id"],
        "sidecar~10.0.0.9~grpc-1.default~cluster.local"
    );
    assert_eq!(
        bootstrap["xds_servers"][0]["server_uri"],
        "dns:///istiod.istio-system.svc:15010"
    );
}
