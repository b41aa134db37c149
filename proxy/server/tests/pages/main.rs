//! Every page of a data plane that a pilot and an agent's secret service configure.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod mesh;

use std::time::Duration;

use mesh::{GRPC, Mesh, PATIENCE, ask, dump, is_whole, json, of_kind};
use proxyconfig::dump::ConfigDump;
use proxyconfig::{compare, sync};
use serde_json::Value;

async fn started() -> (Mesh, mesh::Place) {
    let mesh = Mesh::start();
    let place = mesh.place("bootstrap.json").await;
    mesh.run(&place);
    (mesh, place)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_pilot_has_for_the_data_plane_is_what_the_data_plane_has() {
    let (mesh, place) = started().await;
    let theirs = dump(place.ports.admin, is_whole).await.to_string();
    let path = "/debug/config_dump?proxyID=k8s-combat-service-a.default";
    let ours = json(mesh.pilot, path).await.unwrap().to_string();
    let [ours, theirs] = [ours, theirs].map(|dump| ConfigDump::parse(&dump).unwrap());
    let report = compare::report(&ours, &theirs).unwrap();
    let expected = "Clusters Match\nListeners Match\nRoutes Match (RDS last loaded at ";
    assert!(report.starts_with(expected), "{report}");
}

const NO_COOKIE: &str = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
    metadata: {name: sticky}\nspec:\n  host: k8s-combat-service\n  trafficPolicy:\n    \
    loadBalancer: {consistentHash: {httpCookie: {name: 'a=b', ttl: 0s}}}\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_the_data_plane_refuses_is_an_error_with_its_resource_and_words_until_it_is_put_right()
{
    let (mesh, place) = started().await;
    dump(place.ports.admin, is_whole).await;
    let file = mesh.directory.path().join("rule.yaml");
    std::fs::write(&file, NO_COOKIE).unwrap();
    let refusals = proxies(&mesh, |table| table.contains("ERROR (")).await;
    let expected = "k8s-combat-service-a.default: RDS ERROR of 50051, k8s-combat-service.default.svc.cluster.local:8081: ";
    assert!(refusals.starts_with(expected), "{refusals}");
    assert!(refusals.contains("is no name of a cookie"), "{refusals}");
    std::fs::remove_file(file).unwrap();
    let synced = |table: &str| table.matches("SYNCED (").count() == 4 && !table.contains("ERROR");
    assert_eq!(proxies(&mesh, synced).await, "");
}

/// Waits until the table of `proxy-status -v 1` is as wanted; what is refused then.
async fn proxies(mesh: &Mesh, wanted: impl Fn(&str) -> bool) -> String {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let page = json(mesh.pilot, "/debug/syncz").await.unwrap().to_string();
        let proxies = sync::read(&page, "istiod").unwrap();
        let table = sync::wide_table(&proxies, |_| "0s".to_owned());
        if wanted(&table) {
            return sync::refusals(&proxies);
        }
        assert!(tokio::time::Instant::now() < deadline, "{table}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dump_shows_all_that_came_and_no_key() {
    let (_mesh, place) = started().await;
    let admin = place.ports.admin;
    let dump = dump(admin, is_whole).await;
    let kinds: Vec<&str> = dump["configs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["@type"].as_str().unwrap().rsplit('.').next().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "BootstrapConfigDump",
            "ClustersConfigDump",
            "EndpointsConfigDump",
            "ListenersConfigDump",
            "ScopedRoutesConfigDump",
            "RoutesConfigDump",
            "SecretsConfigDump"
        ]
    );
    let cluster = of_kind(&dump, "ClustersConfigDump", "dynamic_active_clusters")
        .find(|c| c["cluster"]["name"] == GRPC)
        .unwrap();
    assert_eq!(cluster["cluster"]["type"], "EDS");
    assert!(cluster["version_info"].is_string() && cluster["last_updated"].is_string());
    let route = of_kind(&dump, "RoutesConfigDump", "dynamic_route_configs")
        .find(|r| r["route_config"]["name"] == "50051")
        .unwrap();
    let action = route.pointer("/route_config/virtual_hosts/0/routes/0/route");
    assert!(action.is_some(), "{route:#}");
    assert!(
        of_kind(&dump, "RoutesConfigDump", "static_route_configs").count() > 0,
        "tables of listeners"
    );
    let fixed: Vec<_> = of_kind(&dump, "ClustersConfigDump", "static_clusters")
        .map(|c| c["cluster"]["name"].as_str().unwrap())
        .collect();
    assert!(
        fixed.contains(&"xds-grpc") && fixed.contains(&"agent"),
        "{fixed:?}"
    );
    let endpoints = of_kind(&dump, "EndpointsConfigDump", "dynamic_endpoint_configs")
        .find(|e| e["endpoint_config"]["cluster_name"] == GRPC)
        .unwrap();
    let first = endpoints
        .pointer("/endpoint_config/endpoints/0/lb_endpoints/0")
        .unwrap();
    assert_eq!(first["health_status"], "HEALTHY");
    let text = dump.to_string();
    assert!(
        text.contains("BEGIN CERTIFICATE") || text.contains("inline_bytes"),
        "{text}"
    );
    assert!(!text.contains("PRIVATE KEY"), "a key is shown");
    let secret = of_kind(&dump, "SecretsConfigDump", "dynamic_active_secrets")
        .find(|s| s["name"] == "default")
        .unwrap();
    let key = &secret["secret"]["tls_certificate"]["private_key"];
    let redacted = ["[redacted]", "W3JlZGFjdGVkXQ=="];
    let shown = key.as_object().unwrap().values().next().unwrap();
    assert!(redacted.iter().any(|r| shown == r), "{key}");
    assert_eq!(
        dump["not_honoured"],
        serde_json::json!([]),
        "of what our pilot sends"
    );

    let one = json(
        admin,
        "/config_dump?resource=dynamic_listeners&name_regex=^virtualInbound$",
    )
    .await
    .unwrap();
    assert_eq!(one["configs"].as_array().unwrap().len(), 1);
    let masked = json(admin, "/config_dump?mask=bootstrap.node.id")
        .await
        .unwrap();
    assert_eq!(masked["configs"].as_array().unwrap().len(), 1);
    for (path, words) in [
        (
            "/config_dump?resource=nope",
            "nope not found in config dump",
        ),
        (
            "/config_dump?name_regex=(",
            "INVALID_ARGUMENT: Error while parsing name_regex from (: ",
        ),
    ] {
        let (status, _, body) = ask(admin, "GET", path).await.unwrap();
        assert!(status == 400 && body.starts_with(words), "{status} {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clusters_show_their_hosts_and_what_was_sent_to_them() {
    let (_mesh, place) = started().await;
    let admin = place.ports.admin;
    dump(admin, is_whole).await;
    for _ in 0..3 {
        let (status, ..) = ask(place.ports.readiness, "GET", "/healthz/ready")
            .await
            .unwrap();
        assert_eq!(status, 200);
    }
    let (_, head, text) = ask(admin, "GET", "/clusters").await.unwrap();
    assert!(head.contains("content-type: text/plain"), "{head}");
    let host = format!("agent::127.0.0.1:{}", place.ports.status);
    for line in [
        "agent::added_via_api::false".to_owned(),
        format!("{host}::rq_total::3"),
        format!("{host}::rq_success::3"),
        format!("{host}::rq_error::0"),
        format!("{host}::health_flags::healthy"),
        format!("{GRPC}::observability_name::{GRPC}"),
        format!("{GRPC}::added_via_api::true"),
        format!("{GRPC}::127.0.0.11:50051::rq_total::0"),
        format!("{GRPC}::127.0.0.12:50051::cx_active::0"),
        format!("{GRPC}::high_priority::max_retries::3"),
    ] {
        assert!(text.lines().any(|l| l == line), "{line} of {text}");
    }
    let shown = json(admin, "/clusters?format=json&filter=^agent$")
        .await
        .unwrap();
    let [agent] = shown["cluster_statuses"].as_array().unwrap().as_slice() else {
        panic!("{shown:#}");
    };
    let stats = agent["host_statuses"][0]["stats"].as_array().unwrap();
    let total = stats.iter().find(|s| s["name"] == "rq_total").unwrap();
    assert_eq!(total["value"], "3");
    assert_eq!(
        agent["host_statuses"][0]["health_status"]["eds_health_status"],
        "HEALTHY"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_live_and_listens_once_its_first_configuration_is_whole() {
    let mesh = Mesh::without_certificate();
    let place = mesh.place("bootstrap.json").await;
    mesh.run(&place);
    let admin = place.ports.admin;
    let outbound_came = |dump: &Value| {
        of_kind(dump, "ListenersConfigDump", "dynamic_listeners")
            .any(|listener| listener["name"] == "virtualOutbound")
    };
    dump(admin, outbound_came).await;
    let (status, _, body) = ask(admin, "GET", "/ready").await.unwrap();
    assert_eq!((status, body.as_str()), (503, "PRE_INITIALIZING\n"));
    let readiness = place.ports.readiness;
    assert!(
        ask(readiness, "GET", "/healthz/ready").await.is_none(),
        "something listens before"
    );
    mesh.issue();
    let live = tokio::time::timeout(PATIENCE, async {
        while ask(admin, "GET", "/ready").await.unwrap().0 != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    live.await.unwrap();
    let (status, ..) = ask(readiness, "GET", "/healthz/ready").await.unwrap();
    assert_eq!(status, 200, "it listens as soon as it is live");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_page_answers() {
    let (_mesh, place) = started().await;
    let admin = place.ports.admin;
    dump(admin, is_whole).await;
    let (status, _, body) = ask(admin, "GET", "/ready").await.unwrap();
    assert_eq!((status, body.as_str()), (200, "LIVE\n"));
    let (_, _, listeners) = ask(admin, "GET", "/listeners").await.unwrap();
    assert!(
        listeners
            .lines()
            .any(|l| l == "virtualInbound::0.0.0.0:15006"),
        "{listeners}"
    );
    let listeners = json(admin, "/listeners?format=json").await.unwrap();
    assert!(
        listeners["listener_statuses"][0]["local_address"]["socket_address"]["port_value"].is_u64()
    );
    let certs = json(admin, "/certs").await.unwrap();
    let leaf = &certs["certificates"][0]["cert_chain"][0];
    assert_eq!(
        leaf["subject_alt_names"][0]["uri"],
        "spiffe://cluster.local/ns/default/sa/default"
    );
    assert!(certs["certificates"][0]["ca_cert"][0]["serial_number"].is_string());
    let info = json(admin, "/server_info").await.unwrap();
    assert_eq!(
        (&info["state"], &info["command_line_options"]["concurrency"]),
        (&"LIVE".into(), &2.into())
    );
    assert!(
        info["node"]["id"]
            .as_str()
            .unwrap()
            .starts_with("sidecar~127.0.0.11~")
    );
    let memory = json(admin, "/memory").await.unwrap();
    assert!(
        memory["total_physical_bytes"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > 1 << 20
    );
    let runtime = json(admin, "/runtime").await.unwrap();
    assert_eq!(
        runtime["layers"],
        serde_json::json!(["global config", "admin"])
    );
    let (_, _, stats) = ask(admin, "GET", "/stats?filter=^server\\.|cds")
        .await
        .unwrap();
    for line in [
        "server.live: 1",
        "server.state: 0",
        "server.concurrency: 2",
        "server.configuration_notes: 0",
    ] {
        assert!(stats.lines().any(|l| l == line), "{line} of {stats}");
    }
    let (_, _, scraped) = ask(place.ports.prometheus, "GET", "/stats/prometheus")
        .await
        .unwrap();
    assert!(scraped.contains("\nenvoy_server_live{} 1\n"), "{scraped}");
    let stats = json(admin, "/stats?format=json&usedonly").await.unwrap();
    assert!(!stats["stats"].as_array().unwrap().is_empty());
    for (method, path, status, words) in [
        ("GET", "/help", 200, "admin commands are:\n"),
        ("GET", "/", 200, "<!DOCTYPE html>"),
        ("GET", "/hot_restart_version", 200, "disabled\n"),
        (
            "GET",
            "/nope",
            404,
            "invalid path. admin commands are:\n  /: ",
        ),
        (
            "GET",
            "/logging",
            405,
            "Method GET not allowed, POST required.",
        ),
        (
            "GET",
            "/quitquitquit",
            405,
            "Method GET not allowed, POST required.",
        ),
        ("POST", "/logging", 200, "active loggers:\n  admin: info\n"),
        (
            "POST",
            "/logging?level=loud",
            400,
            "error: unknown logger level\n\nusage: ",
        ),
        ("POST", "/reset_counters", 200, "OK\n"),
        ("POST", "/drain_listeners?graceful&skip_exit", 200, "OK\n"),
        ("POST", "/runtime_modify?a=b", 503, "runtime values"),
        ("POST", "/healthcheck/fail", 200, "OK\n"),
        ("GET", "/ready", 503, "DRAINING\n"),
        ("POST", "/healthcheck/ok", 200, "OK\n"),
        ("GET", "//ready", 200, "LIVE\n"),
        ("GET", "/stats?format=bogus", 400, "usage: "),
        ("GET", "/clusters?filter=(", 400, "Invalid regex: "),
    ] {
        let (found, head, body) = ask(admin, method, path).await.unwrap();
        assert!(
            found == status && body.starts_with(words),
            "{method} {path}: {found} {body}"
        );
        assert!(
            head.contains("cache-control: no-cache, max-age=0"),
            "{head}"
        );
    }
}
