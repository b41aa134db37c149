//! What Prometheus reads, read by a small parser of its own.

use std::collections::{BTreeMap, HashSet};

use crate::istio::{Dimensions, Outcome, Protocol, Reporter, Request, Security, Workload};
use crate::{ClusterStat, HttpStat, Query, Registry};

type Labels = Vec<(String, String)>;

/// Samples by name and labels, in order; the type of each name.
#[derive(Default)]
pub(super) struct Read {
    pub(super) samples: Vec<(String, Labels, f64)>,
    pub(super) types: BTreeMap<String, String>,
}

/// Reads the text format 0.0.4 and holds it to its rules: one TYPE line for each name, before its samples, and the
/// samples of a name together; no sample twice.
pub(super) fn read(text: &str) -> Read {
    let mut read = Read::default();
    let mut family = String::new();
    let mut seen = HashSet::new();
    assert!(text.is_empty() || text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(
                read.types.insert(name.into(), kind.into()).is_none(),
                "{name} has two TYPE lines"
            );
            family = name.to_owned();
            continue;
        }
        let (name, rest) = line.split_once('{').unwrap();
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end));
        let is_of = if read.types[&family] == "histogram" {
            base == Some(&family)
        } else {
            name == family
        };
        assert!(is_of, "{name} stands under {family}");
        let mut labels = Vec::new();
        let mut chars = rest.chars().peekable();
        while chars.peek() != Some(&'}') {
            let key: String = chars.by_ref().take_while(|c| *c != '=').collect();
            assert_eq!(chars.next(), Some('"'));
            let mut value = String::new();
            loop {
                match chars.next().unwrap() {
                    '"' => break,
                    '\\' => value.push(match chars.next().unwrap() {
                        'n' => '\n',
                        c => c,
                    }),
                    c => value.push(c),
                }
            }
            labels.push((key, value));
            if chars.peek() == Some(&',') {
                chars.next();
            }
        }
        let value: String = chars.skip(1).collect();
        assert!(
            seen.insert((name.to_owned(), labels.clone())),
            "twice: {line}"
        );
        read.samples
            .push((name.to_owned(), labels, value.trim().parse().unwrap()));
    }
    read
}

fn busy() -> String {
    let registry = Registry::new(2, "1.32.0");
    let clusters: Vec<_> = ["a\"\\\n", "b", "c"]
        .map(|name| registry.metrics::<ClusterStat>(name))
        .into();
    let http = registry.metrics::<HttpStat>("h");
    for (n, cluster) in clusters.iter().enumerate() {
        for thread in 0..2 {
            cluster
                .of(thread)
                .counter(ClusterStat::UpstreamRqTotal)
                .add(n as u64 + 1);
            cluster
                .of(thread)
                .histogram(ClusterStat::UpstreamRqTime)
                .record(30);
            cluster
                .of(thread)
                .histogram(ClusterStat::UpstreamRqTime)
                .record(7_000_000);
        }
    }
    http.of(0).counter(HttpStat::DownstreamRq5xx).increment();
    let dimensions = Dimensions {
        reporter: Reporter::Source,
        source: Workload::default(),
        destination: Workload::default().as_peer(),
        destination_service: "".into(),
        destination_service_name: "".into(),
        destination_service_namespace: "".into(),
        protocol: Protocol::Http,
        security: Security::Unknown,
    };
    let request = |response_code| Request {
        outcome: Outcome {
            response_code,
            ..Outcome::default()
        },
        duration_ms: 1,
        request_bytes: 2,
        response_bytes: 3,
    };
    for code in [200, 404, 503] {
        registry
            .istio()
            .intern(&dimensions)
            .request(0, &request(code));
    }
    registry
        .snapshot()
        .render(&Query::parse("format=prometheus").unwrap())
}

#[test]
fn prometheus_reads_back_what_was_counted() {
    let read = read(&busy());
    let value = |name: &str, labels: &[(&str, &str)]| {
        let labels: Vec<_> = labels
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        read.samples
            .iter()
            .find(|(n, l, _)| n == name && *l == labels)
            .unwrap()
            .2
    };
    assert_eq!(
        value(
            "envoy_cluster_upstream_rq_total",
            &[("cluster_name", "a\"\\\n")]
        ),
        2.0
    );
    assert_eq!(
        value("envoy_cluster_upstream_rq_total", &[("cluster_name", "c")]),
        6.0
    );
    assert_eq!(
        value(
            "envoy_cluster_upstream_rq_time_bucket",
            &[("cluster_name", "b"), ("le", "25")]
        ),
        0.0
    );
    assert_eq!(
        value(
            "envoy_cluster_upstream_rq_time_bucket",
            &[("cluster_name", "b"), ("le", "50")]
        ),
        2.0
    );
    assert_eq!(
        value(
            "envoy_cluster_upstream_rq_time_bucket",
            &[("cluster_name", "b"), ("le", "3600000")]
        ),
        2.0
    );
    assert_eq!(
        value(
            "envoy_cluster_upstream_rq_time_bucket",
            &[("cluster_name", "b"), ("le", "+Inf")]
        ),
        4.0
    );
    assert_eq!(
        value(
            "envoy_cluster_upstream_rq_time_count",
            &[("cluster_name", "b")]
        ),
        4.0
    );
    assert_eq!(
        value(
            "envoy_cluster_upstream_rq_time_sum",
            &[("cluster_name", "b")]
        ),
        14_000_060.0
    );
    assert_eq!(
        value(
            "envoy_http_downstream_rq",
            &[
                ("response_code_class", "5xx"),
                ("http_conn_manager_prefix", "h")
            ]
        ),
        1.0
    );
    assert_eq!(
        value("istio_build", &[("component", "proxy"), ("tag", "1.32.0")]),
        1.0
    );
    assert_eq!(read.types["istio_build"], "gauge");
    assert_eq!(read.types["envoy_cluster_upstream_rq_time"], "histogram");
    assert_eq!(read.types["istio_requests_total"], "counter");
}

#[test]
fn the_bounds_of_buckets_are_envoys() {
    let read = read(&busy());
    let bounds: Vec<_> = read
        .samples
        .iter()
        .filter(|(name, labels, _)| {
            name == "envoy_cluster_upstream_rq_time_bucket" && labels[0].1 == "b"
        })
        .map(|(_, labels, _)| labels[1].1.as_str())
        .collect();
    let envoys = "0.5 1 5 10 25 50 100 250 500 1000 2500 5000 10000 30000 60000 300000 600000 1800000 3600000 +Inf";
    assert_eq!(bounds.join(" "), envoys);
}
