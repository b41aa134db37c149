//! What pods may use, and what they use.

use local::object::{integer, list, text};
use serde_json::json;

use crate::harness::{LIMIT, with_mesh};

pub(crate) fn a_container_beyond_its_memory_is_oom_killed() {
    with_mesh(async |world| {
        let hungry = json!({"restartPolicy": "Never", "containers": [{"name": "app", "image": "tools:1",
            "args": ["exec tail /dev/zero"],
            "resources": {"limits": {"memory": "32Mi", "cpu": "500m"}}}]});
        world.pod("hungry", "", hungry).await;
        let pod = world
            .until("pod", "hungry", |pod| {
                text(pod, "/status/phase") == "Failed"
            })
            .await;
        let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
        assert_eq!(ended["reason"], "OOMKilled", "{ended}");
        assert_eq!(ended["exitCode"], 137);
        let told = world.events("hungry").await;
        assert!(
            !told.iter().any(|e| e.starts_with("LimitsNotEnforced")),
            "{told:?}"
        );
    });
}

pub(crate) fn what_pods_use_is_counted() {
    with_mesh(async |world| {
        world.pod("busy", "while :; do :; done", json!({})).await;
        world.pod("idle", "sleep 1000", json!({})).await;
        world.running("busy").await;
        world.running("idle").await;
        let begun = std::time::Instant::now();
        loop {
            let usage = world.client.usage().await.unwrap();
            let nanocores = |name: &str| {
                let pods = list(&usage, "/pods");
                let pod = pods.iter().find(|pod| text(pod, "/name") == name).unwrap();
                assert_eq!(pod["containers"][0]["name"], "app");
                assert!(integer(pod, "/containers/0/memoryBytes").unwrap() > 0);
                integer(pod, "/containers/0/nanocores").unwrap()
            };
            // The machine may be busy with others for a while.
            if nanocores("busy") > 20_000_000 && nanocores("idle") < 20_000_000 {
                return;
            }
            assert!(begun.elapsed() < LIMIT, "{usage:#}");
        }
    });
}
