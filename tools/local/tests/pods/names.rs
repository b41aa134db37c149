//! Names that pods look up.

use std::net::Ipv4Addr;
use std::time::Duration;

use local::object::text;
use serde_json::{Value, json};

use crate::harness::{LIMIT, World, with_mesh};

/// The addresses that the pod's resolver gives for a name: this program asks as any program does.
async fn lookup(world: &World, name: &str) -> String {
    world
        .output("asks", &[crate::image::SERVER, "lookup", name])
        .await
}

async fn eventually(world: &World, name: &str, wanted: &str) {
    let begun = std::time::Instant::now();
    loop {
        let found = lookup(world, name).await;
        if found == wanted {
            return;
        }
        assert!(begun.elapsed() < LIMIT, "{name}: {found:?}, not {wanted:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub(crate) fn services_pods_and_the_rest_of_the_world_have_names() {
    with_mesh(async |world| {
        world.pod("asks", "sleep 1000", json!({})).await;
        let named = json!({"hostname": "db-0", "subdomain": "db"});
        world.pod("db", "sleep 1000", named).await;
        let service = |name: &str, more: Value| {
            let mut service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
                "spec": {"selector": {"app": "db"}, "ports": [{"name": "sql", "port": 5432}]}});
            local::object::merge_patch(&mut service["spec"], &more);
            service
        };
        world
            .apply(service("db", json!({"clusterIP": "None"})))
            .await;
        world
            .apply(service("front", json!({"clusterIP": "10.96.7.7"})))
            .await;
        world.running("asks").await;
        let db = world.running("db").await;
        let ip: Ipv4Addr = text(&db, "/status/podIP").parse().unwrap();

        eventually(world, "front", "10.96.7.7\n").await;
        eventually(world, "front.default.svc.cluster.local", "10.96.7.7\n").await;
        eventually(world, "db", &format!("{ip}\n")).await;
        eventually(world, "db-0.db", &format!("{ip}\n")).await;
        eventually(world, "no-such-service", "not found\n").await;
    });
}
