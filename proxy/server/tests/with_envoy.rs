//! The pages beside those of Envoy itself, which the same pilot, secrets and bootstrap configure.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "pages/mesh.rs"]
mod mesh;

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};

use mesh::{GRPC, Mesh, Place, ask, dump, is_whole, json, of_kind};
use serde_json::Value;

struct Envoy(Child);

impl Envoy {
    fn start(place: &Place) -> Self {
        let program = std::env::var("LATEEN_ENVOY")
            .expect("LATEEN_ENVOY names the program that the pages are compared with");
        let log = std::fs::File::create(place.bootstrap.with_extension("log")).unwrap();
        let child = Command::new(program)
            .args(["--concurrency", "2", "--use-dynamic-base-id", "-c"])
            .arg(&place.bootstrap)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        Envoy(child.expect("Envoy does not start"))
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Our data plane's admin port and Envoy's, both configured.
async fn both() -> (Mesh, Envoy, [u16; 2]) {
    let mesh = Mesh::start();
    let ours = mesh.place("ours.json").await;
    mesh.run(&ours);
    let theirs = mesh.place("theirs.json").await;
    let envoy = Envoy::start(&theirs);
    for place in [&ours, &theirs] {
        dump(place.ports.admin, is_whole).await;
        // So that the same has happened in both.
        let (status, ..) = ask(place.ports.readiness, "GET", "/healthz/ready")
            .await
            .unwrap();
        assert_eq!(status, 200);
    }
    (mesh, envoy, [ours.ports.admin, theirs.ports.admin])
}

/// Paths of all members, items of lists as one.
fn shape(value: &Value) -> BTreeSet<String> {
    fn walk(at: &str, value: &Value, paths: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let at = format!("{at}.{name}");
                    paths.insert(at.clone());
                    walk(&at, value, paths);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| walk(at, item, paths)),
            _ => {}
        }
    }
    let mut paths = BTreeSet::new();
    walk("", value, &mut paths);
    paths
}

/// What Envoy alone has and what we alone have.
fn differences(ours: &Value, theirs: &Value) -> [Vec<String>; 2] {
    let (ours, theirs) = (shape(ours), shape(theirs));
    [
        theirs.difference(&ours).cloned().collect(),
        ours.difference(&theirs).cloned().collect(),
    ]
}

/// The item of a list whose member at `pointer` is `name`.
fn item<'a>(dump: &'a Value, kind: &'a str, list: &'a str, pointer: &str, name: &str) -> &'a Value {
    of_kind(dump, kind, list)
        .find(|item| item.pointer(pointer).is_some_and(|found| found == name))
        .unwrap_or_else(|| panic!("no {name} in {list}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_the_members_that_envoys_have() {
    let (_mesh, _envoy, [ours, theirs]) = both().await;
    for path in [
        "/listeners?format=json",
        "/clusters?format=json",
        "/certs",
        "/memory",
        "/runtime",
    ] {
        let pages = [
            json(ours, path).await.unwrap(),
            json(theirs, path).await.unwrap(),
        ];
        let [missing, more] = differences(&pages[0], &pages[1]);
        let missing: Vec<_> = missing
            .into_iter()
            // The streams of configuration and secrets go by clusters of Envoy's; ours go by themselves.
            .filter(|path| !path.contains(".address.pipe"))
            .collect();
        assert_eq!(missing, [""; 0], "{path}: Envoy alone has these");
        assert_eq!(more, [""; 0], "{path}: we alone have these");
    }
    let kinds = |text: &str| -> BTreeSet<String> {
        let lines = text.lines().filter(|line| line.starts_with(GRPC));
        let names = lines.filter_map(|line| line.rsplit_once("::"));
        names.map(|(name, _)| name.to_owned()).collect()
    };
    let (_, _, our) = ask(ours, "GET", "/clusters").await.unwrap();
    let (_, _, their) = ask(theirs, "GET", "/clusters").await.unwrap();
    let (our, their) = (kinds(&our), kinds(&their));
    let differ: Vec<_> = our.symmetric_difference(&their).collect();
    assert!(differ.is_empty(), "lines of one alone: {differ:?}");
    let infos = [
        json(ours, "/server_info").await.unwrap(),
        json(theirs, "/server_info").await.unwrap(),
    ];
    let top =
        |info: &Value| -> BTreeSet<String> { info.as_object().unwrap().keys().cloned().collect() };
    let mut expected = top(&infos[1]);
    // There is no hot restart.
    expected.remove("hot_restart_initializing");
    assert_eq!(top(&infos[0]), expected);
    let [_, more] = differences(
        &infos[0]["command_line_options"],
        &infos[1]["command_line_options"],
    );
    assert_eq!(more, [""; 0], "options that Envoy does not know");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dump_shows_resources_as_envoy_shows_them() {
    let (_mesh, _envoy, [ours, theirs]) = both().await;
    let [ours, theirs] = [dump(ours, is_whole).await, dump(theirs, is_whole).await];
    for (kind, list, resource, pointer, name) in [
        (
            "ClustersConfigDump",
            "dynamic_active_clusters",
            "cluster",
            "/cluster/name",
            GRPC,
        ),
        (
            "ClustersConfigDump",
            "dynamic_active_clusters",
            "cluster",
            "/cluster/name",
            "PassthroughCluster",
        ),
        (
            "RoutesConfigDump",
            "dynamic_route_configs",
            "route_config",
            "/route_config/name",
            "50051",
        ),
        (
            "SecretsConfigDump",
            "dynamic_active_secrets",
            "secret",
            "/name",
            "default",
        ),
        (
            "SecretsConfigDump",
            "dynamic_active_secrets",
            "secret",
            "/name",
            "ROOTCA",
        ),
    ] {
        let (our, their) = (
            item(&ours, kind, list, pointer, name),
            item(&theirs, kind, list, pointer, name),
        );
        assert_eq!(our[resource], their[resource], "{list} {name}");
        let keys = |item: &Value| -> BTreeSet<String> {
            item.as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(keys(our), keys(their), "{list} {name}");
    }
    let listener = |dump| {
        let found = item(
            dump,
            "ListenersConfigDump",
            "dynamic_listeners",
            "/name",
            "virtualInbound",
        );
        found["active_state"].clone()
    };
    let (our, their) = (listener(&ours), listener(&theirs));
    assert_eq!(our["listener"]["address"], their["listener"]["address"]);
    let [missing, _] = differences(&our, &their);
    assert_eq!(
        missing, [""; 0],
        "the pilot knows other filters of us; it knows none less"
    );
    let endpoints = |dump| {
        let (kind, list) = ("EndpointsConfigDump", "dynamic_endpoint_configs");
        item(dump, kind, list, "/endpoint_config/cluster_name", GRPC).clone()
    };
    let addresses = |dump: &Value| -> Vec<Value> {
        let localities = dump["endpoint_config"]["endpoints"].as_array().unwrap();
        let endpoints = localities
            .iter()
            .flat_map(|l| l["lb_endpoints"].as_array().unwrap());
        endpoints
            .map(|e| {
                serde_json::json!([
                    e["endpoint"]["address"],
                    e["health_status"],
                    e["load_balancing_weight"]
                ])
            })
            .collect()
    };
    assert_eq!(addresses(&endpoints(&ours)), addresses(&endpoints(&theirs)));
}
