//! What a proxy has.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use time::OffsetDateTime;

use crate::dump::{ConfigDump, DumpError};
use crate::{Listing, assignment, bootstrap, cluster, ecds, endpoint, listener, route, secret};

fn dump(kind: &str, part: serde_json::Value) -> ConfigDump {
    let mut part = part;
    part["@type"] = format!("type.googleapis.com/envoy.admin.v3.{kind}").into();
    ConfigDump::parse(&json!({"configs": [{"@type": "type.googleapis.com/envoy.admin.v3.ScopedRoutesConfigDump"}, part]}).to_string()).unwrap()
}

fn clusters() -> ConfigDump {
    let made_by = "/apis/networking.istio.io/v1/namespaces/default/destination-rule/reviews";
    dump(
        "ClustersConfigDump",
        json!({
            "static_clusters": [{"cluster": {"name": "agent", "type": "STATIC"}}, {"cluster": {"name": "prometheus_stats"}}],
            "dynamic_active_clusters": [
                {"cluster": {"name": "outbound|9080|v1|reviews.default.svc.cluster.local", "type": "EDS",
                    "metadata": {"filter_metadata": {"istio": {"config": made_by}}}}},
                {"cluster": {"name": "outbound|9080||reviews.default.svc.cluster.local", "type": "EDS"}},
                {"cluster": {"name": "outbound|80||reviews.default.svc.cluster.local", "type": "EDS"}},
                {"cluster": {"name": "inbound|8080||", "type": "ORIGINAL_DST"}},
            ],
        }),
    )
}

#[test]
fn clusters_are_by_service_subset_and_port_with_what_made_them() {
    let dump = clusters();
    let shown = cluster::table(
        &cluster::select(&dump, &cluster::ClusterFilter::default()).unwrap(),
        Listing::Alone,
    );
    let expected = "\
SERVICE FQDN                          PORT     SUBSET     DIRECTION     TYPE             DESTINATION RULE
                                      8080     -          inbound       ORIGINAL_DST     
agent                                 -        -          -             STATIC           
prometheus_stats                      -        -          -             STATIC           
reviews.default.svc.cluster.local     80       -          outbound      EDS              
reviews.default.svc.cluster.local     9080     -          outbound      EDS              
reviews.default.svc.cluster.local     9080     v1         outbound      EDS              reviews.default
";
    assert_eq!(shown, expected);
}

#[test]
fn clusters_are_chosen_by_parts_of_their_names() {
    let dump = clusters();
    let count = |filter: cluster::ClusterFilter| cluster::select(&dump, &filter).unwrap().len();
    let all = cluster::ClusterFilter::default;
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(count(all()), 6);
    assert_eq!(
        count(cluster::ClusterFilter {
            fqdn: text("reviews"),
            ..all()
        }),
        3
    );
    assert_eq!(
        count(cluster::ClusterFilter {
            port: Some(80),
            ..all()
        }),
        1
    );
    assert_eq!(
        count(cluster::ClusterFilter {
            subset: text("v1"),
            ..all()
        }),
        1
    );
    assert_eq!(
        count(cluster::ClusterFilter {
            direction: text("inbound"),
            ..all()
        }),
        1
    );
}

