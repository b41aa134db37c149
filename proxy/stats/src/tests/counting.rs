use std::sync::Arc;

use crate::{ClusterStat, Distribution, HttpStat, Number, Registry, ServerStat, Snapshot};

fn counter(snapshot: &Snapshot, name: &str) -> u64 {
    match snapshot.find(name).unwrap().number {
        Number::Counter(count) => count,
        ref other => panic!("{name} is {other:?}"),
    }
}

fn gauge(snapshot: &Snapshot, name: &str) -> i64 {
    match snapshot.find(name).unwrap().number {
        Number::Gauge(value) => value,
        ref other => panic!("{name} is {other:?}"),
    }
}

fn histogram(snapshot: &Snapshot, name: &str) -> Distribution {
    match &snapshot.find(name).unwrap().number {
        Number::Histogram(distribution) => **distribution,
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn many_threads_lose_nothing_while_another_reads() {
    const THREADS: usize = 8;
    const EACH: u64 = 50_000;
    let registry = Arc::new(Registry::new(THREADS, "1"));
    let metrics = registry.metrics::<HttpStat>("h");
    let workers: Vec<_> = (0..THREADS)
        .map(|thread| {
            let metrics = metrics.clone();
            std::thread::spawn(move || {
                for n in 0..EACH {
                    let share = metrics.of(thread);
                    share.counter(HttpStat::DownstreamRqTotal).increment();
                    share.gauge(HttpStat::DownstreamRqActive).add(3);
                    share.gauge(HttpStat::DownstreamRqActive).subtract(2);
                    share.histogram(HttpStat::DownstreamRqTime).record(n % 7);
                }
            })
        })
        .collect();
    let mut before = 0;
    while workers.iter().any(|worker| !worker.is_finished()) {
        let now = counter(&registry.snapshot(), "http.h.downstream_rq_total");
        assert!(now >= before, "a counter never goes back");
        before = now;
    }
    workers
        .into_iter()
        .for_each(|worker| worker.join().unwrap());
    let all = THREADS as u64 * EACH;
    let snapshot = registry.snapshot();
    assert_eq!(counter(&snapshot, "http.h.downstream_rq_total"), all);
    assert_eq!(gauge(&snapshot, "http.h.downstream_rq_active"), all as i64);
    let time = histogram(&snapshot, "http.h.downstream_rq_time");
    assert_eq!(time.count(), all);
    assert_eq!(
        time.sum,
        THREADS as u64 * (0..EACH).map(|n| n % 7).sum::<u64>()
    );
}

#[test]
fn a_gauge_may_rise_on_one_thread_and_fall_on_another() {
    let registry = Registry::new(2, "1");
    let metrics = registry.metrics::<ClusterStat>("c");
    metrics.of(0).gauge(ClusterStat::UpstreamCxActive).add(5);
    metrics
        .of(1)
        .gauge(ClusterStat::UpstreamCxActive)
        .subtract(3);
    assert_eq!(
        metrics.of(1).gauge(ClusterStat::UpstreamCxActive).value(),
        -3
    );
    assert_eq!(
        gauge(&registry.snapshot(), "cluster.c.upstream_cx_active"),
        2
    );
    metrics
        .of(registry.control())
        .gauge(ClusterStat::MembershipTotal)
        .set(7);
    metrics
        .of(registry.control())
        .gauge(ClusterStat::MembershipTotal)
        .set(6);
    assert_eq!(gauge(&registry.snapshot(), "cluster.c.membership_total"), 6);
}

#[test]
fn a_value_falls_into_the_bucket_whose_bound_it_does_not_exceed() {
    let registry = Registry::new(1, "1");
    let server = registry.metrics::<ServerStat>("");
    for value in [0, 1, 2, 5, 6, 3_600_000, 3_600_001, u64::MAX / 2] {
        server
            .of(0)
            .histogram(ServerStat::InitializationTimeMs)
            .record(value);
    }
    let distribution = histogram(&registry.snapshot(), "server.initialization_time_ms");
    let mut expected = [0; 20];
    expected[..4].copy_from_slice(&[1, 1, 2, 1]);
    expected[18] = 1;
    expected[19] = 2;
    assert_eq!(distribution.buckets, expected);
    assert_eq!(distribution.count(), 8);
}

#[test]
fn quantiles_lie_within_their_buckets() {
    let mut distribution = Distribution::default();
    assert_eq!(distribution.quantile(0.5), None);
    distribution.buckets[3] = 100; // 5 to 10
    assert_eq!(distribution.quantile(0.0), Some(5.0));
    assert_eq!(distribution.quantile(0.5), Some(7.5));
    assert_eq!(distribution.quantile(1.0), Some(10.0));
    distribution.buckets[19] = 1;
    assert_eq!(distribution.quantile(1.0), Some(3_600_000.0));
}

#[test]
fn metrics_live_as_long_as_somebody_holds_them() {
    let registry = Registry::new(1, "1");
    let first = registry.metrics::<ClusterStat>("c");
    first.of(0).counter(ClusterStat::UpstreamRqTotal).add(2);
    let second = registry.metrics::<ClusterStat>("c");
    drop(first);
    second.of(0).counter(ClusterStat::UpstreamRqTotal).add(3);
    assert_eq!(
        counter(&registry.snapshot(), "cluster.c.upstream_rq_total"),
        5
    );
    drop(second);
    assert!(
        registry
            .snapshot()
            .find("cluster.c.upstream_rq_total")
            .is_none()
    );
}

#[test]
fn ten_thousand_changes_of_clusters_leave_nothing_behind() {
    let registry = Registry::new(1, "1");
    let kept = registry.metrics::<ClusterStat>("kept");
    let of_one = registry.snapshot().samples().len();
    for n in 0..10_000 {
        let metrics = registry.metrics::<ClusterStat>(&format!("c{n}"));
        metrics
            .of(0)
            .counter(ClusterStat::UpstreamRqTotal)
            .increment();
    }
    assert_eq!(registry.snapshot().samples().len(), of_one);
    assert!(
        registry.remembered() < 64,
        "{} names are kept of clusters that are gone",
        registry.remembered()
    );
    drop(kept);
}

#[test]
fn a_thread_that_does_not_exist_counts_nowhere() {
    let registry = Registry::new(1, "1");
    let metrics = registry.metrics::<ClusterStat>("c");
    metrics
        .of(99)
        .counter(ClusterStat::UpstreamRqTotal)
        .increment();
    metrics
        .of(99)
        .histogram(ClusterStat::UpstreamRqTime)
        .record(1);
    assert_eq!(
        counter(&registry.snapshot(), "cluster.c.upstream_rq_total"),
        0
    );
    assert_eq!(
        histogram(&registry.snapshot(), "cluster.c.upstream_rq_time").count(),
        0
    );
}

#[test]
fn a_snapshot_names_only_what_is_asked_for() {
    let registry = Registry::new(1, "1");
    let metrics = registry.metrics::<ClusterStat>("c");
    metrics
        .of(0)
        .counter(ClusterStat::UpstreamRqTotal)
        .increment();
    let names = |keep: fn(&str, bool) -> bool| {
        let snapshot = registry.snapshot_of(keep);
        snapshot
            .samples()
            .iter()
            .map(|sample| sample.dotted.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(|name, used| used && name.contains("_rq_total")),
        ["cluster.c.upstream_rq_total"]
    );
    assert_eq!(
        names(|name, _| name.starts_with("istiocustom.")),
        ["istiocustom.istio_build.component.proxy.tag.1"]
    );
}
