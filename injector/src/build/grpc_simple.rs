//! The template `grpc-simple`: the application's gRPC library asks the control plane itself, in the clear. An init
//! container writes its bootstrap.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec, VolumeMount};

use super::environment::{field, value};
use super::{Input, Overlay, OverlayMetadata, volumes};
use crate::annotations::REWRITE_PROBES;

const VOLUME: &str = "grpc-io-proxyless-bootstrap";
const FOLDER: &str = "/var/lib/grpc/data/";
const BOOTSTRAP: &str = "/var/lib/grpc/data/bootstrap.json";
/// A shell and `echo` are all that is needed.
const IMAGE: &str = "busybox:1.28";

pub(super) fn build(input: &Input<'_>) -> Overlay {
    let applications = input.app_containers().into_iter().map(|name| Container {
        name: name.to_owned(),
        env: Some(vec![
            value("GRPC_XDS_BOOTSTRAP", BOOTSTRAP),
            value("GRPC_GO_LOG_VERBOSITY_LEVEL", "99"),
            value("GRPC_GO_LOG_SEVERITY_LEVEL", "info"),
        ]),
        volume_mounts: Some(mounts()),
        ..Container::default()
    });
    Overlay {
        metadata: OverlayMetadata {
            labels: BTreeMap::new(),
            annotations: BTreeMap::from([(REWRITE_PROBES.to_owned(), "false".to_owned())]),
        },
        spec: PodSpec {
            init_containers: Some(vec![init(input)]),
            containers: applications.collect(),
            volumes: Some(vec![volumes::empty(VOLUME, None)]),
            ..PodSpec::default()
        },
    }
}

fn mounts() -> Vec<VolumeMount> {
    vec![volumes::mount(VOLUME, FOLDER)]
}

fn init(input: &Input<'_>) -> Container {
    // Istio's ends in a line feed, which the shell makes a space in the middle of the server's address.
    let namespace = &input.settings.values.global.istio_namespace;
    Container {
        name: "grpc-bootstrap-init".to_owned(),
        image: Some(IMAGE.to_owned()),
        command: Some(vec!["sh".to_owned(), "-c".to_owned(), script()]),
        env: Some(vec![
            field("INSTANCE_IP", "status.podIP"),
            field("POD_NAME", "metadata.name"),
            field("POD_NAMESPACE", "metadata.namespace"),
            value("ISTIO_NAMESPACE", namespace),
        ]),
        volume_mounts: Some(mounts()),
        ..Container::default()
    }
}

/// Writes gRPC's xDS bootstrap: <https://github.com/grpc/proposal/blob/master/A27-xds-global-load-balancing.md>.
fn script() -> String {
    [
        r#"NODE_ID="sidecar~${INSTANCE_IP}~${POD_NAME}.${POD_NAMESPACE}~cluster.local""#,
        r#"SERVER_URI="dns:///istiod.${ISTIO_NAMESPACE}.svc:15010""#,
        "echo '",
        "{",
        r#"  "xds_servers": ["#,
        "    {",
        r#"      "server_uri": "'${SERVER_URI}'","#,
        r#"      "channel_creds": [{"type": "insecure"}],"#,
        r#"      "server_features" : ["xds_v3"]"#,
        "    }",
        "  ],",
        r#"  "node": {"#,
        r#"    "id": "'${NODE_ID}'","#,
        r#"    "metadata": {"#,
        r#"      "GENERATOR": "grpc""#,
        "    }",
        "  }",
    ]
    .join("\n")
        + &format!("\n}}' > {BOOTSTRAP}")
}
