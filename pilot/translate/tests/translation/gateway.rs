//! Gateways: what they open, whose routes they have, and which secrets they get.

use envoy_types::pb::envoy::config::listener::v3::{Listener, filter::ConfigType};
use envoy_types::pb::envoy::config::route::v3::{
    RouteConfiguration, VirtualHost, route::Action, route_action::ClusterSpecifier,
    virtual_host::TlsRequirementType,
};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, http_connection_manager::RouteSpecifier,
};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    DownstreamTlsContext, Secret, secret::Type,
};
use prost::Message;
use translate::{Proxy, Snapshot, Translator};
use xds::TypeUrl;

use crate::world::{node, objects, one, routed, wildcard};

pub(crate) const ARTICLE: &str = include_str!("../testdata/istio-ingress-gateway.yaml");

/// The gateway's pod and its Service, in the namespace of the control plane.
pub(crate) const INGRESS: &str = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "gw-1", "namespace": "istio-system",
  "labels": {"app": "istio-ingressgateway", "istio": "ingressgateway"}},
  "spec": {"containers": [{"name": "istio-proxy", "ports": [{"name": "https", "containerPort": 8443}]}]},
  "status": {"phase": "Running", "podIP": "172.17.2.1"}}
---
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "istio-ingressgateway", "namespace": "istio-system"},
  "spec": {"clusterIP": "10.101.204.99", "type": "LoadBalancer",
  "selector": {"app": "istio-ingressgateway", "istio": "ingressgateway"},
  "ports": [{"name": "http2", "port": 80, "targetPort": 8080}, {"name": "https", "port": 443, "targetPort": "https"}]}}
"#;

pub(crate) fn ingress() -> Proxy {
    let id = "router~172.17.2.1~gw-1.istio-system~istio-system.svc.cluster.local";
    Proxy::from_node(&node(id, &[])).unwrap()
}

pub(crate) fn with(text: &str) -> Snapshot {
    routed().with(&objects(INGRESS)).with(&objects(text))
}

fn names(snapshot: &Snapshot, kind: TypeUrl) -> Vec<String> {
    let all = wildcard(&Translator::new(), snapshot, &ingress(), kind);
    all.iter().map(|r| r.name.to_string()).collect()
}

fn routes(snapshot: &Snapshot, name: &str) -> Vec<VirtualHost> {
    let routes: RouteConfiguration = one(snapshot, &ingress(), TypeUrl::Route, name).unwrap();
    routes.virtual_hosts
}

fn hosts(snapshot: &Snapshot, name: &str) -> Vec<String> {
    let hosts = routes(snapshot, name);
    hosts.into_iter().flat_map(|host| host.domains).collect()
}

/// A Gateway with one server and a VirtualService for it.
fn server(server: &str, hosts: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: g, namespace: default}}\nspec:\n  selector: {{istio: ingressgateway}}\n  servers:\n  - {server}\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: vs, namespace: default}}\nspec:\n  gateways: [g]\n  hosts: {hosts}\n  http:\n  - route: [{{destination: {{host: k8s-combat-service, port: {{number: 8081}}}}}}]\n"
    )
}

const HTTP: &str = "port: {number: 80, name: http, protocol: HTTP}";
const HTTPS: &str = "port: {number: 443, name: https, protocol: HTTPS}";

