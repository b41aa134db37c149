#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
use super::*;
use crate::yaml::load;

const COMBAT: &str = include_str!("../testdata/istio-mesh.yaml");

fn one(text: &str) -> Result<(Object, Vec<Problem>), Problem> {
    let loaded = load(text, "a.yaml");
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    Object::parse(&loaded.objects[0])
}

#[test]
fn the_demo_applications_mesh_objects_parse_without_a_warning() {
    let loaded = load(COMBAT, "istio-mesh.yaml");
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    let mut kinds = Vec::new();
    for raw in &loaded.objects {
        let (object, warnings) = Object::parse(raw).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        kinds.push(raw.kind.clone());
        if let Object::VirtualService(o) = object {
            assert_eq!(
                o.spec.http[0].matches[0].headers["version"]
                    .exact
                    .as_deref(),
                Some("100")
            );
            assert_eq!(o.spec.http[2].name, "default");
        }
    }
    assert_eq!(
        kinds,
        [
            "Deployment",
            "Deployment",
            "Service",
            "DestinationRule",
            "VirtualService"
        ]
    );
}

#[test]
fn an_unknown_field_is_a_warning_with_its_path_and_the_object_is_used() {
    let (object, warnings) = one("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: [b]\n  http:\n  - route:\n    - destination: {host: b, subnet: v1}\n    timeot: 5s\n").unwrap();
    assert!(matches!(object, Object::VirtualService(_)));
    let fields: Vec<_> = warnings.iter().filter_map(|w| w.field.as_deref()).collect();
    assert_eq!(
        fields,
        [
            "spec.http[0].route[0].destination.subnet",
            "spec.http[0].timeot"
        ]
    );
}

#[test]
fn an_unknown_field_of_a_kubernetes_kind_is_named_too() {
    let (_, warnings) = one("apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports:\n  - port: 80\n    targetport: 8080\n").unwrap();
    assert_eq!(
        warnings[0].field.as_deref(),
        Some("spec.ports[0].targetport")
    );
    assert_eq!(warnings[0].object.as_deref(), Some("Service default/a"));
}

#[test]
fn an_unknown_kind_is_a_warning_that_names_it() {
    let (object, warnings) =
        one("apiVersion: example.com/v1\nkind: Teapot\nmetadata: {name: a}\n").unwrap();
    assert!(matches!(object, Object::Unsupported(_)));
    assert!(warnings[0].message.contains("Teapot"), "{}", warnings[0]);
}

#[test]
fn a_value_of_the_wrong_type_is_refused_with_its_path() {
    let cases = [
        (
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: [b]\n  http:\n  - route:\n    - destination: {host: b}\n    timeout: 5 seconds\n",
            "spec.http[0].timeout",
        ),
        (
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\nspec:\n  mtls: {mode: BLAH}\n",
            "spec.mtls.mode",
        ),
        (
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\nspec:\n  portLevelMtls: {80: {mode: STRICT}}\n",
            "spec.portLevelMtls",
        ),
        (
            "apiVersion: networking.istio.io/v9\nkind: DestinationRule\nmetadata: {name: a}\nspec: {host: b}\n",
            "apiVersion",
        ),
        (
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: [b]\n  http:\n  - match:\n    - uri: {exact: /a, prefix: /b}\n    route:\n    - destination: {host: b}\n",
            "spec.http[0].match[0]",
        ),
        (
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: [b]\n  http:\n  - route:\n    - destination: {host: b}\n    - destination: {host: c}\n",
            "spec.http[0].route",
        ),
    ];
    for (text, field) in cases {
        let problem = one(text).unwrap_err();
        assert_eq!(problem.field.as_deref(), Some(field), "{problem}");
    }
}

#[test]
fn a_secret_that_does_not_fit_is_refused_without_its_values() {
    for field in [
        "data: {password: hunter22!}",
        "stringData: {password: 2222}",
        "data: hunter22",
    ] {
        let text = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: login}}\n{field}\n");
        let problem = one(&text).unwrap_err().to_string();
        assert!(problem.contains("Secret default/login"), "{problem}");
        assert!(problem.contains("ata"), "{problem}");
        assert!(!problem.contains("22"), "{problem}");
    }
}
