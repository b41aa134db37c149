//! What VirtualServices do to routes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use crate::world;

use crate::world::{HOST, MESH_HOST, demo, objects, one, routed, sidecar};
use envoy_types::pb::envoy::config::route::v3::{
    Route, RouteConfiguration, header_matcher::HeaderMatchSpecifier, route::Action,
    route_action::ClusterSpecifier, route_match::PathSpecifier,
};
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use translate::{Snapshot, check};
use xds::TypeUrl;

fn routes(snapshot: &Snapshot, host: &str) -> Vec<Route> {
    let configuration: RouteConfiguration =
        one(snapshot, &sidecar(8), TypeUrl::Route, "50051").unwrap();
    let name = format!("{host}:50051");
    configuration
        .virtual_hosts
        .iter()
        .find(|h| h.name == name)
        .unwrap()
        .routes
        .clone()
}

fn clusters(route: &Route) -> Vec<(String, u32)> {
    let Some(Action::Route(action)) = &route.action else {
        panic!("{route:?}")
    };
    match action.cluster_specifier.as_ref().unwrap() {
        ClusterSpecifier::Cluster(name) => vec![(name.clone(), 100)],
        ClusterSpecifier::WeightedClusters(weighted) => weighted
            .clusters
            .iter()
            .map(|c| (c.name.clone(), c.weight.unwrap().value))
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn virtual_service(http: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: k8s-combat-service-vs}}\nspec:\n  hosts: [k8s-combat-service-istio-mesh]\n  http:\n{http}"
    )
}

fn with_routes(http: &str) -> Snapshot {
    routed().with(&objects(&virtual_service(http)))
}

const TO_V1: &str =
    "    route:\n    - destination: {host: k8s-combat-service-istio-mesh, subset: v1}\n";

#[test]
fn without_a_virtual_service_one_route_named_default_leads_to_the_service_with_two_retries() {
    let routes = routes(&demo(), HOST);
    assert_eq!(routes.len(), 1);
    assert_eq!(routes[0].name, "default");
    assert_eq!(
        clusters(&routes[0]),
        [(format!("outbound|50051||{HOST}"), 100)]
    );
    let Some(Action::Route(action)) = &routes[0].action else {
        panic!()
    };
    let retry = action.retry_policy.as_ref().unwrap();
    assert_eq!(retry.num_retries.unwrap().value, 2);
    assert_eq!(
        retry.retry_on,
        "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
    );
    assert!(retry.retriable_status_codes.is_empty());
    assert_eq!(action.timeout.unwrap().seconds, 0);
}

#[test]
fn requests_with_version_100_and_200_go_to_their_subsets_and_the_rest_to_v1() {
    let routes = routes(&routed(), MESH_HOST);
    let seen: Vec<_> = routes
        .iter()
        .map(|route| {
            let wanted = route.r#match.as_ref().unwrap().headers.first().map(|h| {
                match &h.header_match_specifier {
                    Some(HeaderMatchSpecifier::StringMatch(m)) => {
                        (h.name.clone(), m.match_pattern.clone().unwrap())
                    }
                    other => panic!("{other:?}"),
                }
            });
            (route.name.clone(), wanted, clusters(route)[0].0.clone())
        })
        .collect();
    let exact = |v: &str| Some(("version".to_owned(), MatchPattern::Exact(v.to_owned())));
    let to = |subset: &str| format!("outbound|50051|{subset}|{MESH_HOST}");
    assert_eq!(
        seen,
        [
            ("v1".to_owned(), exact("100"), to("v1")),
            ("v2".to_owned(), exact("200"), to("v2")),
            ("default".to_owned(), None, to("v1")),
        ]
    );
}

#[test]
fn the_commented_weights_send_10_and_90_percent_within_5_seconds() {
    // The block that the manifest carries as a comment, uncommented.
    let commented: String = world::MESH
        .lines()
        .skip_while(|l| !l.starts_with("#  http:"))
        .take_while(|l| l.starts_with('#'))
        .map(|l| format!("{}\n", &l[1..]))
        .collect();
    let text = format!(
        "apiVersion: networking.istio.io/v1alpha3\nkind: VirtualService\nmetadata: {{name: k8s-combat-service-vs}}\nspec:\n  gateways: [mesh]\n  hosts: [k8s-combat-service-istio-mesh]\n{commented}"
    );
    let routes = routes(&routed().with(&objects(&text)), MESH_HOST);
    assert_eq!(routes.len(), 1);
    assert_eq!(
        clusters(&routes[0]),
        [
            (format!("outbound|50051|v1|{MESH_HOST}"), 10),
            (format!("outbound|50051|v2|{MESH_HOST}"), 90)
        ]
    );
    let path = routes[0].r#match.as_ref().unwrap().path_specifier.clone();
    assert_eq!(
        path,
        Some(PathSpecifier::Path(
            "/helloworld.Greeter/SayHello".to_owned()
        ))
    );
    let Some(Action::Route(action)) = &routes[0].action else {
        panic!()
    };
    assert_eq!(action.timeout.unwrap().seconds, 5);
    assert_eq!(routes[0].name, "default");
}

