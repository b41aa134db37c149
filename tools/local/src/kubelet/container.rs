//! From a container of a pod to what is started: arguments, user, mounts. Pure.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::env::expand;
use super::quantity;
use super::runtime::{ImageContent, Limits};
use crate::object::{integer, list, text};

/// Which of a pod's containers this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Runs to its end before the next one starts.
    Init,
    /// An init container with `restartPolicy: Always`: started in turn and kept running.
    Sidecar,
    /// The pod's own work.
    App,
}

/// The pod's containers in the order in which they start.
pub fn all(pod: &Value) -> Vec<(Role, &Value)> {
    let init = list(pod, "/spec/initContainers").iter().map(|container| {
        let role = if text(container, "/restartPolicy") == "Always" {
            Role::Sidecar
        } else {
            Role::Init
        };
        (role, container)
    });
    let app = list(pod, "/spec/containers").iter().map(|c| (Role::App, c));
    init.chain(app).collect()
}

/// Program and arguments: the container's `command` replaces the image's entrypoint and its command,
/// `args` the command alone; `$(VAR)` is replaced.
pub fn arguments(container: &Value, image: &ImageContent, env: &[(String, String)]) -> Vec<String> {
    let variables: BTreeMap<String, String> = env.iter().cloned().collect();
    let given = |field: &str| -> Vec<String> {
        list(container, field)
            .iter()
            .filter_map(Value::as_str)
            .map(|word| expand(word, &variables))
            .collect()
    };
    let (command, args) = (given("/command"), given("/args"));
    match (command.is_empty(), args.is_empty()) {
        (true, true) => [image.entrypoint.as_slice(), &image.command].concat(),
        (true, false) => [image.entrypoint.as_slice(), &args].concat(),
        (false, _) => [command, args].concat(),
    }
}

/// Who a container runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// The user of a container: its security context, else the pod's, else the image's.
///
/// # Errors
/// When the image names a user that its /etc/passwd lacks, or `runAsNonRoot` meets root.
pub fn user(pod: &Value, container: &Value, image: &ImageContent) -> Result<User, String> {
    let number = |field: &str| -> Option<u32> {
        let pointer = format!("/securityContext/{field}");
        integer(container, &pointer)
            .or_else(|| integer(pod, &format!("/spec{pointer}")))
            .and_then(|n| u32::try_from(n).ok())
    };
    let (image_uid, image_gid) = match (number("runAsUser"), image.user.as_str()) {
        (Some(_), _) | (None, "") => (0, 0),
        (None, given) => image_user(given, &image.layers)?,
    };
    let uid = number("runAsUser").unwrap_or(image_uid);
    let must_not_be_root = [container, pod.get("spec").unwrap_or(&Value::Null)]
        .iter()
        .find_map(|owner| owner.pointer("/securityContext/runAsNonRoot")?.as_bool())
        .unwrap_or(false);
    if must_not_be_root && uid == 0 {
        return Err(format!(
            "container has runAsNonRoot and image will run as root (container: {:?})",
            text(container, "/name")
        ));
    }
    let mut groups: Vec<u32> = list(pod, "/spec/securityContext/supplementalGroups")
        .iter()
        .filter_map(|n| u32::try_from(n.as_u64()?).ok())
        .collect();
    groups.extend(fs_group(pod));
    Ok(User {
        uid,
        gid: number("runAsGroup").unwrap_or(image_gid),
        groups,
    })
}

/// `securityContext.fsGroup` of the pod.
pub fn fs_group(pod: &Value) -> Option<u32> {
    integer(pod, "/spec/securityContext/fsGroup").and_then(|n| u32::try_from(n).ok())
}

fn image_user(given: &str, layers: &[PathBuf]) -> Result<(u32, u32), String> {
    let (user, group) = match given.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (given, None),
    };
    // name:password:uid:gid:...; the topmost layer that has the file holds the valid one.
    let passwd = || {
        layers
            .iter()
            .rev()
            .find_map(|layer| std::fs::read_to_string(layer.join("etc/passwd")).ok())
            .unwrap_or_default()
    };
    let (uid, gid) = match user.parse() {
        Ok(uid) => (uid, 0),
        Err(_) => passwd()
            .lines()
            .find_map(|line| {
                let mut fields = line.split(':');
                let name = fields.next()?;
                let uid = fields.nth(1)?.parse().ok()?;
                let gid = fields.next()?.parse().ok()?;
                (name == user).then_some((uid, gid))
            })
            .ok_or_else(|| format!("the image's user {user:?} is not in its /etc/passwd"))?,
    };
    let gid = group.and_then(|group| group.parse().ok()).unwrap_or(gid);
    Ok((uid, gid))
}

