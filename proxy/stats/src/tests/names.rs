use crate::{
    ClusterManagerStat, ClusterStat, Family, HttpStat, Kind, ListenerManagerStat, ListenerStat,
    Registry, ServerStat, TcpStat,
};

fn both(registry: &Registry, dotted: &str) -> String {
    let snapshot = registry.snapshot();
    let sample = snapshot.find(dotted).unwrap();
    format!("{}{{{}}}", sample.prometheus, sample.labels)
}

#[test]
fn a_metric_has_envoys_dotted_name_and_istios_labels() {
    let registry = Registry::new(1, "1");
    let _cluster = registry.metrics::<ClusterStat>("outbound|80||a.example");
    let _listener = registry.metrics::<ListenerStat>("0.0.0.0_15006");
    let _http = registry.metrics::<HttpStat>("inbound_0.0.0.0_80");
    let _server = registry.metrics::<ServerStat>("");
    assert_eq!(
        both(
            &registry,
            "cluster.outbound|80||a.example.upstream_rq_total"
        ),
        "envoy_cluster_upstream_rq_total{cluster_name=\"outbound|80||a.example\"}"
    );
    assert_eq!(
        both(&registry, "cluster.outbound|80||a.example.upstream_rq_5xx"),
        "envoy_cluster_upstream_rq{response_code_class=\"5xx\",cluster_name=\"outbound|80||a.example\"}"
    );
    assert_eq!(
        both(
            &registry,
            "cluster.outbound|80||a.example.circuit_breakers.default.cx_open"
        ),
        "envoy_cluster_circuit_breakers_default_cx_open{cluster_name=\"outbound|80||a.example\"}"
    );
    assert_eq!(
        both(&registry, "listener.0.0.0.0_15006.downstream_cx_active"),
        "envoy_listener_downstream_cx_active{listener_address=\"0.0.0.0_15006\"}"
    );
    assert_eq!(
        both(&registry, "http.inbound_0.0.0.0_80.downstream_rq_2xx"),
        "envoy_http_downstream_rq{response_code_class=\"2xx\",http_conn_manager_prefix=\"inbound_0.0.0.0_80\"}"
    );
    assert_eq!(both(&registry, "server.state"), "envoy_server_state{}");
}

#[test]
fn colons_of_names_are_underscores_in_dotted_names() {
    let registry = Registry::new(1, "1");
    let _listener = registry.metrics::<ListenerStat>("[::1]:80");
    assert_eq!(
        both(&registry, "listener.[__1]_80.downstream_cx_total"),
        "envoy_listener_downstream_cx_total{listener_address=\"[::1]:80\"}"
    );
}

#[test]
fn a_label_cannot_be_broken_out_of() {
    let registry = Registry::new(1, "1");
    let _cluster = registry.metrics::<ClusterStat>("a\"b\\c\nd");
    assert_eq!(
        both(&registry, "cluster.a\"b\\c\nd.upstream_cx_total"),
        "envoy_cluster_upstream_cx_total{cluster_name=\"a\\\"b\\\\c\\nd\"}"
    );
}

/// Both names of a family's members tell them apart, and their words do not overlap.
fn sound<F: Family>() {
    let mut dotted: Vec<_> = F::MEMBERS.iter().map(|m| m.dotted).collect();
    let mut prometheus: Vec<_> = F::MEMBERS
        .iter()
        .map(|m| (m.prometheus, m.labels))
        .collect();
    for m in F::MEMBERS {
        assert!(
            m.prometheus
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_'),
            "{}",
            m.prometheus
        );
    }
    dotted.sort_unstable();
    dotted.dedup();
    prometheus.sort_unstable();
    prometheus.dedup();
    assert_eq!(
        (dotted.len(), prometheus.len()),
        (F::MEMBERS.len(), F::MEMBERS.len())
    );
    for (n, member) in F::MEMBERS.iter().enumerate().skip(1) {
        let before = usize::from(F::PLACES[n] - F::PLACES[n - 1]);
        let words = if F::MEMBERS[n - 1].kind == Kind::Histogram {
            21
        } else {
            1
        };
        assert_eq!(before, words, "before {}", member.dotted);
    }
}

#[test]
fn members_of_a_family_are_told_apart() {
    sound::<ClusterStat>();
    sound::<ListenerStat>();
    sound::<HttpStat>();
    sound::<TcpStat>();
    sound::<ClusterManagerStat>();
    sound::<ListenerManagerStat>();
    sound::<ServerStat>();
}