fn managers(listener: &Listener) -> Vec<HttpConnectionManager> {
    let filters = listener.filter_chains.iter().flat_map(|c| c.filters.last());
    filters
        .map(|filter| match filter.config_type.as_ref().unwrap() {
            ConfigType::TypedConfig(any) => HttpConnectionManager::decode(&*any.value).unwrap(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn the_articles_gateway_opens_the_port_that_its_service_leads_to() {
    let snapshot = with(ARTICLE);
    assert_eq!(names(&snapshot, TypeUrl::Listener), ["0.0.0.0_8080"]);
    let listener: Listener = one(&snapshot, &ingress(), TypeUrl::Listener, "0.0.0.0_8080").unwrap();
    assert!(listener.bind_to_port.is_none() && listener.listener_filters.is_empty());
    let managers = managers(&listener);
    let Some(RouteSpecifier::Rds(rds)) = &managers[0].route_specifier else {
        panic!("{managers:?}");
    };
    assert_eq!(rds.route_config_name, "http.8080");
    assert!(managers[0].use_remote_address.unwrap().value);
}

#[test]
fn the_articles_host_leads_to_the_subset_and_no_other_host_is_known() {
    let snapshot = with(ARTICLE);
    let hosts = routes(&snapshot, "http.8080");
    assert_eq!(hosts.len(), 1);
    assert_eq!(hosts[0].name, "www.service1.io:80");
    assert_eq!(hosts[0].domains, ["www.service1.io"]);
    let Some(Action::Route(action)) = &hosts[0].routes[0].action else {
        panic!("{hosts:?}");
    };
    let host = "k8s-combat-service-istio-mesh.default.svc.cluster.local";
    let cluster = ClusterSpecifier::Cluster(format!("outbound|8081|v1|{host}"));
    assert_eq!(action.cluster_specifier, Some(cluster));
    let decorator = hosts[0].routes[0].decorator.as_ref().unwrap();
    assert_eq!(decorator.operation, format!("{host}:8081/*"));
}

#[test]
fn sidecars_do_not_heed_what_is_for_a_gateway_alone() {
    let text = server(&format!("{{{HTTP}, hosts: ['*']}}"), "[k8s-combat-service]");
    let before: RouteConfiguration =
        one(&routed(), &crate::world::sidecar(8), TypeUrl::Route, "8081").unwrap();
    let after = one(
        &with(&text),
        &crate::world::sidecar(8),
        TypeUrl::Route,
        "8081",
    )
    .unwrap();
    assert_eq!(before, after);
}

#[test]
fn a_gateway_that_nothing_selects_opens_nothing() {
    let other = ARTICLE.replace("istio: ingressgateway", "istio: egressgateway");
    assert_eq!(
        names(&with(&other), TypeUrl::Listener),
        Vec::<String>::new()
    );
    assert_eq!(names(&with(""), TypeUrl::Listener), Vec::<String>::new());
}

#[test]
fn hosts_are_those_that_the_server_and_the_virtual_service_have_in_common() {
    for (server_hosts, hosts_of_routes, common) in [
        ("['*']", "[a.io]", &["a.io"][..]),
        ("['*.io']", "[a.io, b.com]", &["a.io"]),
        ("[a.io]", "['*']", &["a.io"]),
        ("['*.a.io']", "['*.io']", &["*.a.io"]),
        ("['default/a.io']", "[a.io]", &["a.io"]),
        ("['./a.io']", "[a.io]", &["a.io"]),
        ("['*/a.io']", "[a.io]", &["a.io"]),
        // Nothing in common: every request is answered with 404.
        ("['other/a.io']", "[a.io]", &["*"]),
        ("[b.io]", "[a.io]", &["*"]),
    ] {
        let text = server(
            &format!("{{{HTTP}, hosts: {server_hosts}}}"),
            hosts_of_routes,
        );
        let found = hosts(&with(&text), "http.8080");
        assert_eq!(found, common, "{server_hosts} {hosts_of_routes}");
    }
}

#[test]
fn a_server_that_redirects_asks_for_tls_also_where_nothing_is_routed() {
    let text = server(
        &format!("{{{HTTP}, hosts: [a.io, b.io], tls: {{httpsRedirect: true}}}}"),
        "[a.io]",
    );
    let hosts = routes(&with(&text), "http.8080");
    let all = TlsRequirementType::All as i32;
    assert_eq!(hosts.len(), 2);
    assert!(hosts.iter().all(|host| host.require_tls == all));
    assert_eq!((hosts[0].routes.len(), hosts[1].routes.len()), (1, 0));
}

#[test]
fn routes_of_several_objects_for_one_host_come_together_those_for_everything_last() {
    let one = server(&format!("{{{HTTP}, hosts: ['*']}}"), "[a.io]");
    let other = "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: vs2, namespace: default}\nspec:\n  gateways: [default/g]\n  hosts: [a.io]\n  http:\n  - match: [{uri: {prefix: /two}}]\n    directResponse: {status: 222}\n";
    let hosts = routes(&with(&format!("{one}{other}")), "http.8080");
    let kinds: Vec<bool> = hosts[0]
        .routes
        .iter()
        .map(|route| matches!(route.action, Some(Action::DirectResponse(_))))
        .collect();
    assert_eq!(kinds, [true, false]);
}

#[test]
fn a_match_that_names_gateways_counts_for_those_alone() {
    let text = server(&format!("{{{HTTP}, hosts: ['*']}}"), "[a.io]").replace(
        "  http:\n",
        "  http:\n  - match: [{gateways: [mesh], uri: {prefix: /mesh}}, {gateways: [g], uri: {prefix: /gateway}}]\n    directResponse: {status: 222}\n",
    );
    let hosts = routes(&with(&text), "http.8080");
    assert_eq!(hosts[0].routes.len(), 2, "{hosts:?}");
}

#[test]
fn tls_ends_at_the_gateway_by_server_name_with_a_secret_of_its_namespace() {
    let credential = r#"
---
{"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": "c", "namespace": "istio-system"},
 "data": {"tls.crt": "Q0VSVA==", "tls.key": "S0VZ", "ca.crt": "Uk9PVFM="}}
---
{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "unnamed", "namespace": "istio-system"}, "data": {"tls.crt": "Q0VSVA==", "tls.key": "S0VZ"}}
---
{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c", "namespace": "default"}, "data": {"tls.crt": "T1RIRVI=", "tls.key": "S0VZ"}}
"#;
    let text = server(
        &format!("{{{HTTPS}, hosts: [a.io], tls: {{mode: MUTUAL, credentialName: c}}}}"),
        "[a.io]",
    );
    let snapshot = with(&format!("{text}{credential}"));
    assert_eq!(names(&snapshot, TypeUrl::Listener), ["0.0.0.0_8443"]);
    let listener: Listener = one(&snapshot, &ingress(), TypeUrl::Listener, "0.0.0.0_8443").unwrap();
    let chain = &listener.filter_chains[0];
    let on = chain.filter_chain_match.as_ref().unwrap();
    assert_eq!(on.server_names, ["a.io"]);
    let socket = chain.transport_socket.as_ref().unwrap();
    let context = match socket.config_type.as_ref().unwrap() {
        envoy_types::pb::envoy::config::core::v3::transport_socket::ConfigType::TypedConfig(
            any,
        ) => DownstreamTlsContext::decode(&*any.value).unwrap(),
    };
    assert!(context.require_client_certificate.unwrap().value);
    assert_eq!(hosts(&snapshot, "https.443.https.g.default"), ["a.io"]);
    let secret = |name: &str| -> Option<Type> {
        let secret: Option<Secret> = one(&snapshot, &ingress(), TypeUrl::Secret, name);
        secret.and_then(|s| s.r#type)
    };
    let Some(Type::TlsCertificate(pair)) = secret("kubernetes://c") else {
        panic!("no certificate");
    };
    assert_eq!(bytes(pair.certificate_chain), b"CERT");
    assert_eq!(bytes(pair.private_key), b"KEY");
    let Some(Type::ValidationContext(roots)) = secret("kubernetes://c-cacert") else {
        panic!("no roots");
    };
    assert_eq!(bytes(roots.trusted_ca), b"ROOTS");
    for of_others in [
        "kubernetes://unnamed",
        "kubernetes://default/c",
        "c",
        "default",
    ] {
        assert_eq!(secret(of_others), None, "{of_others}");
    }
}

fn bytes(of: Option<envoy_types::pb::envoy::config::core::v3::DataSource>) -> Vec<u8> {
    use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
    match of.unwrap().specifier.unwrap() {
        Specifier::InlineBytes(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_is_not_shown_by_the_worlds_debug_form() {
    let secret = r#"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c", "namespace": "n"}, "data": {"tls.crt": "Q0VSVA==", "tls.key": "S0VZS0VZ"}}"#;
    let shown = format!("{:?}", with(secret));
    assert!(
        !shown.contains("KEYKEY") && !shown.contains("75, 69, 89, 75"),
        "{shown}"
    );
}

#[test]
fn plaintext_and_tls_do_not_share_a_port_and_the_older_gateway_has_it() {
    let text = format!(
        "{}---\n{}",
        server(&format!("{{{HTTP}, hosts: ['*']}}"), "[a.io]"),
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: later, namespace: default}\nspec:\n  servers:\n  - {port: {number: 80, name: s, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: c}}\n"
    );
    let snapshot = with(&text);
    let listener: Listener = one(&snapshot, &ingress(), TypeUrl::Listener, "0.0.0.0_8080").unwrap();
    assert_eq!(listener.filter_chains.len(), 1);
    assert!(listener.filter_chains[0].transport_socket.is_none());
}
