//! Envoy 1.40 as a sidecar of the mesh: it connects to the plaintext port by delta ADS and takes
//! everything that it is sent.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod mesh;

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use mesh::{GREETER, PATIENCE, Pilot, get};
use proxyconfig::dump::ConfigDump;
use proxyconfig::{compare, sync};
use serde_json::Value;
use xds::TypeUrl;

const GRPC: &str = "outbound|50051||k8s-combat-service.default.svc.cluster.local";

struct Envoy {
    process: Child,
    directory: tempfile::TempDir,
    admin: u16,
}

impl Envoy {
    async fn start(pilot: &Pilot, api_type: &str) -> Self {
        let binary = std::env::var_os("LATEEN_ENVOY")
            .map(PathBuf::from)
            .expect("LATEEN_ENVOY must name the binary of Envoy 1.40 to run this test with");
        let directory = tempfile::tempdir().unwrap();
        mesh::secrets::serve(&directory.path().join("sds"));
        let admin_file = directory.path().join("admin");
        let bootstrap = format!(
            r#"
node:
  id: sidecar~127.0.0.11~k8s-combat-service-a.default~default.svc.cluster.local
  cluster: k8s-combat-service.default
  metadata: {{NAMESPACE: default, INSTANCE_IPS: 127.0.0.11, INTERCEPTION_MODE: REDIRECT,
    SERVICE_ACCOUNT: default, LABELS: {{app: k8s-combat-service}}}}
admin:
  address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
dynamic_resources:
  ads_config:
    api_type: {api_type}
    transport_api_version: V3
    set_node_on_first_message_only: true
    grpc_services: [{{envoy_grpc: {{cluster_name: xds-grpc}}}}]
  cds_config: {{ads: {{}}, resource_api_version: V3, initial_fetch_timeout: 0s}}
  lds_config: {{ads: {{}}, resource_api_version: V3, initial_fetch_timeout: 0s}}
static_resources:
  clusters:
  - name: xds-grpc
    type: STATIC
    connect_timeout: 1s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{http2_protocol_options: {{}}}}
    load_assignment:
      cluster_name: xds-grpc
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address:
        {{address: 127.0.0.1, port_value: {port}}}}}}}}}]}}]
  - name: sds-grpc
    type: STATIC
    connect_timeout: 1s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{http2_protocol_options: {{}}}}
    load_assignment:
      cluster_name: sds-grpc
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{pipe: {{path: {directory}/sds}}}}}}}}]}}]
"#,
            port = pilot.grpc,
            directory = directory.path().display(),
        );
        let config = directory.path().join("bootstrap.yaml");
        std::fs::write(&config, bootstrap).unwrap();
        let log = File::create(directory.path().join("log")).unwrap();
        let process = Command::new(&binary)
            .arg("-c")
            .arg(&config)
            .args([
                "--disable-hot-restart",
                "--concurrency",
                "1",
                "--admin-address-path",
            ])
            .arg(&admin_file)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", binary.display()));
        let mut envoy = Self {
            process,
            directory,
            admin: 0,
        };
        let deadline = Instant::now() + PATIENCE;
        while envoy.admin == 0 {
            envoy.must_run(deadline, "no admin address");
            let address = std::fs::read_to_string(&admin_file).unwrap_or_default();
            if let Some((_, port)) = address.rsplit_once(':') {
                envoy.admin = port.trim().parse().unwrap_or(0);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        envoy
    }

    fn must_run(&mut self, deadline: Instant, what: &str) {
        let ended = self.process.try_wait().unwrap();
        if ended.is_some() || Instant::now() > deadline {
            let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap();
            panic!("{what}; Envoy {ended:?} says:\n{log}");
        }
    }

    async fn config_dump(&mut self, wanted: impl Fn(&Value) -> bool, what: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(body) = get(self.admin, "/config_dump?include_eds").await
                && let Ok(dump) = serde_json::from_str(&body)
                && wanted(&dump)
            {
                return dump;
            }
            self.must_run(deadline, what);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The names of dynamic listeners that are in use.
fn active_listeners(dump: &Value) -> Vec<&str> {
    of_kind(dump, "ListenersConfigDump", "dynamic_listeners")
        .filter(|l| l.get("active_state").is_some() && l.get("error_state").is_none())
        .filter_map(|l| l["name"].as_str())
        .collect()
}

fn of_kind<'a>(dump: &'a Value, kind: &'a str, list: &'a str) -> impl Iterator<Item = &'a Value> {
    dump["configs"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(move |c| c["@type"].as_str().is_some_and(|t| t.ends_with(kind)))
        .flat_map(move |c| c[list].as_array().into_iter().flatten())
}

/// Whether everything of each of the four types was acked and nothing refused.
fn all_acked(page: &Value) -> bool {
    let Some(types) = page[0]["types"].as_array() else {
        return false;
    };
    let wanted = [
        "Cluster",
        "ClusterLoadAssignment",
        "Listener",
        "RouteConfiguration",
    ];
    wanted.iter().all(|wanted| {
        types.iter().any(|t| {
            let resources = t["resources"].as_array().unwrap();
            t["type"].as_str().unwrap().ends_with(&format!(".{wanted}"))
                && !resources.is_empty()
                && resources.iter().all(|r| r["status"] == "acked")
        })
    })
}

fn assert_nothing_nacked(page: &Value) {
    for of_type in page[0]["types"].as_array().unwrap() {
        assert_eq!(of_type["nonce_nacked"], Value::Null, "{of_type:#}");
        assert_eq!(of_type["error"], Value::Null, "{of_type:#}");
    }
}

async fn takes_everything(api_type: &str) {
    let pilot = Pilot::start(GREETER).await;
    let mut envoy = Envoy::start(&pilot, api_type).await;
    let dump = envoy
        .config_dump(
            |dump| active_listeners(dump).contains(&"virtualInbound"),
            "the inbound listener is not in use",
        )
        .await;
    for listener in ["virtualOutbound", "10.96.0.10_8081", "0.0.0.0_50051"] {
        assert!(
            active_listeners(&dump).contains(&listener),
            "{listener} of {:?}",
            active_listeners(&dump)
        );
    }
    let warming: Vec<_> =
        of_kind(&dump, "ClustersConfigDump", "dynamic_warming_clusters").collect();
    assert!(warming.is_empty(), "{warming:#?}");
    let page = pilot.page("/debug/syncz", all_acked).await;
    assert_nothing_nacked(&page);
    assert_matches(&pilot, &envoy).await;
    let endpoints = endpoints_of(&dump, GRPC);
    assert!(
        endpoints.contains("127.0.0.11") && endpoints.contains("127.0.0.12"),
        "{endpoints}"
    );

    // A cluster in a new form must not wait for endpoints that Envoy has already.
    pilot.write(
        "rule.yaml",
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
        metadata: {name: greeter}\nspec:\n  host: k8s-combat-service\n  trafficPolicy:\n    \
        loadBalancer: {simple: ROUND_ROBIN}\n",
    );
    let dump = envoy
        .config_dump(
            |dump| {
                of_kind(dump, "ClustersConfigDump", "dynamic_active_clusters").any(|c| {
                    c["cluster"]["name"] == GRPC
                        && c["cluster"]["lb_policy"].as_str().unwrap_or("ROUND_ROBIN")
                            == "ROUND_ROBIN"
                })
            },
            "the rule does not arrive",
        )
        .await;
    let endpoints = endpoints_of(&dump, GRPC);
    assert!(endpoints.contains("127.0.0.11"), "{endpoints}");

    pilot.write(
        "mesh.yaml",
        &GREETER[..GREETER.find("  - addresses: [127.0.0.12]").unwrap()],
    );
    envoy
        .config_dump(
            |dump| {
                let endpoints = endpoints_of(dump, GRPC);
                endpoints.contains("127.0.0.11") && !endpoints.contains("127.0.0.12")
            },
            "the endpoint does not go",
        )
        .await;
    let page = pilot.page("/debug/syncz", all_acked).await;
    assert_nothing_nacked(&page);
}

const NO_FORMAT: &str = "apiVersion: v1\nkind: ConfigMap\n\
    metadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n    \
    accessLogFile: /dev/stdout\n    accessLogFormat: '%NO_SUCH_THING%'\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_envoy_refuses_is_an_error_with_its_resources_and_words() {
    let pilot = Pilot::start(GREETER).await;
    let mut envoy = Envoy::start(&pilot, "DELTA_GRPC").await;
    let in_use = |dump: &Value| active_listeners(dump).contains(&"virtualInbound");
    envoy.config_dump(in_use, "no listener is in use").await;
    pilot.write("mesh-config.yaml", NO_FORMAT);
    let listeners = TypeUrl::Listener.as_str();
    let refused = |page: &Value| page[0]["resources"][listeners]["lastError"].is_string();
    let page = pilot.page("/debug/syncz", refused).await.to_string();
    let proxies = sync::read(&page, "istiod").unwrap();
    let table = sync::wide_table(&proxies, |_| "0s".to_owned());
    assert!(table.contains("ERROR (0s)"), "{table}");
    let refusals = sync::refusals(&proxies);
    let expected = "k8s-combat-service-a.default: LDS ERROR of ";
    assert!(refusals.starts_with(expected), "{refusals}");
    assert!(refusals.contains("NO_SUCH_THING"), "{refusals}");
    // It goes on with what it had, which is not what the pilot has for it.
    let report = comparison(&pilot, &envoy).await;
    assert!(
        report.starts_with("Clusters Match\nListeners Don't Match\n"),
        "{report}"
    );
    assert!(report.contains("NO_SUCH_THING"), "{report}");
}