fn listeners() -> ConfigDump {
    let http = |config: serde_json::Value| json!([{"name": "envoy.filters.network.http_connection_manager", "typed_config": config}]);
    let tcp = |cluster: &str| json!([{"name": "envoy.filters.network.tcp_proxy", "typed_config": {"cluster": cluster}}]);
    let address = |address: &str, port: u16| json!({"socket_address": {"address": address, "port_value": port}});
    let one = |cluster: &str| {
        json!({"route_config": {"virtual_hosts": [{"domains": ["*"],
        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": cluster}}]}]}})
    };
    dump(
        "ListenersConfigDump",
        json!({
            "static_listeners": [{"listener": {"address": address("0.0.0.0", 15021), "filter_chains": [
                {"filters": http(json!({"route_config": {"virtual_hosts": [{"domains": ["*"], "routes": [
                    {"match": {"prefix": "/healthz/ready"}, "route": {"cluster": "agent"}}]}]}}))}]}}],
            "dynamic_listeners": [
                {"name": "virtualOutbound", "active_state": {"listener": {"address": address("0.0.0.0", 15001), "filter_chains": [
                    {"filter_chain_match": {"destination_port": 15001}, "filters": tcp("BlackHoleCluster")}],
                    "default_filter_chain": {"filters": tcp("PassthroughCluster")}}}},
                {"name": "0.0.0.0_9080", "active_state": {"listener": {"address": address("0.0.0.0", 9080),
                    "additional_addresses": [{"address": address("::", 9080)}], "filter_chains": [
                    {"filter_chain_match": {"transport_protocol": "raw_buffer", "application_protocols": ["http/1.0", "http/1.1", "h2c"]},
                     "filters": http(json!({"rds": {"route_config_name": "9080"}}))}],
                    "default_filter_chain": {"filters": tcp("PassthroughCluster")}}}},
                {"name": "10.0.0.7_443", "active_state": {"listener": {"address": address("10.0.0.7", 443), "filter_chains": [
                    {"filter_chain_match": {"server_names": ["a.b"]}, "filters": tcp("outbound|443||a.b")}]}}},
                {"name": "virtualInbound", "active_state": {"listener": {"address": address("0.0.0.0", 15006), "filter_chains": [
                    {"filter_chain_match": {"destination_port": 8080, "transport_protocol": "tls", "application_protocols": ["istio-peer-exchange", "istio"]},
                     "filters": http(one("inbound|8080||"))},
                    {"filter_chain_match": {"prefix_ranges": [{"address_prefix": "0.0.0.0"}, {"address_prefix": "10.0.0.0", "prefix_len": 8}]},
                     "filters": tcp("InboundPassthroughCluster")}]}}},
                {"name": "not yet", "warming_state": {"listener": {"address": address("0.0.0.0", 1)}}},
            ],
        }),
    )
}

#[test]
fn listeners_are_by_port_with_a_line_for_each_chain() {
    let dump = listeners();
    let shown = listener::table(
        &listener::select(&dump, &listener::ListenerFilter::default()).unwrap(),
        Listing::Alone,
    );
    let expected = "\
ADDRESSES  PORT  MATCH                                  DESTINATION
10.0.0.7   443   SNI: a.b                               Cluster: outbound|443||a.b
0.0.0.0,:: 9080  Trans: raw_buffer; App: HTTP           Route: 9080
0.0.0.0,:: 9080  ALL                                    PassthroughCluster
0.0.0.0    15001 ALL                                    PassthroughCluster
0.0.0.0    15001 Addr: *:15001                          Non-HTTP/Non-TCP
0.0.0.0    15006 Addr: 0.0.0.0/0,10.0.0.0/8             InboundPassthroughCluster
0.0.0.0    15006 Trans: tls; App: TCP TLS; Addr: *:8080 Cluster: inbound|8080||
0.0.0.0    15021 ALL                                    Inline Route: /healthz/ready*
";
    assert_eq!(shown, expected);
}

#[test]
fn listeners_are_of_a_kind_and_chosen_by_it_their_port_or_an_address() {
    let dump = listeners();
    let all = listener::ListenerFilter::default;
    let shown = listener::short_table(&listener::select(&dump, &all()).unwrap(), Listing::Alone);
    let expected = "\
ADDRESSES  PORT  TYPE
10.0.0.7   443   TCP
0.0.0.0,:: 9080  HTTP+TCP
0.0.0.0    15001 TCP
0.0.0.0    15006 HTTP+TCP
0.0.0.0    15021 HTTP
";
    assert_eq!(shown, expected);
    let count = |filter: listener::ListenerFilter| listener::select(&dump, &filter).unwrap().len();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        count(listener::ListenerFilter {
            kind: text("http+tcp"),
            ..all()
        }),
        2
    );
    assert_eq!(
        count(listener::ListenerFilter {
            address: text("::"),
            ..all()
        }),
        1
    );
    assert_eq!(
        count(listener::ListenerFilter {
            port: Some(443),
            ..all()
        }),
        1
    );
}

#[test]
fn routes_have_a_line_each_with_their_shortest_domains() {
    let made_by = "/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews";
    let host = |name: &str, domains: serde_json::Value, routes: serde_json::Value| json!({"name": name, "domains": domains, "routes": routes});
    let dump = dump(
        "RoutesConfigDump",
        json!({
            "static_route_configs": [{"route_config": {"name": "inbound|8080||", "virtual_hosts": [
                host("inbound|http|8080", json!(["*"]), json!([{"match": {"prefix": "/"}, "route": {"cluster": "inbound|8080||"}}]))]}}],
            "dynamic_route_configs": [
                {"route_config": {"name": "15014", "virtual_hosts": [
                    host("allow_any", json!(["*"]), json!([{"match": {"prefix": "/"}, "route": {"cluster": "PassthroughCluster"}}])),
                    host("nothing", json!(["nothing.example"]), json!([]))]}},
                {"route_config": {"name": "9080", "virtual_hosts": [host(
                    "reviews.default.svc.cluster.local:9080",
                    json!(["reviews.default.svc.cluster.local", "reviews", "reviews.default.svc.cluster.local.", "reviews.default.svc", "reviews.default", "10.0.0.1", "10.0.0.1:9080", "[fd00::1]"]),
                    json!([
                        {"match": {"path": "/exact"}, "route": {"cluster": "a"}, "metadata": {"filter_metadata": {"istio": {"config": made_by}}}},
                        {"match": {"safe_regex": {"regex": "/a.*"}}, "route": {"cluster": "a"}},
                        {"match": {"path_separated_prefix": "/p"}, "route": {"cluster": "a"}},
                        {"match": {"headers": [{"name": "x"}]}, "route": {"cluster": "a"}},
                    ]))]}},
            ],
        }),
    );
    let shown = route::table(&route::select(&dump, None).unwrap(), Listing::Alone);
    let lines: Vec<Vec<&str>> = shown
        .lines()
        .map(|line| {
            line.split("     ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .collect()
        })
        .collect();
    let domains = "reviews, reviews.default + 2 more...";
    let reviews = "reviews.default.svc.cluster.local:9080";
    assert_eq!(
        lines,
        [
            vec!["NAME", "VHOST NAME", "DOMAINS", "MATCH", "VIRTUAL SERVICE"],
            vec!["9080", reviews, domains, "/exact", "reviews.default"],
            vec!["9080", reviews, domains, "regex /a.*"],
            vec!["9080", reviews, domains, "PathPrefix:/p"],
            vec!["9080", reviews, domains],
            vec!["15014", "nothing", "nothing.example", "/*", "404"],
            vec!["inbound|8080||", "inbound|http|8080", "*", "/*"],
        ]
    );
    let short = route::short_table(
        &route::select(&dump, Some("15014")).unwrap(),
        Listing::Alone,
    );
    assert_eq!(short, "NAME      VIRTUAL HOSTS\n15014     2\n");
}

#[test]
fn endpoints_are_by_address_with_their_health() {
    let clusters = endpoint::Clusters::parse(
        &json!({"cluster_statuses": [
            {"name": "outbound|80||b", "host_statuses": [
                {"address": {"socket_address": {"address": "10.0.0.2", "port_value": 80}}, "health_status": {"eds_health_status": "HEALTHY", "failed_outlier_check": true}},
                {"address": {"socket_address": {"address": "fd00::1", "port_value": 80}}, "health_status": {"eds_health_status": "DRAINING"}}]},
            {"name": "sds-grpc", "host_statuses": [{"address": {"pipe": {"path": "./var/run/socket"}}, "health_status": {"eds_health_status": "HEALTHY"}}]},
            {"name": "empty"},
        ]})
        .to_string(),
    )
    .unwrap();
    let all = endpoint::EndpointFilter::default;
    let expected = "\
ENDPOINT                    STATUS       OUTLIER CHECK     CLUSTER
unix://./var/run/socket     HEALTHY      OK                sds-grpc
10.0.0.2:80                 HEALTHY      FAILED            outbound|80||b
[fd00::1]:80                DRAINING     OK                outbound|80||b
";
    assert_eq!(clusters.table(&all()), expected);
    let filter = endpoint::EndpointFilter {
        status: Some("draining".to_owned()),
        ..all()
    };
    assert_eq!(clusters.table(&filter).lines().count(), 2);
    assert_eq!(clusters.select(&filter).len(), 1);
    let filter = endpoint::EndpointFilter {
        port: Some(80),
        cluster: Some("sds-grpc".to_owned()),
        ..all()
    };
    assert!(clusters.select(&filter).is_empty());
}

#[test]
fn secrets_show_the_certificate_and_whether_it_is_valid_now() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["a.b".to_owned()]).unwrap();
    parameters.serial_number = Some(vec![0x4b, 0x9c, 0x01].into());
    parameters.not_before = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
    parameters.not_after = OffsetDateTime::from_unix_timestamp(1_700_086_400).unwrap();
    let pem = parameters.self_signed(&key).unwrap().pem();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = parameters.self_signed(&key).unwrap().pem();
    let dump = dump(
        "SecretsConfigDump",
        json!({"dynamic_active_secrets": [
            {"name": "default", "secret": {"tls_certificate": {"certificate_chain": {"inline_bytes": BASE64_STANDARD.encode(&pem)}, "private_key": {"inline_bytes": "W3JlZGFjdGVkXQ=="}}}},
            {"name": "ROOTCA", "secret": {"validation_context": {"trusted_ca": {"inline_string": root}}}}],
            "dynamic_warming_secrets": [{"name": "later", "secret": {"validation_context": {}}}]}),
    );
    let at = |seconds: i64| {
        secret::table(
            &dump,
            OffsetDateTime::from_unix_timestamp(seconds).unwrap(),
            Listing::Alone,
        )
        .unwrap()
    };
    let expected = "\
RESOURCE NAME     TYPE           STATUS      VALID CERT     SERIAL NUMBER                        NOT AFTER                NOT BEFORE
later                            WARMING     false                                                                        
default           Cert Chain     ACTIVE      true           000000000000000000000000004b9c01     2023-11-15T22:13:20Z     2023-11-14T22:13:20Z
ROOTCA            CA             ACTIVE      true           000000000000000000000000004b9c01     2023-11-15T22:13:20Z     2023-11-14T22:13:20Z
";
    assert_eq!(at(1_700_000_100), expected);
    assert_eq!(at(1_700_090_000), expected.replace("true ", "false"));
}

#[test]
fn what_is_no_dump_is_refused_and_a_missing_part_named() {
    assert!(matches!(
        ConfigDump::parse("<html>"),
        Err(DumpError::NotJson(_))
    ));
    let empty = ConfigDump::parse("{}").unwrap();
    let error = cluster::select(&empty, &cluster::ClusterFilter::default()).unwrap_err();
    assert!(error.to_string().contains("ClustersConfigDump"), "{error}");
}

#[test]
fn where_all_kinds_are_listed_each_line_begins_with_its_kind_and_name() {
    let dump = clusters();
    let agent = cluster::ClusterFilter {
        fqdn: Some("agent".to_owned()),
        ..Default::default()
    };
    let shown = cluster::table(&cluster::select(&dump, &agent).unwrap(), Listing::Together);
    let expected = "\
NAME              SERVICE FQDN     PORT     SUBSET     DIRECTION     TYPE       DESTINATION RULE
cluster/agent     agent            -        -          -             STATIC     
";
    assert_eq!(shown, expected);
    let dump = listeners();
    let filter = listener::ListenerFilter {
        port: Some(443),
        ..Default::default()
    };
    let listeners = listener::select(&dump, &filter).unwrap();
    let expected = "\
NAME      ADDRESSES PORT MATCH    DESTINATION
listener/ 10.0.0.7  443  SNI: a.b Cluster: outbound|443||a.b
";
    assert_eq!(listener::table(&listeners, Listing::Together), expected);
}

#[test]
fn assigned_endpoints_have_their_locality() {
    let endpoint = |address: serde_json::Value, status: &str| json!({"endpoint": {"address": address}, "health_status": status});
    let socket = |address: &str| json!({"socket_address": {"address": address, "port_value": 80}});
    let internal = json!({"envoy_internal_address": {"server_listener_name": "connect_originate", "endpoint_id": "10.0.0.9:80"}});
    let dump = dump(
        "EndpointsConfigDump",
        json!({
            "dynamic_endpoint_configs": [{"endpoint_config": {"cluster_name": "outbound|80||b", "endpoints": [
                {"locality": {"region": "r", "zone": "z"}, "lb_endpoints": [endpoint(socket("10.0.0.2"), "HEALTHY")]},
                {"lb_endpoints": [endpoint(socket("10.0.0.1"), "DRAINING"), endpoint(internal, "HEALTHY")]}]}}],
            "static_endpoint_configs": [{"endpoint_config": {"cluster_name": "agent", "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": "./socket"}}}}]}]}}],
        }),
    );
    let all = endpoint::EndpointFilter::default();
    let expected = "\
NAME                                               STATUS       LOCALITY     CLUSTER
endpoint/./socket                                  UNKNOWN                   agent
endpoint/10.0.0.2:80                               HEALTHY      r/z          outbound|80||b
endpoint/10.0.0.1:80                               DRAINING                  outbound|80||b
endpoint/envoy://connect_originate/10.0.0.9:80     HEALTHY                   outbound|80||b
";
    assert_eq!(assignment::table(&dump, &all, Listing::Together), expected);
    let draining = endpoint::EndpointFilter {
        status: Some("draining".to_owned()),
        ..all
    };
    let shown = assignment::table(&dump, &draining, Listing::Alone);
    assert_eq!(shown.lines().count(), 2);
    assert!(shown.contains("\n10.0.0.1:80 "), "{shown}");
}

