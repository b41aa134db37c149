use crate::{ClusterStat, Form, Kind, Metrics, Query, QueryError, Registry, ServerStat};

fn registry() -> (Registry, Metrics<ClusterStat>, Metrics<ServerStat>) {
    let registry = Registry::new(1, "1.32");
    let cluster = registry.metrics::<ClusterStat>("c");
    cluster.of(0).counter(ClusterStat::UpstreamRqTotal).add(3);
    cluster
        .of(0)
        .histogram(ClusterStat::UpstreamRqTime)
        .record(7);
    let server = registry.metrics::<ServerStat>("");
    server.of(1).gauge(ServerStat::State).set(0);
    (registry, cluster, server)
}

fn shown(query: &str) -> String {
    let (registry, _cluster, _server) = registry();
    registry.snapshot().render(&Query::parse(query).unwrap())
}

#[test]
fn text_is_a_line_each_with_histograms_last() {
    assert_eq!(
        shown("filter=^cluster\\.c\\.upstream_rq_t"),
        "cluster.c.upstream_rq_timeout: 0\ncluster.c.upstream_rq_total: 3\ncluster.c.upstream_rq_tx_reset: 0\ncluster.c.upstream_rq_time: P0(nan,5) P25(nan,6.25) P50(nan,7.5) P75(nan,8.75) P90(nan,9.5) P95(nan,9.75) P99(nan,9.95) P99.5(nan,9.975) P99.9(nan,9.995) P100(nan,10)\n"
    );
    assert_eq!(
        shown("filter=connect_ms"),
        "cluster.c.upstream_cx_connect_ms: No recorded values\n"
    );
}

#[test]
fn only_what_was_written_is_shown_where_asked() {
    assert_eq!(
        shown("usedonly&filter=^cluster.c.upstream_rq_t&type=Counters"),
        "cluster.c.upstream_rq_total: 3\n"
    );
    assert_eq!(
        shown("usedonly&filter=server.state"),
        "server.state: 0\n",
        "a gauge that was set to zero was written"
    );
    assert_eq!(shown("usedonly&filter=connect_ms"), "");
}

#[test]
fn a_filter_is_percent_decoded_and_minds_case() {
    assert_eq!(
        shown("filter=upstream_rq_total%24"),
        "cluster.c.upstream_rq_total: 3\n"
    );
    assert_eq!(shown("filter=UPSTREAM_RQ_TOTAL"), "");
    assert_eq!(shown("filter=%zz"), "");
}

#[test]
fn json_names_and_values_stand_in_one_list_and_histograms_at_its_end() {
    assert_eq!(
        shown("format=json&type=Gauges&filter=server.state"),
        "{\"stats\":[{\"name\":\"server.state\",\"value\":0}]}"
    );
    assert_eq!(shown("format=json&filter=nothing"), "{\"stats\":[]}");
    let histogram = shown("format=json&filter=connect_ms");
    assert!(histogram.starts_with("{\"stats\":[{\"histograms\":{\"supported_quantiles\":[0,25,50,75,90,95,99,99.5,99.9,100],\"computed_quantiles\":[{\"name\":\"cluster.c.upstream_cx_connect_ms\",\"values\":[{\"interval\":null,\"cumulative\":null},"), "{histogram}");
    assert!(histogram.ends_with("]}]}}]}"), "{histogram}");
}

#[test]
fn histograms_are_shown_as_asked() {
    let all = shown("filter=c.upstream_rq_time$&histogram_buckets=cumulative");
    assert!(
        all.starts_with("cluster.c.upstream_rq_time: B0.5(0,0) B1(0,0) B5(0,0) B10(0,1) B25(0,1)"),
        "{all}"
    );
    let each = shown("filter=c.upstream_rq_time$&histogram_buckets=disjoint");
    assert!(each.contains(" B5(0,0) B10(0,1) B25(0,0) "), "{each}");
    let json = shown("format=json&filter=c.upstream_rq_time$&histogram_buckets=cumulative");
    assert!(json.starts_with("{\"stats\":[{\"histograms\":[{\"name\":\"cluster.c.upstream_rq_time\",\"buckets\":[{\"upper_bound\":0.5,\"interval\":0,\"cumulative\":0},"), "{json}");
    assert!(json.ends_with("}]}]}]}"), "{json}");
    let summary = shown("format=prometheus&filter=c.upstream_rq_time$&histogram_buckets=summary");
    for line in [
        "# TYPE envoy_cluster_upstream_rq_time summary",
        "envoy_cluster_upstream_rq_time{cluster_name=\"c\",quantile=\"0.5\"} 7.5",
        "envoy_cluster_upstream_rq_time_sum{cluster_name=\"c\"} 7",
        "envoy_cluster_upstream_rq_time_count{cluster_name=\"c\"} 1",
    ] {
        assert!(summary.lines().any(|l| l == line), "{line} of {summary}");
    }
}

#[test]
fn a_filter_can_be_inverted() {
    let rest = shown("filter=cluster&invert_filter&type=Gauges&usedonly");
    assert!(
        rest.contains("server.state: 0\n") && !rest.contains("cluster."),
        "{rest}"
    );
}

#[test]
fn reset_counters_begin_anew_and_gauges_stay() {
    let (registry, cluster, server) = registry();
    server.of(1).gauge(ServerStat::State).set(2);
    registry.reset_counters();
    cluster.of(0).counter(ClusterStat::UpstreamRqTotal).add(1);
    let text = registry
        .snapshot()
        .render(&Query::parse("usedonly").unwrap());
    assert!(
        text.contains("upstream_rq_total: 1\n") && text.contains("server.state: 2\n"),
        "{text}"
    );
}

#[test]
fn a_query_that_means_nothing_is_refused() {
    assert_eq!(
        Query::parse("histogram_buckets=x").unwrap_err(),
        QueryError::Buckets
    );
    assert_eq!(Query::parse("format=bogus").unwrap_err(), QueryError::Form);
    assert_eq!(Query::parse("type=bogus").unwrap_err(), QueryError::Kind);
    let error = Query::parse("filter=%5B").unwrap_err();
    assert!(error.to_string().starts_with("Invalid regex: "), "{error}");
}

#[test]
fn unknown_parameters_are_ignored_and_the_last_of_a_name_counts() {
    let query =
        Query::parse("x=1&format=json&&format=prometheus&type=All&usedonly=&filter=").unwrap();
    assert_eq!(
        (query.form, query.used_only, query.kind),
        (Form::Prometheus, true, None)
    );
    assert!(query.filter.is_none());
    assert_eq!(
        Query::parse("type=Histograms").unwrap().kind,
        Some(Kind::Histogram)
    );
    assert_eq!(Query::parse("").unwrap().form, Form::Text);
}