/// What the pilot says that it has for the proxy is what Envoy says that it has, as `proxy-status POD` compares the two.
async fn assert_matches(pilot: &Pilot, envoy: &Envoy) {
    let report = comparison(pilot, envoy).await;
    let expected = "Clusters Match\nListeners Match\nRoutes Match (RDS last loaded at ";
    assert!(report.starts_with(expected), "{report}");
}

async fn comparison(pilot: &Pilot, envoy: &Envoy) -> String {
    let path = "/debug/config_dump?proxyID=k8s-combat-service-a.default";
    let ours = ConfigDump::parse(&pilot.get(path).await).unwrap();
    let theirs = get(envoy.admin, "/config_dump").await.unwrap();
    compare::report(&ours, &ConfigDump::parse(&theirs).unwrap()).unwrap()
}

fn endpoints_of(dump: &Value, cluster: &str) -> String {
    of_kind(dump, "EndpointsConfigDump", "dynamic_endpoint_configs")
        .filter(|e| e["endpoint_config"]["cluster_name"] == cluster)
        .map(ToString::to_string)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_takes_everything_by_delta() {
    takes_everything("DELTA_GRPC").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_takes_everything_by_state_of_the_world() {
    takes_everything("GRPC").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_keeps_its_listeners_while_the_pilot_is_gone_and_follows_when_it_is_back() {
    let mut pilot = Pilot::start(GREETER).await;
    let mut envoy = Envoy::start(&pilot, "DELTA_GRPC").await;
    let in_use = |dump: &Value| active_listeners(dump).contains(&"0.0.0.0_50051");
    envoy
        .config_dump(in_use, "the listener is not in use")
        .await;
    pilot.stop().await;
    envoy
        .config_dump(in_use, "the listener is gone with the pilot")
        .await;
    pilot.write(
        "more.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: other}\n\
        spec: {clusterIP: 10.96.0.11, ports: [{name: http, port: 8090}]}\n",
    );
    pilot.restart().await;
    envoy
        .config_dump(
            |dump| in_use(dump) && active_listeners(dump).contains(&"0.0.0.0_8090"),
            "the new listener does not come",
        )
        .await;
    let page = pilot.page("/debug/syncz", all_acked).await;
    assert_nothing_nacked(&page);
}
