//! A pod's `status` from what its containers do. Pure.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::container::Role;
use crate::object::{age, list, text};

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Exit status.
    pub code: i32,
    /// The kernel killed a process of it for its memory limit.
    pub out_of_memory: bool,
    /// When it started.
    pub started: OffsetDateTime,
    /// When it ended.
    pub finished: OffsetDateTime,
}

/// What a container is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not running; the reason is one of Kubernetes' (`ContainerCreating`, `ErrImagePull`...).
    Waiting {
        /// CamelCase reason.
        reason: &'static str,
        /// What a person should know.
        message: String,
    },
    /// Running since.
    Running(OffsetDateTime),
    /// At its end, not to be started again.
    Ended(Ended),
}

/// One container of a pod as the kubelet sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// The image reference.
    pub image: String,
    /// The image's digest once known.
    pub image_id: String,
    /// The id of the latest start; empty before the first.
    pub id: String,
    /// What it does now.
    pub state: State,
    /// How it ended the last time.
    pub last: Option<Ended>,
    /// How often it was started again.
    pub restarts: u32,
    /// Its startup probe has succeeded, or it has none and runs.
    pub started: bool,
    /// It may get traffic.
    pub ready: bool,
}

impl Record {
    /// A container that waits for its turn.
    pub fn waiting(name: &str, role: Role, image: &str, reason: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            role,
            image: image.to_owned(),
            image_id: String::new(),
            id: String::new(),
            state: State::Waiting {
                reason,
                message: String::new(),
            },
            last: None,
            restarts: 0,
            started: false,
            ready: false,
        }
    }

    fn is_initialized(&self) -> bool {
        match self.role {
            Role::Init => matches!(&self.state, State::Ended(end) if end.code == 0),
            Role::Sidecar => self.started,
            Role::App => true,
        }
    }

    fn status(&self) -> Value {
        let ended = |end: &Ended| {
            json!({"terminated": {
                "exitCode": end.code,
                "reason": match (end.code, end.out_of_memory) {
                    (0, _) => "Completed",
                    (_, true) => "OOMKilled",
                    (_, false) => "Error",
                },
                "startedAt": age::timestamp(end.started),
                "finishedAt": age::timestamp(end.finished),
                "containerID": format!("lateen://{}", self.id),
            }})
        };
        let state = match &self.state {
            State::Waiting { reason, message } if message.is_empty() => {
                json!({"waiting": {"reason": reason}})
            }
            State::Waiting { reason, message } => {
                json!({"waiting": {"reason": reason, "message": message}})
            }
            State::Running(since) => json!({"running": {"startedAt": age::timestamp(*since)}}),
            State::Ended(end) => ended(end),
        };
        let mut status = json!({
            "name": self.name,
            "image": self.image,
            "imageID": self.image_id,
            "state": state,
            "lastState": self.last.as_ref().map_or_else(|| json!({}), ended),
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
        });
        if !self.id.is_empty() {
            crate::object::as_map(&mut status).insert(
                "containerID".to_owned(),
                json!(format!("lateen://{}", self.id)),
            );
        }
        status
    }
}

