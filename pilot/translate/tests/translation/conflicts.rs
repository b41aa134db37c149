//! Objects that take away from each other what they ask for.

use translate::conflicts;

use crate::world::{demo, objects, pod};

fn routes(name: &str, namespace: &str, more: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\n\
         metadata: {{name: {name}, namespace: {namespace}}}\n\
         spec:\n  hosts: [k8s-combat-service.default.svc.cluster.local]\n  {more}\n  \
         http: [{{route: [{{destination: {{host: k8s-combat-service.default.svc.cluster.local}}}}]}}]\n---\n"
    )
}

#[test]
fn a_host_that_an_older_virtual_service_has_is_told() {
    let both = routes("a", "default", "") + &routes("b", "default", "");
    let found = conflicts(&demo().with(&objects(&both))).duplicate_domains;
    let [problem] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(problem.object.as_deref(), Some("VirtualService default/b"));
    assert_eq!(problem.field.as_deref(), Some("spec.hosts[0]"));
    assert!(problem.message.contains("default/a"), "{problem}");
}

#[test]
fn virtual_services_that_are_not_seen_together_are_no_conflict() {
    for both in [
        routes("a", "default", "exportTo: [.]") + &routes("b", "other", ""),
        routes("a", "default", "gateways: [g]") + &routes("b", "default", ""),
        routes("a", "default", ""),
    ] {
        let found = conflicts(&demo().with(&objects(&both)));
        assert_eq!(found.duplicate_domains, [], "{both}");
    }
}

fn service(name: &str, selector: &str, protocol: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
         spec: {{selector: {selector}, ports: [{{name: {protocol}-x, port: 80, targetPort: 8080}}]}}\n---\n"
    )
}

#[test]
fn two_protocols_on_one_port_of_a_pod_are_told() {
    let pod = pod("p", "172.17.0.50", r#"{"app": "x", "tier": "front"}"#);
    let count = |text: &str| {
        let found = conflicts(&demo().with(&objects(text))).inbound_listeners;
        let fields: Vec<_> = found.iter().filter_map(|p| p.object.clone()).collect();
        fields.join(" ")
    };
    let (one, other) = (
        service("one", "{app: x}", "http"),
        service("two", "{tier: front}", "tcp"),
    );
    assert_eq!(count(&format!("{one}{other}{pod}")), "Service default/two");
    assert_eq!(count(&format!("{one}{other}")), "", "no pod is in both");
    let same = service("two", "{tier: front}", "http");
    assert_eq!(count(&format!("{one}{same}{pod}")), "");
    let apart = service("two", "{app: z}", "tcp");
    assert_eq!(count(&format!("{one}{apart}{pod}")), "");
}
