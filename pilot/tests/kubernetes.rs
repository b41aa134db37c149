//! A cluster followed through its API server: nothing is lost, nothing is taken away that is still
//! there, and one bad object hides no other.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod api_server;
mod mesh;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api_server::{ApiServer, kubeconfig};
use mesh::{PATIENCE, Pilot, answer};
use pilot::sources::kubernetes::{Cluster, kinds};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const SERVICES: &str = "/api/v1/services";
const ROUTES: &str = "/apis/networking.istio.io/v1/virtualservices";
const OLD_ROUTES: &str = "/apis/networking.istio.io/v1beta1/virtualservices";

/// A cluster that follows a server, and what was taken of it so far.
struct Following {
    server: ApiServer,
    cluster: Arc<Cluster>,
    known: BTreeMap<String, Value>,
    /// Everything that was taken, in order: `+name` and `-name`.
    told: Vec<String>,
    end: CancellationToken,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

impl Following {
    fn start(server: &ApiServer, names: &[&str]) -> Self {
        let kinds = kinds("istio-system");
        let kinds = kinds
            .into_iter()
            .filter(|k| names.contains(&k.kind))
            .collect();
        let cluster = Arc::new(Cluster::new(kinds));
        let end = CancellationToken::new();
        tokio::spawn(cluster.clone().follow(server.client(), end.clone()));
        Self {
            server: server.clone(),
            cluster,
            known: BTreeMap::new(),
            told: Vec::new(),
            end,
        }
    }

    fn take(&mut self) {
        for (key, object) in self.cluster.take() {
            match object {
                Some(object) => {
                    self.told.push(format!("+{}", key.name));
                    self.known.insert(key.name, object.value.clone());
                }
                None => {
                    self.told.push(format!("-{}", key.name));
                    self.known.remove(&key.name);
                }
            }
        }
    }

    /// Waits until what is known are the objects of these names.
    async fn knows(&mut self, names: &[&str]) {
        self.until(|f| f.cluster.is_synced() && f.known.keys().eq(names.iter()))
            .await;
    }

    async fn until(&mut self, holds: impl Fn(&Self) -> bool) {
        let waited = tokio::time::timeout(Duration::from_secs(300), async {
            loop {
                self.take();
                if holds(self) {
                    return;
                }
                // A change may concern what is asked of the cluster itself.
                let _ =
                    tokio::time::timeout(Duration::from_millis(100), self.cluster.changed()).await;
            }
        });
        if waited.await.is_err() {
            let (known, problems) = (self.known.keys(), self.cluster.problems());
            panic!(
                "known: {known:?}; {problems:?}; {:?}",
                self.server.requests()
            );
        }
    }

