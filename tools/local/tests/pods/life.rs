//! Pods and Jobs from their beginning to their end.

use local::api::client::Which;
use local::api::lines::Lines;
use local::object::{has_condition, name, text};
use serde_json::{Value, json};

use crate::harness::{World, with_mesh};

pub(crate) fn a_pods_events_are_told_in_order() {
    with_mesh(async |world| {
        world.pod("p", "sleep 1000", json!({})).await;
        world.running("p").await;
        assert_eq!(
            world.events("p").await,
            [
                "Scheduled: Successfully assigned default/p to lateen-one",
                "Pulled: Container image \"tools:1\" already present on machine",
                "Created: Created container: app",
                "Started: Started container app",
            ]
        );
        let which = Which {
            namespace: Some("default"),
            ..Which::default()
        };
        world.client.delete("pod", "p", &which).await.unwrap();
        world.until("pod", "p", Value::is_null).await;
        assert_eq!(
            world.events("p").await.last().unwrap(),
            "Killing: Stopping container app"
        );
    });
}

pub(crate) fn a_job_with_a_native_sidecar_completes() {
    with_mesh(async |world| {
        world
            .apply(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "sums"},
                "spec": {"completions": 2, "template": {"spec": {"restartPolicy": "Never",
                    "initContainers": [{"name": "sidecar", "image": "tools:1", "restartPolicy": "Always",
                        "args": ["trap 'exit 0' TERM; while :; do sleep 0.05; done"]}],
                    "containers": [{"name": "app", "image": "tools:1", "args": ["echo $((2 + 3))"]}]}}}}))
            .await;
        let job = world
            .until("job", "sums", |job| has_condition(job, "Complete"))
            .await;
        assert_eq!(job["status"]["succeeded"], 2);
        let which = Which {
            selector: Some("job-name=sums"),
            ..Which::default()
        };
        let pods = world.client.get("pods", &which).await.unwrap();
        let pods = pods["items"].as_array().unwrap();
        assert_eq!(pods.len(), 2);
        for pod in pods {
            let pod = world
                .until("pod", name(pod), |pod| {
                    let sidecar = "/status/initContainerStatuses/0/state/terminated/exitCode";
                    pod.pointer(sidecar) == Some(&json!(0))
                })
                .await;
            assert_eq!(text(&pod, "/status/phase"), "Succeeded");
            let asked = json!({"follow": false, "previous": false, "timestamps": false});
            let log = world
                .client
                .logs("default", name(&pod), &asked)
                .await
                .unwrap();
            assert_eq!(Lines::new(log).next().await.unwrap().as_deref(), Some("5"));
        }
        let told = world.events("sums").await;
        assert_eq!(told.last().unwrap(), "Completed: Job completed");
    });
}

pub(crate) fn a_change_is_told_to_those_who_watch() {
    with_mesh(async |world| {
        let which = Which {
            namespace: Some("default"),
            selector: Some("app=p"),
            ..Which::default()
        };
        let mut lines = Lines::new(world.client.watch("pods", &which).await.unwrap());
        world.pod("other", "sleep 1000", json!({})).await;
        world
            .pod("p", "exit 0", json!({"restartPolicy": "Never"}))
            .await;
        let mut seen = Vec::new();
        while seen.last().is_none_or(|(_, phase)| phase != "Succeeded") {
            let line = lines.next().await.unwrap().unwrap();
            let change: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(text(&change, "/object/metadata/name"), "p");
            let told = |pointer: &str| text(&change, pointer).to_owned();
            seen.push((told("/type"), told("/object/status/phase")));
        }
        assert_eq!(seen[0], ("ADDED".to_owned(), "Pending".to_owned()));
        assert!(
            seen[1..].iter().all(|(kind, _)| kind == "MODIFIED"),
            "{seen:?}"
        );
    });
}

/// Groups, interfaces and mounts that a mesh could leave.
fn traces(state: &std::path::Path) -> Vec<String> {
    let mut traces = Vec::new();
    for root in [
        "/sys/fs/cgroup",
        "/sys/fs/cgroup/memory",
        "/sys/fs/cgroup/cpu",
    ] {
        let own = format!("{}-", std::process::id());
        let groups = std::fs::read_dir(format!("{root}/lateen"))
            .into_iter()
            .flatten();
        traces.extend(
            groups
                .flatten()
                .map(|group| group.path().display().to_string())
                .filter(|path| path.contains(&own)),
        );
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let below = state.display().to_string();
    traces.extend(
        mounts
            .lines()
            .filter(|line| line.contains(&below))
            .map(str::to_owned),
    );
    let left = std::fs::read_dir(state).into_iter().flatten().flatten();
    traces.extend(left.map(|entry| entry.path().display().to_string()));
    traces
}

pub(crate) fn a_mesh_leaves_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::up("brief").await;
        world.pod("p", "sleep 1000", json!({})).await;
        world.running("p").await;
        let state = world.state.clone();
        assert!(!traces(&state).is_empty());
        world.stop().await;
        assert_eq!(traces(&state), Vec::<String>::new());
    });
}
