//! What a pod's surroundings say about it: its namespace and the workload that owns it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::pod;

/// What [`crate::inject`] needs to know beside the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodContext {
    /// Namespace that the pod is created in. (The pod itself may not name it.)
    pub namespace: String,
    /// The workload that owns the pod, or the pod itself.
    pub workload: Workload,
    /// Name of the cluster, over the values' (`/inject/cluster/<name>`).
    pub cluster: Option<String>,
    /// Name of the network, over the values' (`/inject/net/<name>`).
    pub network: Option<String>,
}

/// The object that made the pod, as telemetry and canonical names use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// `apiVersion`, such as `apps/v1`.
    pub api_version: String,
    /// `kind`, such as `Deployment`.
    pub kind: String,
    /// `metadata.name`; empty when nothing names the pod.
    pub name: String,
}

impl PodContext {
    /// A pod whose workload is known.
    pub fn new(namespace: &str, workload: Workload) -> Self {
        Self {
            namespace: namespace.to_owned(),
            workload,
            cluster: None,
            network: None,
        }
    }

    /// A pod whose workload is told from its `ownerReferences`: a ReplicaSet stands for its
    /// Deployment, a Job made by a CronJob for the CronJob; a pod without an owner is its own.
    pub fn of_pod(namespace: &str, pod: &Value) -> Self {
        Self::new(namespace, owner(pod))
    }
}

fn owner(pod: &Value) -> Workload {
    let metadata = pod.get("metadata").unwrap_or(&Value::Null);
    let text = |value: &Value, key: &str| {
        let text = value.get(key).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let owners = metadata.get("ownerReferences").and_then(Value::as_array);
    let controller = owners
        .into_iter()
        .flatten()
        .find(|o| o.get("controller").and_then(Value::as_bool) == Some(true));
    let Some(controller) = controller else {
        let mut name = text(metadata, "name");
        if name.is_empty() {
            name = text(metadata, "generateName")
                .trim_end_matches('-')
                .to_owned();
        }
        return Workload {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            name,
        };
    };
    let workload = Workload {
        api_version: text(controller, "apiVersion"),
        kind: text(controller, "kind"),
        name: text(controller, "name"),
    };
    maker(workload, &pod::strings(pod, "labels"))
}

/// The workload behind one that controllers make: its name and kind follow from naming rules.
fn maker(owner: Workload, labels: &BTreeMap<String, String>) -> Workload {
    let replaced = match owner.kind.as_str() {
        "ReplicaSet" => labels
            .get("pod-template-hash")
            .and_then(|hash| owner.name.strip_suffix(hash.as_str())?.strip_suffix('-'))
            .map(|name| ("Deployment", name)),
        "Job" => owner
            .name
            .rsplit_once('-')
            // A CronJob names its Jobs by the scheduled minute (or, formerly, second).
            .filter(|(_, time)| {
                (8..=10).contains(&time.len()) && time.bytes().all(|b| b.is_ascii_digit())
            })
            .map(|(name, _)| ("CronJob", name)),
        "ReplicationController" => labels
            .get("deploymentconfig")
            .map(|name| ("DeploymentConfig", name.as_str())),
        _ => None,
    };
    match replaced {
        Some((kind, name)) if !name.is_empty() => Workload {
            api_version: match kind {
                "DeploymentConfig" => "apps.openshift.io/v1".to_owned(),
                _ => owner.api_version.clone(),
            },
            kind: kind.to_owned(),
            name: name.to_owned(),
        },
        _ => owner,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn owned(kind: &str, name: &str, labels: Value) -> (String, String) {
        let pod = json!({"metadata": {
            "name": "greeter-5d4f-x", "labels": labels,
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": kind, "name": name, "controller": true}],
        }});
        let workload = PodContext::of_pod("default", &pod).workload;
        (workload.kind, workload.name)
    }

    #[test]
    fn the_deployment_is_told_from_the_replica_sets_name_and_hash() {
        let labels = json!({"pod-template-hash": "5d4f"});
        assert_eq!(
            owned("ReplicaSet", "greeter-5d4f", labels),
            ("Deployment".into(), "greeter".into())
        );
        assert_eq!(
            owned("ReplicaSet", "greeter-5d4f", json!({})),
            ("ReplicaSet".into(), "greeter-5d4f".into())
        );
    }

    #[test]
    fn the_cron_job_is_told_from_the_jobs_name() {
        assert_eq!(
            owned("Job", "nightly-28921440", json!({})),
            ("CronJob".into(), "nightly".into())
        );
        assert_eq!(
            owned("Job", "migrate-v2", json!({})),
            ("Job".into(), "migrate-v2".into())
        );
    }

    #[test]
    fn a_pod_without_an_owner_is_its_own_workload() {
        let pod = json!({"metadata": {"generateName": "shell-"}});
        let workload = PodContext::of_pod("default", &pod).workload;
        assert_eq!(
            (workload.kind.as_str(), workload.name.as_str()),
            ("Pod", "shell")
        );
    }
}