#[test]
fn versions_are_those_that_the_proxy_says_it_has() {
    let node = json!({
        "metadata": {"ISTIO_VERSION": "1.10.0", "ISTIO_PROXY_SHA": "istio-proxy:436f365a"},
        "user_agent_build_version": {
            "version": {"major_number": 1, "minor_number": 18, "patch": 3},
            "metadata": {"revision.status": "Clean", "build.type": "RELEASE", "ssl.version": "BoringSSL"},
        },
    });
    let whole = dump("BootstrapConfigDump", json!({"bootstrap": {"node": node}}));
    let expected = "\
Istio Version:       1.10.0
Istio Proxy Version: 436f365a
Envoy Version:       1.18.3/Clean/RELEASE/BoringSSL
";
    assert_eq!(bootstrap::summary(&whole).unwrap(), expected);
    let bare = dump("BootstrapConfigDump", json!({}));
    assert_eq!(bootstrap::summary(&bare).unwrap(), "Envoy Version: 0.0.0\n");
}

#[test]
fn extensions_are_by_type_and_a_proxy_without_any_has_an_empty_table() {
    let wasm = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
    let whole = dump(
        "EcdsConfigDump",
        json!({"ecds_filters": [
            {"ecds_filter": {"name": "b", "typed_config": {"@type": wasm}}},
            {"ecds_filter": {"name": "a", "typed_config": {"@type": wasm}}},
            {"ecds_filter": {"name": "c"}}]}),
    );
    let wasm = "envoy.extensions.filters.http.wasm.v3.Wasm";
    let expected =
        format!("ECDS NAME     TYPE\nc             \na             {wasm}\nb             {wasm}\n");
    assert_eq!(ecds::table(&ecds::select(&whole)), expected);
    assert_eq!(
        ecds::table(&ecds::select(&clusters())),
        "ECDS NAME     TYPE\n"
    );
}