/// Added and dropped capabilities; a privileged container gets `ALL`.
pub fn capabilities(container: &Value) -> (Vec<String>, Vec<String>) {
    let privileged = container
        .pointer("/securityContext/privileged")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let words = |field: &str| -> Vec<String> {
        list(container, &format!("/securityContext/capabilities/{field}"))
            .iter()
            .filter_map(|word| word.as_str().map(str::to_owned))
            .collect()
    };
    if privileged {
        (vec!["ALL".to_owned()], vec![])
    } else {
        (words("add"), words("drop"))
    }
}

/// What `resources` allow the container.
///
/// # Errors
/// Names a quantity that cannot be read.
pub fn limits(container: &Value) -> Result<Limits, String> {
    let quantity = |kind: &str, resource: &str| -> Result<Option<u64>, String> {
        let Some(value) = container.pointer(&format!("/resources/{kind}/{resource}")) else {
            return Ok(None);
        };
        let written = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        quantity::milli(&written)
            .and_then(|milli| u64::try_from(milli).ok())
            .map(Some)
            .ok_or_else(|| {
                format!(
                    "container {:?}: resources.{kind}.{resource}: {written:?} is no quantity: write one as 100m, 1.5 or 128Mi",
                    text(container, "/name")
                )
            })
    };
    let cpu_limit = quantity("limits", "cpu")?.filter(|milli| *milli > 0);
    Ok(Limits {
        memory: quantity("limits", "memory")?
            .map(|milli| milli / 1000)
            .filter(|bytes| *bytes > 0),
        millicores: cpu_limit,
        // A request that is absent follows the limit.
        requested_millicores: quantity("requests", "cpu")?.or(cpu_limit),
    })
}

/// One of a container's `volumeMounts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeMount {
    /// The volume's host directory.
    pub volume: PathBuf,
    /// What of it: relative, without `..`; empty for the whole.
    pub sub_path: PathBuf,
    /// Where in the container.
    pub target: PathBuf,
    /// Whether writes are refused.
    pub read_only: bool,
}

/// Where the container's `volumeMounts` lead, given the host directory of every volume and the container's
/// environment, which `subPathExpr` may name.
///
/// # Errors
/// Names a mount whose volume the pod lacks or whose `subPath` would leave the volume.
pub fn mounts(
    container: &Value,
    volumes: &BTreeMap<String, PathBuf>,
    env: &[(String, String)],
) -> Result<Vec<VolumeMount>, String> {
    let variables: BTreeMap<String, String> = env.iter().cloned().collect();
    list(container, "/volumeMounts")
        .iter()
        .map(|mount| {
            let volume = text(mount, "/name");
            let source = volumes.get(volume).ok_or_else(|| {
                format!(
                    "container {:?} mounts volume {volume:?}, which the pod does not declare",
                    text(container, "/name")
                )
            })?;
            let sub_path = match text(mount, "/subPathExpr") {
                "" => text(mount, "/subPath").to_owned(),
                expression => expand(expression, &variables),
            };
            if !text(mount, "/subPathExpr").is_empty() && sub_path.contains("$(") {
                return Err(format!(
                    "missing value for {sub_path:?} in subPathExpr of volume {volume:?}"
                ));
            }
            let sub_path = PathBuf::from(sub_path);
            let inside = sub_path
                .components()
                .all(|part| matches!(part, std::path::Component::Normal(_)));
            if !inside {
                return Err(format!(
                    "subPath {:?} of volume {volume:?} must be relative and may not contain '..'",
                    sub_path.display()
                ));
            }
            Ok(VolumeMount {
                target: PathBuf::from(text(mount, "/mountPath")),
                volume: source.clone(),
                sub_path,
                read_only: mount.get("readOnly").and_then(Value::as_bool) == Some(true),
            })
        })
        .collect()
}

/// /etc/hosts of a pod: itself and its `hostAliases`.
pub fn hosts(pod: &Value, pod_ip: &str, hostname: &str) -> String {
    let mut text_out = format!(
        "# Managed by lateen local.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n{pod_ip}\t{hostname}\n"
    );
    for alias in list(pod, "/spec/hostAliases") {
        let names: Vec<&str> = list(alias, "/hostnames")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        text_out.push_str(&format!("{}\t{}\n", text(alias, "/ip"), names.join("\t")));
    }
    text_out
}