#[test]
fn a_destination_of_weight_zero_gets_nothing() {
    let http = "  - route:\n    - destination: {host: k8s-combat-service-istio-mesh, subset: v1}\n      weight: 0\n    - destination: {host: k8s-combat-service-istio-mesh, subset: v2}\n      weight: 100\n";
    assert_eq!(
        clusters(&routes(&with_routes(http), MESH_HOST)[0]),
        [(format!("outbound|50051|v2|{MESH_HOST}"), 100)]
    );
}

#[test]
fn a_missing_subset_is_named_and_the_other_routes_stay() {
    let http = format!(
        "  - match:\n    - headers: {{version: {{exact: '300'}}}}\n    route:\n    - destination: {{host: k8s-combat-service-istio-mesh, subset: v3}}\n  -{}",
        &TO_V1[3..]
    );
    let snapshot = with_routes(&http);
    let problems = check(&snapshot);
    let problem = problems.iter().find(|p| p.message.contains("v3")).unwrap();
    assert_eq!(
        problem.object.as_deref(),
        Some("VirtualService default/k8s-combat-service-vs")
    );
    assert_eq!(
        problem.field.as_deref(),
        Some("spec.http[0].route[0].destination.subset")
    );
    let routes = routes(&snapshot, MESH_HOST);
    assert_eq!(
        clusters(&routes[0])[0].0,
        format!("outbound|50051|v3|{MESH_HOST}")
    );
    assert_eq!(
        clusters(&routes[1])[0].0,
        format!("outbound|50051|v1|{MESH_HOST}")
    );
    let missing: Option<envoy_types::pb::envoy::config::cluster::v3::Cluster> = one(
        &snapshot,
        &sidecar(8),
        TypeUrl::Cluster,
        &format!("outbound|50051|v3|{MESH_HOST}"),
    );
    assert_eq!(missing, None);
}

#[test]
fn a_missing_host_is_named() {
    let problems = check(&with_routes(
        "  - route:\n    - destination: {host: nobody}\n",
    ));
    let problem = problems
        .iter()
        .find(|p| p.message.contains("nobody.default.svc.cluster.local"))
        .unwrap();
    assert_eq!(
        problem.field.as_deref(),
        Some("spec.http[0].route[0].destination.host")
    );
}

#[test]
fn the_demo_applications_own_objects_give_no_finding() {
    assert_eq!(check(&routed()), []);
}

#[test]
fn a_field_without_effect_is_named() {
    let problems = check(&with_routes(
        "  - route:\n    - destination: {host: k8s-combat-service-istio-mesh}\n    retries: {attempts: 1, retryRemoteLocalities: true}\n",
    ));
    let fields: Vec<_> = problems.iter().filter_map(|p| p.field.as_deref()).collect();
    assert_eq!(fields, ["spec.http[0].retries.retryRemoteLocalities"]);
}

#[test]
fn a_mesh_wide_field_without_effect_is_named() {
    let (mesh, _) =
        resources::mesh_config::MeshConfig::from_yaml("ingressClass: mine", "mesh").unwrap();
    let problems = check(&demo().with(&[translate::Change::Mesh(Box::new(mesh))]));
    let fields: Vec<_> = problems.iter().filter_map(|p| p.field.as_deref()).collect();
    assert_eq!(fields, ["ingressClass"]);
}

#[test]
fn a_malformed_expression_costs_its_own_match_and_nothing_else() {
    let http = format!(
        "  - match:\n    - uri: {{regex: '('}}\n    - uri: {{prefix: /ok}}\n{TO_V1}  -{}",
        &TO_V1[3..]
    );
    let snapshot = with_routes(&http);
    let paths: Vec<_> = routes(&snapshot, MESH_HOST)
        .iter()
        .map(|r| r.r#match.clone().unwrap().path_specifier.unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            PathSpecifier::Prefix("/ok".to_owned()),
            PathSpecifier::Prefix("/".to_owned())
        ]
    );
    assert!(
        check(&snapshot)
            .iter()
            .any(|p| p.field.as_deref() == Some("spec.http[0].match[0].uri.regex"))
    );
}

#[test]
fn methods_authorities_and_absent_headers_are_conditions() {
    let http = format!(
        "  - match:\n    - method: {{exact: POST}}\n      authority: {{prefix: api.}}\n      withoutHeaders: {{x-a: {{}}}}\n      queryParams: {{q: {{regex: 'a+'}}}}\n{TO_V1}"
    );
    let routes = routes(&with_routes(&http), MESH_HOST);
    let on = routes[0].r#match.as_ref().unwrap();
    let names: Vec<_> = on
        .headers
        .iter()
        .map(|h| (h.name.as_str(), h.invert_match))
        .collect();
    assert_eq!(
        names,
        [(":method", false), (":authority", false), ("x-a", true)]
    );
    assert_eq!(on.query_parameters[0].name, "q");
}

