//! What is translated again after a change, and what is shared.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use crate::world;

use std::sync::Arc;

use crate::world::{HOST, demo, named, objects, pod, routed, sidecar, slice, wildcard};
use resources::object::{Kind, ObjectKey};
use translate::{Change, Translator};
use xds::{Resource, TypeUrl};

const ENDPOINTS: &str = "outbound|50051||k8s-combat-service.default.svc.cluster.local";

fn same(a: &[Arc<Resource>], b: &[Arc<Resource>]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| Arc::ptr_eq(a, b))
}

#[test]
fn two_sidecars_of_one_class_get_the_same_bytes() {
    let (translator, snapshot) = (Translator::new(), demo());
    for kind in [TypeUrl::Cluster, TypeUrl::Listener] {
        let first = wildcard(&translator, &snapshot, &sidecar(8), kind);
        let count = translator.translations();
        let second = wildcard(&translator, &snapshot, &sidecar(9), kind);
        assert!(same(&first, &second));
        assert!(
            first
                .iter()
                .zip(&second)
                .all(|(a, b)| a.body.as_ptr() == b.body.as_ptr())
        );
        assert_eq!(translator.translations(), count, "the second costs nothing");
    }
}

#[test]
fn an_endpoint_change_translates_its_endpoints_alone() {
    let (translator, before) = (Translator::new(), routed());
    let all = |snapshot| {
        [
            wildcard(&translator, snapshot, &sidecar(8), TypeUrl::Cluster),
            wildcard(&translator, snapshot, &sidecar(8), TypeUrl::Listener),
            named(
                &translator,
                snapshot,
                &sidecar(8),
                TypeUrl::Route,
                &["50051", &format!("{HOST}:8081")],
            ),
        ]
    };
    let eds = |snapshot| {
        let other = format!("outbound|50051||{}", world::MESH_HOST);
        named(
            &translator,
            snapshot,
            &sidecar(8),
            TypeUrl::Endpoints,
            &[ENDPOINTS, &other],
        )
    };
    let (others, endpoints) = (all(&before), eds(&before));
    let count = translator.translations();
    let after = before.with(&objects(&slice(
        "k8s-combat-service",
        &[
            ("172.17.0.8", true),
            ("172.17.0.9", false),
            ("172.17.0.10", true),
        ],
    )));
    let (others_after, endpoints_after) = (all(&after), eds(&after));
    assert!(others.iter().zip(&others_after).all(|(a, b)| same(a, b)));
    assert_eq!(translator.translations(), count + 1);
    assert_ne!(endpoints[0].version, endpoints_after[0].version);
    assert!(Arc::ptr_eq(&endpoints[1], &endpoints_after[1]));
}

#[test]
fn an_object_that_changes_in_nothing_that_is_read_changes_nothing() {
    let (translator, before) = (Translator::new(), demo());
    named(
        &translator,
        &before,
        &sidecar(8),
        TypeUrl::Endpoints,
        &[ENDPOINTS],
    );
    wildcard(&translator, &before, &sidecar(8), TypeUrl::Cluster);
    let count = translator.translations();
    let noisy = pod("k8s-combat-service-8", "172.17.0.8", world::MESH_LABELS)
        .replace("\"phase\"", "\"message\": \"started\", \"phase\"");
    let after = before.with(&objects(&noisy));
    named(
        &translator,
        &after,
        &sidecar(8),
        TypeUrl::Endpoints,
        &[ENDPOINTS],
    );
    wildcard(&translator, &after, &sidecar(8), TypeUrl::Cluster);
    assert_eq!(translator.translations(), count);
}

