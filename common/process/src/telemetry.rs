//! Control-plane metrics: the `metrics` facade, rendered in Prometheus text.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of `*_time` histograms, in seconds (Istio's, pilot's convergence and queue time).
const SECONDS: &[f64] = &[0.1, 0.5, 1.0, 3.0, 5.0, 10.0, 20.0, 30.0];

/// Metrics could not be set up: a recorder was installed before.
#[derive(Debug, thiserror::Error)]
#[error("metrics are set up already: {0}")]
pub struct TelemetryError(#[from] metrics_exporter_prometheus::BuildError);

/// Installs the process-wide metrics recorder and returns the handle that renders it.
///
/// # Errors
/// When a recorder is installed already.
pub fn install() -> Result<PrometheusHandle, TelemetryError> {
    // Buckets everywhere: the exporter would otherwise make summaries, which cannot be added up
    // over replicas and which Istio's dashboards do not read.
    Ok(PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_time".to_owned()), SECONDS)?
        .set_buckets(SECONDS)?
        .install_recorder()?)
}

/// A router with `/metrics` and `/stats/prometheus`, both in the Prometheus text format.
pub fn router(handle: PrometheusHandle) -> axum::Router {
    let render = move || {
        let handle = handle.clone();
        async move {
            handle.run_upkeep();
            (
                [("content-type", "text/plain; version=0.0.4; charset=utf-8")],
                handle.render(),
            )
        }
    };
    axum::Router::new()
        .route("/metrics", axum::routing::get(render.clone()))
        .route("/stats/prometheus", axum::routing::get(render))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn counters_and_histograms_come_out_as_prometheus_text_with_buckets() {
        let handle = super::install().unwrap();
        metrics::counter!("pilot_total_xds_rejects").increment(2);
        metrics::histogram!("pilot_proxy_convergence_time").record(0.2);
        let text = handle.render();
        assert!(text.contains("pilot_total_xds_rejects 2"), "{text}");
        assert!(
            text.contains("pilot_proxy_convergence_time_bucket{le=\"0.5\"} 1"),
            "{text}"
        );
    }
}
