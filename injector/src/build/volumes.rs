//! Volumes of an injected pod and where the proxy mounts them.

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, DownwardAPIVolumeFile, DownwardAPIVolumeSource, EmptyDirVolumeSource,
    ObjectFieldSelector, ProjectedVolumeSource, SecretVolumeSource, ServiceAccountTokenProjection,
    Volume, VolumeMount, VolumeProjection,
};
use serde::Deserialize;
use serde_json::Value;

use super::Input;
use super::environment::CUSTOM_BOOTSTRAP;
use crate::annotations::{BOOTSTRAP_OVERRIDE, USER_VOLUME, USER_VOLUME_MOUNT};

/// Where the agent keeps what it writes.
pub(super) const DATA: &str = "/var/lib/istio/data";
/// Twelve hours: the kubelet renews a token at four fifths of its life.
const TOKEN_SECONDS: i64 = 43_200;

pub(super) fn sidecar_volumes(input: &Input<'_>) -> Vec<Volume> {
    let global = &input.settings.values.global;
    let mut volumes: Vec<Volume> = ["workload-socket", "credential-socket", "workload-certs"]
        .into_iter()
        .map(|name| empty(name, None))
        .collect();
    if let Some(name) = input.annotations.get(BOOTSTRAP_OVERRIDE) {
        volumes.push(config_map("custom-bootstrap-volume", name, None));
    }
    volumes.extend(agent_volumes(input));
    volumes.push(config_map("istio-ca-crl", "istio-ca-crl", Some(true)));
    if global.mount_mtls_certs {
        let account = input.pod.get("spec").and_then(|s| {
            s.get("serviceAccountName")
                .and_then(Value::as_str)
                .filter(|name| !name.is_empty())
        });
        volumes.push(Volume {
            name: "istio-certs".to_owned(),
            secret: Some(SecretVolumeSource {
                optional: Some(true),
                secret_name: Some(format!("istio.{}", account.unwrap_or("default"))),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        });
    }
    volumes.extend(of_the_user(input, USER_VOLUME));
    volumes
}

pub(super) fn gateway_volumes(input: &Input<'_>) -> Vec<Volume> {
    let mut volumes: Vec<Volume> = ["workload-socket", "credential-socket", "workload-certs"]
        .into_iter()
        .map(|name| empty(name, None))
        .collect();
    volumes.extend(agent_volumes(input));
    volumes
}

/// What the agent needs in either kind of pod.
fn agent_volumes(input: &Input<'_>) -> Vec<Volume> {
    let global = &input.settings.values.global;
    let mut volumes = vec![
        empty("istio-envoy", Some("Memory")),
        empty("istio-data", None),
        pod_info(),
        token(&global.sds.token.aud),
    ];
    if global.pilot_cert_provider == "istiod" {
        let name = match global.trust_bundle_name.as_str() {
            "" => "istio-ca-root-cert",
            name => name,
        };
        volumes.push(config_map("istiod-ca-cert", name, None));
    }
    volumes
}

pub(super) fn grpc_agent_volumes(input: &Input<'_>) -> Vec<Volume> {
    let mut volumes = vec![
        empty("workload-socket", None),
        empty("workload-certs", None),
    ];
    if let Some(name) = input.annotations.get(BOOTSTRAP_OVERRIDE) {
        volumes.push(config_map("custom-bootstrap-volume", name, None));
    }
    volumes.push(empty("istio-xds", Some("Memory")));
    let agents = agent_volumes(input);
    volumes.extend(
        agents
            .into_iter()
            .filter(|volume| volume.name != "istio-envoy"),
    );
    volumes.extend(of_the_user(input, USER_VOLUME));
    volumes
}

/// Where an application that speaks xDS meets its agent.
pub(super) fn grpc_application_mounts() -> Vec<VolumeMount> {
    vec![
        mount("istio-data", DATA),
        mount("istio-xds", "/etc/istio/proxy"),
    ]
}

pub(super) fn grpc_agent_mounts(input: &Input<'_>) -> Vec<VolumeMount> {
    let mut mounts = first_mounts(input);
    mounts.retain(|mount| mount.name != "credential-socket");
    mounts.extend(grpc_application_mounts());
    mounts.push(mount("istio-token", "/var/run/secrets/tokens"));
    mounts.push(mount("istio-podinfo", "/etc/istio/pod"));
    mounts.extend(of_the_user(input, USER_VOLUME_MOUNT));
    mounts
}

pub(super) fn sidecar_mounts(input: &Input<'_>) -> Vec<VolumeMount> {
    let global = &input.settings.values.global;
    let mut mounts = first_mounts(input);
    mounts.push(mount("istio-ca-crl", "/var/run/secrets/istio/crl"));
    mounts.push(mount("istio-data", DATA));
    if input.annotations.has(BOOTSTRAP_OVERRIDE) {
        mounts.push(mount("custom-bootstrap-volume", CUSTOM_BOOTSTRAP));
    }
    mounts.push(mount("istio-envoy", "/etc/istio/proxy"));
    mounts.push(mount("istio-token", "/var/run/secrets/tokens"));
    if global.mount_mtls_certs {
        mounts.push(VolumeMount {
            read_only: Some(true),
            ..mount("istio-certs", "/etc/certs/")
        });
    }
    mounts.push(mount("istio-podinfo", "/etc/istio/pod"));
    mounts.extend(of_the_user(input, USER_VOLUME_MOUNT));
    mounts
}

pub(super) fn gateway_mounts(input: &Input<'_>) -> Vec<VolumeMount> {
    let mut mounts = first_mounts(input);
    mounts.extend([
        mount("istio-data", DATA),
        mount("istio-envoy", "/etc/istio/proxy"),
        mount("istio-token", "/var/run/secrets/tokens"),
        mount("istio-podinfo", "/etc/istio/pod"),
    ]);
    mounts
}

fn first_mounts(input: &Input<'_>) -> Vec<VolumeMount> {
    let mut mounts = vec![
        mount("workload-socket", "/var/run/secrets/workload-spiffe-uds"),
        mount("credential-socket", "/var/run/secrets/credential-uds"),
        mount(
            "workload-certs",
            "/var/run/secrets/workload-spiffe-credentials",
        ),
    ];
    if input.settings.values.global.pilot_cert_provider == "istiod" {
        mounts.push(mount("istiod-ca-cert", "/var/run/secrets/istio"));
    }
    mounts
}

/// Volumes or mounts that the pod asks for by annotation: a JSON object, named by its keys.
fn of_the_user<T: for<'de> Deserialize<'de>>(input: &Input<'_>, annotation: &str) -> Vec<T> {
    let entries = input.annotations.json(annotation).into_iter();
    entries
        .filter_map(|(name, mut value)| {
            value
                .as_object_mut()?
                .insert("name".to_owned(), name.into());
            T::deserialize(value).ok()
        })
        .collect()
}

pub(super) fn empty(name: &str, medium: Option<&str>) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: medium.map(str::to_owned),
            ..EmptyDirVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn config_map(name: &str, config_map: &str, optional: Option<bool>) -> Volume {
    Volume {
        name: name.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: config_map.to_owned(),
            optional,
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// The pod's labels and annotations as files.
fn pod_info() -> Volume {
    let file = |path: &str| DownwardAPIVolumeFile {
        path: path.to_owned(),
        field_ref: Some(ObjectFieldSelector {
            field_path: format!("metadata.{path}"),
            ..ObjectFieldSelector::default()
        }),
        ..DownwardAPIVolumeFile::default()
    };
    Volume {
        name: "istio-podinfo".to_owned(),
        downward_api: Some(DownwardAPIVolumeSource {
            items: Some(vec![file("labels"), file("annotations")]),
            ..DownwardAPIVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn token(audience: &str) -> Volume {
    Volume {
        name: "istio-token".to_owned(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(vec![VolumeProjection {
                service_account_token: Some(ServiceAccountTokenProjection {
                    audience: Some(audience.to_owned()),
                    expiration_seconds: Some(TOKEN_SECONDS),
                    path: "istio-token".to_owned(),
                }),
                ..VolumeProjection::default()
            }]),
            ..ProjectedVolumeSource::default()
        }),
        ..Volume::default()
    }
}

pub(super) fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    }
}