#[test]
fn a_route_change_translates_routes_alone() {
    let (translator, before) = (Translator::new(), routed());
    wildcard(&translator, &before, &sidecar(8), TypeUrl::Cluster);
    wildcard(&translator, &before, &sidecar(8), TypeUrl::Listener);
    named(
        &translator,
        &before,
        &sidecar(8),
        TypeUrl::Route,
        &["50051"],
    );
    let count = translator.translations();
    let after = before.with(&objects(
        &world::MESH.replace("'100'", "'101'")[world::MESH.find("# wight rule").unwrap()..],
    ));
    wildcard(&translator, &after, &sidecar(8), TypeUrl::Cluster);
    wildcard(&translator, &after, &sidecar(8), TypeUrl::Listener);
    named(&translator, &after, &sidecar(8), TypeUrl::Route, &["50051"]);
    assert_eq!(translator.translations(), count + 1);
}

#[test]
fn what_is_removed_is_gone_and_comes_back_as_it_was() {
    let (translator, before) = (Translator::new(), demo());
    let first = wildcard(&translator, &before, &sidecar(8), TypeUrl::Cluster);
    let key = ObjectKey {
        kind: Kind::Service,
        namespace: "default".to_owned(),
        name: "k8s-combat-service".to_owned(),
    };
    let without = before.with(&[Change::Remove(key)]);
    let names: Vec<_> = wildcard(&translator, &without, &sidecar(8), TypeUrl::Cluster)
        .iter()
        .map(|r| r.name.to_string())
        .collect();
    assert_eq!(
        names,
        [
            "BlackHoleCluster",
            "PassthroughCluster",
            "InboundPassthroughCluster"
        ]
    );
    assert!(
        named(
            &translator,
            &without,
            &sidecar(8),
            TypeUrl::Route,
            &["50051"]
        )
        .is_empty()
    );
    let versions = |all: &[Arc<Resource>]| {
        all.iter()
            .map(|r| (r.name.clone(), r.version))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        versions(&wildcard(
            &translator,
            &before,
            &sidecar(8),
            TypeUrl::Cluster
        )),
        versions(&first)
    );
}

#[test]
fn equal_worlds_have_equal_versions_whoever_translates_them() {
    for kind in [TypeUrl::Cluster, TypeUrl::Listener] {
        let versions = || {
            let all = wildcard(&Translator::new(), &routed(), &sidecar(8), kind);
            all.iter().map(|r| r.version).collect::<Vec<_>>()
        };
        assert_eq!(versions(), versions());
    }
    let endpoints = || {
        named(
            &Translator::new(),
            &demo(),
            &sidecar(8),
            TypeUrl::Endpoints,
            &[ENDPOINTS],
        )[0]
        .version
    };
    let first = endpoints();
    for _ in 0..10 {
        assert_eq!(endpoints(), first);
    }
}

#[test]
fn a_pod_that_comes_after_its_endpoint_completes_it() {
    let late = pod("k8s-combat-service-11", "172.17.0.11", world::MESH_LABELS);
    let without = demo().with(&objects(&slice(
        "k8s-combat-service",
        &[("172.17.0.11", true)],
    )));
    let with = without.with(&objects(&late));
    let body = |snapshot| {
        named(
            &Translator::new(),
            snapshot,
            &sidecar(8),
            TypeUrl::Endpoints,
            &[ENDPOINTS],
        )[0]
        .body
        .clone()
    };
    let has = |snapshot| body(snapshot).windows(7).any(|w| w == b"tlsMode");
    assert!(!has(&without) && has(&with));
}

#[test]
fn results_beyond_the_bound_are_forgotten_and_made_again() {
    let (unbounded, bounded) = (Translator::new(), Translator::bounded(1));
    let snapshot = demo();
    let kinds = [TypeUrl::Cluster, TypeUrl::Listener];
    let of = |translator: &Translator| {
        kinds.map(|kind| wildcard(translator, &snapshot, &sidecar(8), kind))
    };
    let (wanted, first) = (of(&unbounded), of(&bounded));
    assert_eq!(wanted, first);
    let once = bounded.translations();
    assert_eq!(of(&bounded), wanted);
    assert!(bounded.translations() > once, "nothing was forgotten");
    let bodies = wanted.iter().flatten().map(|r| r.body.len());
    assert!(unbounded.kept_bytes() >= bodies.sum());
    assert!(bounded.kept_bytes() < unbounded.kept_bytes());
}