/// The pod's whole status. `before` is its status until now, for the times of its conditions.
pub fn of_pod(
    pod: &Value,
    records: &[Record],
    pod_ip: &str,
    host_ip: &str,
    before: &Value,
    now: OffsetDateTime,
) -> Value {
    // A sidecar that ends later does not undo it.
    let has_begun = |record: &Record| record.role == Role::App && !record.id.is_empty();
    let initialized = records.iter().any(has_begun) || records.iter().all(Record::is_initialized);
    let unready: Vec<&str> = records
        .iter()
        .filter(|record| record.role != Role::Init && !record.ready)
        .map(|record| record.name.as_str())
        .collect();
    let phase = phase(text(pod, "/spec/restartPolicy"), records, initialized);
    let ready = unready.is_empty() && initialized && phase == "Running";
    let stamp = age::timestamp(now);
    let condition = |type_: &str, holds: bool, reason: &str, message: String| {
        let status = if holds { "True" } else { "False" };
        let since = list(before, "/conditions")
            .iter()
            .find(|old| text(old, "/type") == type_ && text(old, "/status") == status)
            .map_or(stamp.as_str(), |old| text(old, "/lastTransitionTime"));
        let mut made = Map::new();
        made.insert("type".to_owned(), json!(type_));
        made.insert("status".to_owned(), json!(status));
        made.insert("lastProbeTime".to_owned(), Value::Null);
        made.insert("lastTransitionTime".to_owned(), json!(since));
        if !holds && !reason.is_empty() {
            made.insert("reason".to_owned(), json!(reason));
            if !message.is_empty() {
                made.insert("message".to_owned(), json!(message));
            }
        }
        Value::Object(made)
    };
    let (not_ready_reason, not_ready) = match phase {
        "Succeeded" => ("PodCompleted", String::new()),
        _ => (
            "ContainersNotReady",
            format!("containers with unready status: [{}]", unready.join(" ")),
        ),
    };
    let incomplete: Vec<&str> = records
        .iter()
        .filter(|record| !record.is_initialized())
        .map(|record| record.name.as_str())
        .collect();
    let statuses = |init: bool| -> Vec<Value> {
        records
            .iter()
            .filter(|record| (record.role != Role::App) == init)
            .map(Record::status)
            .collect()
    };
    let mut status = json!({
        "phase": phase,
        "conditions": [
            condition("PodReadyToStartContainers", !pod_ip.is_empty(), "", String::new()),
            condition("Initialized", initialized, "ContainersNotInitialized",
                format!("containers with incomplete status: [{}]", incomplete.join(" "))),
            condition("Ready", ready, not_ready_reason, not_ready.clone()),
            condition("ContainersReady", ready, not_ready_reason, not_ready),
            condition("PodScheduled", true, "", String::new()),
        ],
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "startTime": match text(before, "/startTime") { "" => stamp.as_str(), since => since },
        "containerStatuses": statuses(false),
        "qosClass": quality(pod),
    });
    let map = crate::object::as_map(&mut status);
    if !pod_ip.is_empty() {
        map.insert("podIP".to_owned(), json!(pod_ip));
        map.insert("podIPs".to_owned(), json!([{"ip": pod_ip}]));
    }
    let init = statuses(true);
    if !init.is_empty() {
        map.insert("initContainerStatuses".to_owned(), json!(init));
    }
    status
}

fn phase(restart_policy: &str, records: &[Record], initialized: bool) -> &'static str {
    let failed_init = records.iter().any(|record| {
        record.role == Role::Init && matches!(&record.state, State::Ended(end) if end.code != 0)
    });
    if failed_init && restart_policy == "Never" {
        return "Failed";
    }
    if !initialized
        && records
            .iter()
            .all(|r| r.role != Role::App || r.id.is_empty())
    {
        return "Pending";
    }
    let apps = || records.iter().filter(|record| record.role == Role::App);
    if apps().all(|record| record.id.is_empty()) {
        return "Pending";
    }
    // Under `Always` a container that ended is about to start again.
    let for_good = matches!(restart_policy, "Never" | "OnFailure");
    if for_good && apps().all(|record| matches!(record.state, State::Ended(_))) {
        let failed = apps().any(|r| matches!(&r.state, State::Ended(end) if end.code != 0));
        return if failed { "Failed" } else { "Succeeded" };
    }
    "Running"
}