#[test]
fn roots_of_several_trust_domains_are_shown_with_whose_they_are() {
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = |names: Vec<rcgen::SanType>, is_ca: bool| {
        let mut parameters = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        parameters.subject_alt_names = names;
        parameters.serial_number = Some(vec![1].into());
        if is_ca {
            parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }
        BASE64_STANDARD.encode(parameters.self_signed(&key).unwrap().pem())
    };
    let id = "spiffe://east.local/ns/shop/sa/web".try_into().unwrap();
    let leaf = pem(vec![rcgen::SanType::URI(id)], false);
    let domain =
        |name: &str| json!({"name": name, "trust_bundle": {"inline_bytes": pem(Vec::new(), true)}});
    let validator =
        "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig";
    let dump = dump(
        "SecretsConfigDump",
        json!({"dynamic_active_secrets": [
            {"name": "default", "secret": {"tls_certificate": {"certificate_chain": {"inline_bytes": leaf}}}},
            {"name": "ROOTCA", "secret": {"validation_context": {"custom_validator_config": {"typed_config": {
                "@type": validator, "trust_domains": [domain("east.local"), domain("west.local")]}}}}}]}),
    );
    let shown = secret::table(&dump, OffsetDateTime::now_utc(), Listing::Alone).unwrap();
    let ends: Vec<(&str, &str)> = shown
        .lines()
        .map(|line| {
            let mut words = line.split_whitespace();
            (words.next().unwrap(), words.last().unwrap())
        })
        .collect();
    assert_eq!(
        ends,
        [
            ("RESOURCE", "DOMAIN"),
            ("default", "east.local"),
            ("ROOTCA", "east.local"),
            ("ROOTCA", "west.local")
        ]
    );
    assert_eq!(secret::roots(&dump).unwrap().len(), 2);
}

#[test]
fn a_proxy_without_secrets_is_said_to_have_none() {
    let none = dump("SecretsConfigDump", json!({}));
    let shown = secret::table(&none, OffsetDateTime::UNIX_EPOCH, Listing::Alone).unwrap();
    assert_eq!(shown, "No active or warming secrets found.\n");
}