#[test]
fn nothing_after_a_route_that_takes_everything_is_sent() {
    let http = format!("  - match:\n    - uri: {{prefix: /}}\n{TO_V1}  - name: never\n{TO_V1}");
    assert_eq!(routes(&with_routes(&http), MESH_HOST).len(), 1);
}

#[test]
fn faults_cors_mirrors_rewrites_and_headers_reach_the_route() {
    let http = "  - fault:\n      delay: {fixedDelay: 1s, percentage: {value: 0.1}}\n      abort: {grpcStatus: UNAVAILABLE, percentage: {value: 50}}\n    corsPolicy: {allowOrigins: [{exact: http://a}], maxAge: 24h}\n    mirror: {host: k8s-combat-service}\n    mirrorPercentage: {value: 10}\n    rewrite: {uri: /new, authority: other}\n    headers: {request: {set: {x-a: '1'}, remove: [x-b]}, response: {add: {x-c: 50%}}}\n    retries: {attempts: 3, perTryTimeout: 2s, retryOn: 'gateway-error,503'}\n    route:\n    - destination: {host: k8s-combat-service-istio-mesh}\n";
    let snapshot = with_routes(http);
    assert_eq!(check(&snapshot), []);
    let routes = routes(&snapshot, MESH_HOST);
    let route = &routes[0];
    let mut filters: Vec<_> = route
        .typed_per_filter_config
        .keys()
        .map(String::as_str)
        .collect();
    filters.sort_unstable();
    assert_eq!(
        filters,
        ["envoy.filters.http.cors", "envoy.filters.http.fault"]
    );
    let Some(Action::Route(action)) = &route.action else {
        panic!()
    };
    assert_eq!(action.prefix_rewrite, "/new");
    assert_eq!(
        action.request_mirror_policies[0].cluster,
        format!("outbound|50051||{HOST}")
    );
    let retry = action.retry_policy.as_ref().unwrap();
    assert_eq!(
        (
            retry.retry_on.as_str(),
            retry.retriable_status_codes.as_slice()
        ),
        ("gateway-error,retriable-status-codes", &[503][..])
    );
    assert_eq!(retry.per_try_timeout.unwrap().seconds, 2);
    assert_eq!(route.request_headers_to_remove, ["x-b"]);
    assert_eq!(
        route.response_headers_to_add[0]
            .header
            .as_ref()
            .unwrap()
            .value,
        "50%%"
    );
}

#[test]
fn source_labels_hold_for_the_callers_that_carry_them_alone() {
    let http = format!(
        "  - match:\n    - sourceLabels: {{app: k8s-combat-service}}\n    name: ours\n{TO_V1}  - name: others\n{TO_V1}"
    );
    let snapshot = with_routes(&http);
    let name = format!("{MESH_HOST}:50051");
    let of = |proxy: &translate::Proxy| {
        let configuration: RouteConfiguration =
            one(&snapshot, proxy, TypeUrl::Route, "50051").unwrap();
        let host = configuration
            .virtual_hosts
            .into_iter()
            .find(|h| h.name == name)
            .unwrap();
        host.routes.into_iter().map(|r| r.name).collect::<Vec<_>>()
    };
    // The first takes all that its callers send.
    assert_eq!(of(&sidecar(8)), ["ours"]);
    let other = world::node(
        "sidecar~172.17.1.1~k8s-combat-service-v1.default~default.svc.cluster.local",
        &[],
    );
    assert_eq!(
        of(&translate::Proxy::from_node(&other).unwrap()),
        ["others"]
    );
}

#[test]
fn two_services_with_one_address_do_not_share_a_domain() {
    let twin = "apiVersion: v1\nkind: Service\nmetadata: {name: twin}\nspec:\n  clusterIP: 10.101.204.13\n  ports:\n  - {name: grpc, port: 50051}\n";
    let configuration: RouteConfiguration = one(
        &demo().with(&objects(twin)),
        &sidecar(8),
        TypeUrl::Route,
        "50051",
    )
    .unwrap();
    let mut domains: Vec<_> = configuration
        .virtual_hosts
        .iter()
        .flat_map(|h| &h.domains)
        .collect();
    let all = domains.len();
    domains.sort_unstable();
    domains.dedup();
    assert_eq!(domains.len(), all);
}

#[test]
fn unknown_hosts_pass_through_or_are_refused_as_the_mesh_says() {
    let last = |snapshot: &Snapshot| {
        let c: RouteConfiguration = one(snapshot, &sidecar(8), TypeUrl::Route, "50051").unwrap();
        c.virtual_hosts.last().unwrap().name.clone()
    };
    assert_eq!(last(&demo()), "allow_any");
    let (strict, _) = resources::mesh_config::MeshConfig::from_yaml(
        "outboundTrafficPolicy: {mode: REGISTRY_ONLY}",
        "mesh",
    )
    .unwrap();
    assert_eq!(
        last(&demo().with(&[translate::Change::Mesh(Box::new(strict))])),
        "block_all"
    );
}