    /// Lets time pass, and takes what came of it.
    async fn passes(&mut self, time: Duration) {
        tokio::time::sleep(time).await;
        self.take();
    }
}

fn service(port: u16) -> Value {
    json!({"spec": {"ports": [{"port": port}]}})
}

#[tokio::test(start_paused = true)]
async fn a_kind_is_listed_in_pages_and_then_watched() {
    let server = ApiServer::new(&[SERVICES]);
    for number in 0..1203 {
        server.put(SERVICES, &format!("n/s{number}"), service(80));
    }
    let mut following = Following::start(&server, &["Service"]);
    following.until(|f| f.known.len() == 1203).await;
    let pages = server.requests();
    assert_eq!(
        pages.iter().filter(|r| !r.contains("watch=true")).count(),
        3,
        "{pages:?}"
    );
    server.put(SERVICES, "n/new", service(80));
    server.delete(SERVICES, "n/s7");
    following
        .until(|f| f.known.contains_key("new") && !f.known.contains_key("s7"))
        .await;
    assert_eq!(following.known["new"]["kind"], "Service");
    assert_eq!(following.known["new"]["metadata"]["namespace"], "n");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_goes_on_where_the_last_bookmark_was() {
    let server = ApiServer::new(&[SERVICES]);
    server.put(SERVICES, "n/a", service(80));
    let mut following = Following::start(&server, &["Service"]);
    following.knows(&["a"]).await;
    server.requests();
    server.bookmark(SERVICES);
    following.passes(Duration::from_secs(150)).await;
    let requests = server.requests();
    assert!(
        requests
            .iter()
            .all(|r| r.contains("watch=true") && r.contains("resourceVersion=102")),
        "{requests:?}"
    );
    assert!(!requests.is_empty());
    assert_eq!(following.told, ["+a"]);
}

#[tokio::test(start_paused = true)]
async fn what_changed_while_the_history_was_forgotten_is_found_by_listing_anew() {
    let server = ApiServer::new(&[SERVICES]);
    for name in ["n/a", "n/b", "n/c"] {
        server.put(SERVICES, name, service(80));
    }
    let mut following = Following::start(&server, &["Service"]);
    following.knows(&["a", "b", "c"]).await;
    following.told.clear();
    server.is_away(true);
    server.delete(SERVICES, "n/a");
    server.put(SERVICES, "n/b", service(81));
    server.put(SERVICES, "n/d", service(80));
    server.forget();
    server.is_away(false);
    following.knows(&["b", "c", "d"]).await;
    following.told.sort();
    assert_eq!(following.told, ["+b", "+d", "-a"]);
    assert_eq!(following.known["b"]["spec"]["ports"][0]["port"], 81);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_told_it_is_too_old_lists_anew() {
    let server = ApiServer::new(&[SERVICES]);
    server.put(SERVICES, "n/a", service(80));
    let mut following = Following::start(&server, &["Service"]);
    following.knows(&["a"]).await;
    // In the middle of a watch, as a server says it that restarts its cache.
    server.forget();
    following.passes(Duration::from_secs(10)).await;
    server.put(SERVICES, "n/b", service(80));
    following.knows(&["a", "b"]).await;
    assert_eq!(following.told, ["+a", "+b"]);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_away_for_an_hour_takes_nothing_away_and_is_asked_seldom() {
    let server = ApiServer::new(&[SERVICES, ROUTES]);
    server.put(SERVICES, "n/a", service(80));
    server.put(ROUTES, "n/r", json!({"spec": {"hosts": ["a"]}}));
    let mut following = Following::start(&server, &["Service", "VirtualService"]);
    following.knows(&["a", "r"]).await;
    following.told.clear();
    server.is_away(true);
    following.passes(Duration::from_secs(3600)).await;
    assert_eq!(following.told, [""; 0]);
    assert!(following.cluster.is_synced());
    server.is_away(false);
    server.put(SERVICES, "n/b", service(80));
    let back = tokio::time::Instant::now();
    following.knows(&["a", "b", "r"]).await;
    assert!(
        back.elapsed() < Duration::from_secs(6),
        "{:?}",
        back.elapsed()
    );
    assert_eq!(following.told, ["+b"]);
}

#[tokio::test(start_paused = true)]
async fn connections_that_break_again_and_again_lose_nothing_and_flap_nothing() {
    let server = ApiServer::new(&[SERVICES]);
    server.put(SERVICES, "n/stays", service(80));
    let mut following = Following::start(&server, &["Service"]);
    following.knows(&["stays"]).await;
    for number in 0..30 {
        let key = format!("n/s{number}");
        server.put(SERVICES, &key, service(80));
        server.break_watches();
        if number % 3 == 0 {
            following.passes(Duration::from_secs(1)).await;
        }
        if number % 2 == 0 {
            server.delete(SERVICES, &key);
        }
    }
    following.until(|f| f.known.len() == 16).await;
    assert_eq!(following.told.iter().filter(|t| *t == "+stays").count(), 1);
    assert!(!following.told.contains(&"-stays".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn garbage_objects_hide_no_others_and_are_named() {
    let server = ApiServer::new(&[SERVICES]);
    server.put(SERVICES, "n/a", service(80));
    server.put(
        SERVICES,
        "n/bad",
        json!({"metadata": {"name": {"no": "name"}, "labels": 7}}),
    );
    server.put(
        SERVICES,
        "n/c",
        json!({"metadata": {"labels": "none"}, "spec": [7]}),
    );
    let mut following = Following::start(&server, &["Service"]);
    following.knows(&["a", "c"]).await;
    let problems = following.cluster.problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].to_string().contains("metadata.name"),
        "{}",
        problems[0]
    );
    // And in a watch, and in a list of what is known.
    server.put(
        SERVICES,
        "n/a",
        json!({"metadata": {"namespace": "n", "name": "a", "labels": 7}, "spec": "none"}),
    );
    server.put(
        SERVICES,
        "n/c",
        json!({"kind": {}, "metadata": {"name": "c", "namespace": "n"}}),
    );
    let nameless = r#"{"type": "MODIFIED", "object": {"metadata": {"name": "a", "namespace": 7, "resourceVersion": "900"}}}"#;
    server.say(SERVICES, nameless);
    server.put(SERVICES, "n/d", service(80));
    following.knows(&["a", "c", "d"]).await;
    server.is_away(true);
    server.put(SERVICES, "n/e", service(80));
    server.is_away(false);
    following.knows(&["a", "c", "d", "e"]).await;
    let removed = following.told.iter().any(|told| told.starts_with('-'));
    assert!(!removed, "{:?}", following.told);
}

#[tokio::test(start_paused = true)]
async fn lines_that_are_no_events_and_halves_of_events_lose_nothing() {
    let server = ApiServer::new(&[SERVICES]);
    let mut following = Following::start(&server, &["Service"]);
    following.knows(&[]).await;
    server.put_garbled(SERVICES, "n/a", service(80));
    following.knows(&["a"]).await;
    server.say(SERVICES, "[1, 2]");
    server.put(SERVICES, "n/b", service(80));
    following.knows(&["a", "b"]).await;
    server.put_cut(SERVICES, "n/c", service(80));
    following.knows(&["a", "b", "c"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_not_installed_is_waited_for_by_nobody_and_found_once_it_is() {
    let server = ApiServer::new(&[SERVICES]);
    server.put(SERVICES, "n/a", service(80));
    let mut following = Following::start(&server, &["Service", "VirtualService"]);
    following.knows(&["a"]).await;
    following.passes(Duration::from_secs(60)).await;
    server.requests();
    following.passes(Duration::from_secs(60)).await;
    // Three versions every fifteen seconds, beside the watch of the services.
    let asked = server.requests().len();
    assert!((6..20).contains(&asked), "asked {asked} times in a minute");
    server.serves(ROUTES, true);
    server.put(ROUTES, "n/r", json!({"spec": {"hosts": ["a"]}}));
    let installed = tokio::time::Instant::now();
    following.knows(&["a", "r"]).await;
    assert!(
        installed.elapsed() < Duration::from_secs(20),
        "{:?}",
        installed.elapsed()
    );
    assert_eq!(following.known["r"]["apiVersion"], "networking.istio.io/v1");
}

#[tokio::test(start_paused = true)]
async fn an_older_version_is_read_where_the_newest_is_not_served() {
    let server = ApiServer::new(&[OLD_ROUTES]);
    server.put(OLD_ROUTES, "n/r", json!({"spec": {"hosts": ["a"]}}));
    let mut following = Following::start(&server, &["VirtualService"]);
    following.knows(&["r"]).await;
    assert_eq!(
        following.known["r"]["apiVersion"],
        "networking.istio.io/v1beta1"
    );
    // The definition is changed under it: no object goes, and none comes twice.
    server.serves(ROUTES, true);
    server.put(ROUTES, "n/r", json!({"spec": {"hosts": ["a"]}}));
    server.serves(OLD_ROUTES, false);
    following
        .until(|f| {
            f.known
                .get("r")
                .is_some_and(|r| r["apiVersion"] == "networking.istio.io/v1")
        })
        .await;
    assert!(
        !following.told.contains(&"-r".to_owned()),
        "{:?}",
        following.told
    );
}

#[tokio::test(start_paused = true)]
async fn a_starting_api_server_that_denies_a_kind_takes_nothing_away_unless_it_stands_by_it() {
    let server = ApiServer::new(&[ROUTES]);
    server.put(ROUTES, "n/r", json!({"spec": {"hosts": ["a"]}}));
    let mut following = Following::start(&server, &["VirtualService"]);
    following.knows(&["r"]).await;
    server.answers(ROUTES, Some((404, "404 page not found")));
    server.break_watches();
    following.passes(Duration::from_secs(30)).await;
    assert_eq!(following.told, ["+r"]);
    server.answers(ROUTES, None);
    following.passes(Duration::from_secs(30)).await;
    assert_eq!(following.told, ["+r"]);
    server.serves(ROUTES, false);
    following.passes(Duration::from_secs(90)).await;
    assert_eq!(following.told, ["+r", "-r"]);
    assert!(following.cluster.is_synced());
}

#[tokio::test(start_paused = true)]
async fn a_missing_role_is_waited_for_and_named() {
    let server = ApiServer::new(&[SERVICES]);
    let message = "services is forbidden: User \"x\" cannot list resource \"services\"";
    server.answers(SERVICES, Some((403, message)));
    let mut following = Following::start(&server, &["Service"]);
    following.passes(Duration::from_secs(60)).await;
    assert!(!following.cluster.is_synced());
    let waits_for = following.cluster.waits_for();
    assert!(
        waits_for.contains("Service (403: ") && waits_for.contains("cannot list"),
        "{waits_for}"
    );
    let asked = server.requests().len();
    assert!((5..40).contains(&asked), "asked {asked} times in a minute");
    server.answers(SERVICES, None);
    following.knows(&[]).await;
    assert_eq!(following.cluster.waits_for(), "");
}

#[tokio::test(start_paused = true)]
async fn only_the_meshs_own_config_map_and_secrets_with_certificates_are_asked_for() {
    let config_maps = "/api/v1/namespaces/istio-system/configmaps";
    let server = ApiServer::new(&[config_maps, "/api/v1/secrets"]);
    server.put(
        config_maps,
        "istio-system/istio",
        json!({"data": {"mesh": ""}}),
    );
    server.put(
        "/api/v1/secrets",
        "n/password",
        json!({"type": "Opaque", "data": {"p": "eA=="}}),
    );
    server.put(
        "/api/v1/secrets",
        "n/tls",
        json!({"type": "kubernetes.io/tls", "data": {"tls.crt": "eA==", "tls.key": "eA=="}}),
    );
    let mut following = Following::start(&server, &["ConfigMap", "Secret"]);
    following.knows(&["istio", "tls"]).await;
    let requests = server.requests();
    let asks = |path: &str, fields: &str| {
        requests
            .iter()
            .any(|r| r.starts_with(path) && r.contains(fields))
    };
    assert!(
        asks(config_maps, "fieldSelector=metadata.name%3Distio"),
        "{requests:?}"
    );
    assert!(
        asks("/api/v1/secrets", "fieldSelector=type%21%3Dhelm.sh"),
        "{requests:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn changes_that_say_nothing_to_the_mesh_go_no_further() {
    let nodes = "/api/v1/nodes";
    let server = ApiServer::new(&[nodes]);
    let node = |time: u32| json!({"status": {"conditions": [{"lastHeartbeatTime": time}]}});
    server.put(nodes, "one", node(0));
    let mut following = Following::start(&server, &["Node"]);
    following.knows(&["one"]).await;
    for time in 1..50 {
        server.put(nodes, "one", node(time));
        following.passes(Duration::from_secs(5)).await;
    }
    assert_eq!(following.told, ["+one"]);
}

/// Every kind that there is without definitions.
fn whole() -> ApiServer {
    ApiServer::new(&[
        "/api/v1/namespaces",
        "/api/v1/nodes",
        "/api/v1/namespaces/istio-system/configmaps",
        "/api/v1/secrets",
        SERVICES,
        "/api/v1/pods",
        "/apis/discovery.k8s.io/v1/endpointslices",
    ])
}

#[tokio::test]
async fn nothing_is_served_before_every_kind_is_known_and_readiness_says_what_is_missing() {
    let server = whole();
    server.put(SERVICES, "n/a", service(80));
    server.answers("/api/v1/pods", Some((403, "pods is forbidden")));
    let file = kubeconfig(&server).await;
    let pilot = Pilot::of_cluster(file.path());
    let says = async {
        loop {
            let ready = answer(pilot.http, "/ready").await.unwrap_or_default();
            if ready.contains("Pod (403: pods is forbidden)") {
                return ready;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let ready = tokio::time::timeout(PATIENCE, says).await.unwrap();
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    assert_eq!(pilot.get("/debug/registryz").await, "[]");
    server.answers("/api/v1/pods", None);
    assert_eq!(pilot.get("/ready").await, "ready\n");
    assert!(
        pilot
            .get("/debug/registryz")
            .await
            .contains("a.n.svc.cluster.local")
    );
}

#[tokio::test]
async fn the_meshs_configuration_is_the_config_maps_and_follows_it() {
    let config_maps = "/api/v1/namespaces/istio-system/configmaps";
    let server = whole();
    let mesh = |text: &str| json!({"data": {"mesh": text}});
    server.put(
        config_maps,
        "istio-system/istio",
        mesh("accessLogFile: [broken"),
    );
    let file = kubeconfig(&server).await;
    let pilot = Pilot::of_cluster(file.path());
    let broken = |page: &Value| page.to_string().contains("ConfigMap istio-system/istio");
    pilot.page("/debug/problems", broken).await;
    server.put(
        config_maps,
        "istio-system/istio",
        mesh("accessLogFile: /dev/stdout"),
    );
    pilot
        .page("/debug/problems", |page| page["problems"] == json!([]))
        .await;
}
