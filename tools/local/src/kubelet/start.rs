//! Starting one container once.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::container::{self, User};
use super::env;
use super::envoy::TARGET;
use super::pod::Pod;
use super::runtime::{ImageContent, Mount, Running, Start};
use super::volume;
use crate::event::Severity;
use crate::object::text;

/// Why a container does not run, with Kubernetes' reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotStarted {
    /// `ErrImagePull`, `CreateContainerConfigError`, `RunContainerError`...
    pub reason: &'static str,
    /// For a person.
    pub message: String,
}

fn because<E: ToString>(reason: &'static str) -> impl Fn(E) -> NotStarted {
    move |error| NotStarted {
        reason,
        message: error.to_string(),
    }
}

/// The container that a sidecar's Envoy is given to.
const PROXY: &str = "istio-proxy";

/// Starts the container for the `restart`-th time; returns its id and the image's digest too.
///
/// # Errors
/// With the reason that the pod's status shows.
pub async fn start(
    pod: &Pod,
    container: &Value,
    restart: u32,
) -> Result<(String, String, Arc<dyn Running>), NotStarted> {
    let container_name = text(container, "/name");
    let image = image(pod, container).await?;
    let (ip, host) = (
        pod.ip().map(|ip| ip.to_string()).unwrap_or_default(),
        pod.node.host_ip().to_string(),
    );
    let facts = pod.facts(&ip, &host);
    let config = because("CreateContainerConfigError");
    let mut env = env::build(container, &image.env, &facts, &pod.node.store.view())
        .map_err(because("CreateContainerConfigError"))?;
    let volumes = pod.lock().volumes.clone();
    let mut mounts = Vec::new();
    for mount in container::mounts(container, &volumes, &env).map_err(&config)? {
        mounts.push(Mount {
            source: volume::inside(&mount.volume, &mount.sub_path).map_err(&config)?,
            target: mount.target,
            read_only: mount.read_only,
        });
    }
    if let (PROXY, Some(envoy)) = (container_name, &pod.node.envoy) {
        mounts.extend_from_slice(envoy.mounts());
        env.push(("ENVOY_PATH".to_owned(), TARGET.to_owned()));
    }
    let User { uid, gid, groups } =
        container::user(&pod.object, container, &image).map_err(&config)?;
    let (add_capabilities, drop_capabilities) = container::capabilities(container);
    let flag = |name: &str| {
        container
            .pointer(&format!("/securityContext/{name}"))
            .and_then(Value::as_bool)
    };
    let log_directory = pod.log_directory(container_name);
    let directory = pod.directory.join("containers");
    for path in [&log_directory, &directory] {
        std::fs::create_dir_all(path).map_err(because("CreateContainerError"))?;
    }
    forget_old_logs(&log_directory, restart);
    let working_directory = match (text(container, "/workingDir"), &image.working_directory) {
        ("", image) if image.is_empty() => "/".into(),
        ("", image) => image.into(),
        (given, _) => given.into(),
    };
    // Uids are unique, so the first block of one keeps ids short and apart.
    let short = pod.uid().split('-').next().unwrap_or_default().to_owned();
    let id = format!("{short}-{container_name}-{restart}");
    let start = Start {
        pod: pod.uid().to_owned(),
        id: id.clone(),
        hostname: facts.hostname(),
        args: container::arguments(container, &image, &env),
        layers: image.layers.clone(),
        env,
        working_directory,
        uid,
        gid,
        groups,
        add_capabilities,
        drop_capabilities,
        no_new_privileges: flag("allowPrivilegeEscalation") == Some(false),
        read_only_root: flag("readOnlyRootFilesystem") == Some(true),
        mounts,
        hosts: container::hosts(&pod.object, &ip, &facts.hostname()),
        resolv_conf: container::resolv_conf(
            &pod.key.namespace,
            &pod.node.dns.to_string(),
            &pod.node.domain,
        ),
        limits: container::limits(container).map_err(&config)?,
        log: log_directory.join(format!("{restart}.log")),
        directory,
    };
    let running = pod
        .node
        .runtime
        .start(start)
        .await
        .map_err(because("RunContainerError"))?;
    let told = |reason, message| pod.note_of(container, Severity::Normal, reason, message);
    told("Created", format!("Created container: {container_name}"));
    told("Started", format!("Started container {container_name}"));
    Ok((id, image.digest.clone(), running))
}

/// As Kubernetes: the logs of this start and of the one before stay, or a container that crashes for ever would fill
/// the disk, which is memory mostly.
fn forget_old_logs(directory: &Path, restart: u32) {
    let Some(old) = restart.checked_sub(2) else {
        return;
    };
    for file in [format!("{old}.log"), format!("{old}.log.1")] {
        // It may never have been written.
        let _ = std::fs::remove_file(directory.join(file));
    }
}

async fn image(pod: &Pod, container: &Value) -> Result<Arc<ImageContent>, NotStarted> {
    let reference = text(container, "/image");
    let opened = open_image(pod, reference).await;
    match &opened {
        Ok(_) => pod.note_of(
            container,
            Severity::Normal,
            "Pulled",
            format!("Container image {reference:?} already present on machine"),
        ),
        Err(NotStarted { message, .. }) => pod.note_of(
            container,
            Severity::Warning,
            "Failed",
            format!("Failed to pull image {reference:?}: {message}"),
        ),
    }
    opened
}

async fn open_image(pod: &Pod, reference: &str) -> Result<Arc<ImageContent>, NotStarted> {
    let archive = pod
        .node
        .images
        .resolve(reference)
        .map_err(because("ErrImagePull"))?;
    pod.node
        .runtime
        .image(archive)
        .await
        .map_err(|error| NotStarted {
            reason: "ErrImagePull",
            message: format!("image {reference:?} from {}: {error}", archive.display()),
        })
}