fn quality(pod: &Value) -> &'static str {
    let containers: Vec<&Value> = super::container::all(pod)
        .into_iter()
        .map(|(_, container)| container)
        .collect();
    let has = |container: &Value, kind: &str, name: &str| {
        container
            .pointer(&format!("/resources/{kind}/{name}"))
            .is_some()
    };
    let guaranteed = !containers.is_empty()
        && containers.iter().all(|container| {
            ["cpu", "memory"].iter().all(|name| {
                let limit = container.pointer(&format!("/resources/limits/{name}"));
                let request = container.pointer(&format!("/resources/requests/{name}"));
                limit.is_some() && (request.is_none() || request == limit)
            })
        });
    let any = containers.iter().any(|container| {
        ["limits", "requests"]
            .iter()
            .any(|kind| has(container, kind, "cpu") || has(container, kind, "memory"))
    });
    match (guaranteed, any) {
        (true, _) => "Guaranteed",
        (false, true) => "Burstable",
        (false, false) => "BestEffort",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn at(second: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_700_000_000 + second).unwrap()
    }

    fn running(name: &str, role: Role, ready: bool) -> Record {
        Record {
            state: State::Running(at(0)),
            id: "id".into(),
            started: true,
            ready,
            ..Record::waiting(name, role, "i", "ContainerCreating")
        }
    }

    fn status(records: &[Record], before: &Value, second: i64) -> Value {
        status_under("Always", records, before, second)
    }

    fn status_under(policy: &str, records: &[Record], before: &Value, second: i64) -> Value {
        of_pod(
            &json!({"spec": {"restartPolicy": policy}}),
            records,
            "10.244.0.2",
            "10.0.0.1",
            before,
            at(second),
        )
    }

    #[test]
    fn a_pod_is_ready_when_its_sidecar_and_its_containers_are() {
        let sidecar = |ready| running("istio-proxy", Role::Sidecar, ready);
        let app = running("app", Role::App, true);
        let partly = status(&[sidecar(false), app.clone()], &Value::Null, 0);
        assert_eq!(partly["phase"], "Running");
        assert_eq!(partly["conditions"][2]["status"], "False");
        assert_eq!(
            partly["conditions"][2]["message"],
            "containers with unready status: [istio-proxy]"
        );
        let whole = status(&[sidecar(true), app], &partly, 5);
        assert_eq!(whole["conditions"][2]["status"], "True");
        assert_eq!(
            whole["conditions"][2]["lastTransitionTime"],
            "2023-11-14T22:13:25Z"
        );
        // A condition that did not change keeps its time.
        assert_eq!(
            whole["conditions"][4]["lastTransitionTime"],
            "2023-11-14T22:13:20Z"
        );
    }

    #[test]
    fn a_pod_waits_until_its_init_containers_are_done() {
        let init = Record::waiting("init", Role::Init, "i", "PodInitializing");
        let app = Record::waiting("app", Role::App, "i", "PodInitializing");
        let waiting = status(&[init, app], &Value::Null, 0);
        assert_eq!(waiting["phase"], "Pending");
        assert_eq!(waiting["conditions"][1]["status"], "False");
        assert_eq!(waiting["initContainerStatuses"][0]["name"], "init");
    }

    #[test]
    fn a_pod_stays_initialized_when_its_sidecar_ends_after_its_containers_began() {
        let sidecar = Record {
            state: State::Waiting {
                reason: "CrashLoopBackOff",
                message: String::new(),
            },
            started: false,
            ..running("istio-proxy", Role::Sidecar, false)
        };
        let pod = status(&[sidecar, running("app", Role::App, true)], &Value::Null, 0);
        assert_eq!(pod["phase"], "Running");
        assert_eq!(pod["conditions"][1]["status"], "True");
        assert_eq!(pod["conditions"][2]["status"], "False");
    }

    #[test]
    fn a_pod_whose_containers_all_ended_has_succeeded_or_failed() {
        let end = |code| Record {
            state: State::Ended(Ended {
                code,
                out_of_memory: false,
                started: at(0),
                finished: at(1),
            }),
            ..running("app", Role::App, false)
        };
        let phase = |policy, records: &[Record]| {
            status_under(policy, records, &Value::Null, 2)["phase"].clone()
        };
        assert_eq!(phase("Never", &[end(0)]), "Succeeded");
        assert_eq!(phase("OnFailure", &[end(0), end(3)]), "Failed");
        assert_eq!(phase("Always", &[end(0), end(3)]), "Running");
    }
}