/// /etc/resolv.conf of a pod, with the search domains of its namespace.
pub fn resolv_conf(namespace: &str, server: &str, domain: &str) -> String {
    format!(
        "search {namespace}.svc.{domain} svc.{domain} {domain}\nnameserver {server}\noptions ndots:5\n"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use serde_json::json;

    fn image() -> ImageContent {
        ImageContent {
            entrypoint: vec!["/app".into()],
            command: vec!["serve".into()],
            user: "65532:65532".into(),
            ..ImageContent::default()
        }
    }

    #[test]
    fn command_replaces_the_entrypoint_and_args_the_images_command() {
        let env = [("PORT".to_owned(), "80".to_owned())];
        for (container, expected) in [
            (json!({}), vec!["/app", "serve"]),
            (json!({"args": ["x", "$(PORT)"]}), vec!["/app", "x", "80"]),
            (json!({"command": ["sh"]}), vec!["sh"]),
            (json!({"command": ["sh"], "args": ["-c"]}), vec!["sh", "-c"]),
        ] {
            assert_eq!(arguments(&container, &image(), &env), expected);
        }
    }

    #[test]
    fn the_containers_user_wins_over_the_pods_and_the_images() {
        let pod = json!({"spec": {"securityContext": {"runAsUser": 7, "fsGroup": 9}}});
        let own = json!({"securityContext": {"runAsUser": 1337, "runAsGroup": 1337}});
        let as_user = |pod: &Value, container: &Value| user(pod, container, &image()).unwrap();
        assert_eq!(as_user(&pod, &own).uid, 1337);
        assert_eq!(as_user(&pod, &own).groups, [9]);
        assert_eq!(as_user(&pod, &json!({})).uid, 7);
        let from_image = as_user(&json!({}), &json!({}));
        assert_eq!((from_image.uid, from_image.gid), (65532, 65532));
    }

    #[test]
    fn limits_are_read_as_quantities_and_a_request_follows_its_limit() {
        let container = json!({"name": "c", "resources": {
            "limits": {"cpu": "250m", "memory": "64Mi"}, "requests": {"memory": "1Mi"}}});
        assert_eq!(
            limits(&container),
            Ok(Limits {
                memory: Some(64 << 20),
                millicores: Some(250),
                requested_millicores: Some(250),
            })
        );
        let whole = json!({"resources": {"limits": {"cpu": 2}, "requests": {"cpu": "0.5"}}});
        let read = limits(&whole).unwrap();
        assert_eq!(
            (read.millicores, read.requested_millicores, read.memory),
            (Some(2000), Some(500), None)
        );
        let bad = json!({"name": "c", "resources": {"limits": {"memory": "lots"}}});
        assert!(
            limits(&bad)
                .unwrap_err()
                .contains("resources.limits.memory: \"lots\"")
        );
    }

    #[test]
    fn root_is_refused_where_the_pod_says_so() {
        let container =
            json!({"name": "c", "securityContext": {"runAsNonRoot": true, "runAsUser": 0}});
        assert!(user(&json!({}), &container, &image()).is_err());
    }

    #[test]
    fn a_mount_of_an_unknown_volume_or_out_of_a_volume_is_refused() {
        let volumes = BTreeMap::from([("v".to_owned(), PathBuf::from("/state/v"))]);
        let env = [("POD".to_owned(), "p".to_owned())];
        let one = |mount: Value| {
            mounts(
                &json!({"name": "c", "volumeMounts": [mount]}),
                &volumes,
                &env,
            )
        };
        assert!(one(json!({"name": "nope", "mountPath": "/x"})).is_err());
        assert!(one(json!({"name": "v", "mountPath": "/x", "subPath": "../../etc"})).is_err());
        let good = one(json!({"name": "v", "mountPath": "/x", "subPath": "a/b", "readOnly": true}));
        let good = &good.unwrap()[0];
        assert_eq!(
            good.volume.join(&good.sub_path),
            PathBuf::from("/state/v/a/b")
        );
        assert!(good.read_only);
        let named = one(json!({"name": "v", "mountPath": "/x", "subPathExpr": "logs/$(POD)"}));
        assert_eq!(named.unwrap()[0].sub_path, PathBuf::from("logs/p"));
        let missing = one(json!({"name": "v", "mountPath": "/x", "subPathExpr": "$(NOPE)"}));
        assert!(
            missing
                .unwrap_err()
                .contains("missing value for \"$(NOPE)\"")
        );
    }

    #[test]
    fn native_sidecars_keep_their_place_among_init_containers() {
        let pod = json!({"spec": {
            "initContainers": [{"name": "istio-init"}, {"name": "istio-proxy", "restartPolicy": "Always"}],
            "containers": [{"name": "app"}]}});
        let roles: Vec<Role> = all(&pod).into_iter().map(|(role, _)| role).collect();
        assert_eq!(roles, [Role::Init, Role::Sidecar, Role::App]);
    }
}
