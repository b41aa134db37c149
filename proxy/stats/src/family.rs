//! Families of metrics: what is counted of each cluster, listener, ..., with both of its names.

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Grows and shrinks.
    Gauge,
    /// Values in buckets.
    Histogram,
}

/// A metric of a family.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// After the prefix in `/stats`: `upstream_rq_5xx`.
    pub dotted: &'static str,
    /// For Prometheus, without the family's `envoy_..._`: `upstream_rq`.
    pub prometheus: &'static str,
    /// Labels of its own: `response_code_class="5xx"`.
    pub labels: &'static str,
    /// What it is.
    pub kind: Kind,
}

/// A fixed list of metrics that exists once for each cluster, listener, ... . Implemented by the enums of this crate.
pub trait Family: Copy + 'static {
    /// What the dotted name starts with: `cluster`.
    const DOTTED: &'static str;
    /// What the name for Prometheus starts with: `envoy_cluster_`.
    const PROMETHEUS: &'static str;
    /// The label that names the cluster, listener, ...; empty where there is but one.
    const LABEL: &'static str;
    /// Its metrics, in the order of the enum.
    const MEMBERS: &'static [Member];
    /// Where each metric's words begin.
    const PLACES: &'static [u16];

    /// The metric's place in `MEMBERS`.
    fn index(self) -> usize;
}

/// Where each member's words begin, and after them how many words there are.
pub(crate) const fn places<const N: usize>(members: &[Member; N]) -> [u16; N] {
    let mut places = [0; N];
    let mut at = 0_u16;
    let mut index = 0;
    while index < N {
        #[allow(clippy::indexing_slicing)] // of constants, when the program is compiled
        {
            places[index] = at;
            at += match members[index].kind {
                Kind::Counter | Kind::Gauge => 1,
                Kind::Histogram => crate::metric::HISTOGRAM_WORDS as u16,
            };
        }
        index += 1;
    }
    places
}

macro_rules! family {
    (
        $(#[$doc:meta])* $family:ident, $dotted:literal, $prometheus:literal, $label:literal;
        $($variant:ident $kind:ident $name:literal $(as $other:literal [$labels:literal])?;)+
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $family {
            $(#[doc = concat!("`", $name, "`")] $variant,)+
        }

        impl $family {
            const ARRAY: [Member; [$($name),+].len()] = [$(Member {
                dotted: $name,
                prometheus: family!(@name $name $(as $other)?),
                labels: concat!("" $(, $labels)?),
                kind: Kind::$kind,
            }),+];
        }

        impl Family for $family {
            const DOTTED: &'static str = $dotted;
            const PROMETHEUS: &'static str = $prometheus;
            const LABEL: &'static str = $label;
            const MEMBERS: &'static [Member] = &Self::ARRAY;
            const PLACES: &'static [u16] = &places(&Self::ARRAY);

            #[inline]
            fn index(self) -> usize {
                self as usize
            }
        }
    };
    (@name $name:literal) => { $name };
    (@name $name:literal as $other:literal) => { $other };
}

family! {
    /// What is counted of a cluster: `cluster.<name>.…`.
    ClusterStat, "cluster", "envoy_cluster_", "cluster_name";
    UpstreamCxTotal Counter "upstream_cx_total";
    UpstreamCxHttp1Total Counter "upstream_cx_http1_total";
    UpstreamCxHttp2Total Counter "upstream_cx_http2_total";
    UpstreamCxActive Gauge "upstream_cx_active";
    UpstreamCxConnectFail Counter "upstream_cx_connect_fail";
    UpstreamCxConnectTimeout Counter "upstream_cx_connect_timeout";
    UpstreamCxIdleTimeout Counter "upstream_cx_idle_timeout";
    UpstreamCxMaxRequests Counter "upstream_cx_max_requests";
    UpstreamCxMaxDurationReached Counter "upstream_cx_max_duration_reached";
    UpstreamCxOverflow Counter "upstream_cx_overflow";
    UpstreamCxNoneHealthy Counter "upstream_cx_none_healthy";
    UpstreamCxProtocolError Counter "upstream_cx_protocol_error";
    UpstreamCxDestroy Counter "upstream_cx_destroy";
    UpstreamCxDestroyLocal Counter "upstream_cx_destroy_local";
    UpstreamCxDestroyRemote Counter "upstream_cx_destroy_remote";
    UpstreamCxDestroyWithActiveRq Counter "upstream_cx_destroy_with_active_rq";
    UpstreamCxCloseNotify Counter "upstream_cx_close_notify";
    UpstreamCxRxBytesTotal Counter "upstream_cx_rx_bytes_total";
    UpstreamCxTxBytesTotal Counter "upstream_cx_tx_bytes_total";
    UpstreamRqTotal Counter "upstream_rq_total";
    UpstreamRqActive Gauge "upstream_rq_active";
    UpstreamRqPendingTotal Counter "upstream_rq_pending_total";
    UpstreamRqPendingActive Gauge "upstream_rq_pending_active";
    UpstreamRqPendingOverflow Counter "upstream_rq_pending_overflow";
    UpstreamRqPendingFailureEject Counter "upstream_rq_pending_failure_eject";
    UpstreamRqCancelled Counter "upstream_rq_cancelled";
    UpstreamRqTimeout Counter "upstream_rq_timeout";
    UpstreamRqPerTryTimeout Counter "upstream_rq_per_try_timeout";
    UpstreamRqMaxDurationReached Counter "upstream_rq_max_duration_reached";
    UpstreamRqRxReset Counter "upstream_rq_rx_reset";
    UpstreamRqTxReset Counter "upstream_rq_tx_reset";
    UpstreamRqRetry Counter "upstream_rq_retry";
    UpstreamRqRetrySuccess Counter "upstream_rq_retry_success";
    UpstreamRqRetryOverflow Counter "upstream_rq_retry_overflow";
    UpstreamRqRetryLimitExceeded Counter "upstream_rq_retry_limit_exceeded";
    UpstreamRqCompleted Counter "upstream_rq_completed";
    UpstreamRq1xx Counter "upstream_rq_1xx" as "upstream_rq" ["response_code_class=\"1xx\""];
    UpstreamRq2xx Counter "upstream_rq_2xx" as "upstream_rq" ["response_code_class=\"2xx\""];
    UpstreamRq3xx Counter "upstream_rq_3xx" as "upstream_rq" ["response_code_class=\"3xx\""];
    UpstreamRq4xx Counter "upstream_rq_4xx" as "upstream_rq" ["response_code_class=\"4xx\""];
    UpstreamRq5xx Counter "upstream_rq_5xx" as "upstream_rq" ["response_code_class=\"5xx\""];
    UpstreamCxConnectMs Histogram "upstream_cx_connect_ms";
    UpstreamCxLengthMs Histogram "upstream_cx_length_ms";
    UpstreamRqTime Histogram "upstream_rq_time";
    MembershipTotal Gauge "membership_total";
    MembershipHealthy Gauge "membership_healthy";
    MembershipDegraded Gauge "membership_degraded";
    MembershipExcluded Gauge "membership_excluded";
    MembershipChange Counter "membership_change";
    LbHealthyPanic Counter "lb_healthy_panic";
    UpdateSuccess Counter "update_success";
    OutlierEjectionsActive Gauge "outlier_detection.ejections_active" as "outlier_detection_ejections_active" [""];
    OutlierEjectionsEnforcedTotal Counter "outlier_detection.ejections_enforced_total" as "outlier_detection_ejections_enforced_total" [""];
    OutlierEjectionsOverflow Counter "outlier_detection.ejections_overflow" as "outlier_detection_ejections_overflow" [""];
    OutlierEjectionsConsecutive5xx Counter "outlier_detection.ejections_consecutive_5xx" as "outlier_detection_ejections_consecutive_5xx" [""];
    CircuitBreakerCxOpen Gauge "circuit_breakers.default.cx_open" as "circuit_breakers_default_cx_open" [""];
    CircuitBreakerRqOpen Gauge "circuit_breakers.default.rq_open" as "circuit_breakers_default_rq_open" [""];
    CircuitBreakerRqPendingOpen Gauge "circuit_breakers.default.rq_pending_open" as "circuit_breakers_default_rq_pending_open" [""];
    CircuitBreakerRqRetryOpen Gauge "circuit_breakers.default.rq_retry_open" as "circuit_breakers_default_rq_retry_open" [""];
    SslHandshake Counter "ssl.handshake" as "ssl_handshake" [""];
    SslSessionReused Counter "ssl.session_reused" as "ssl_session_reused" [""];
    SslConnectionError Counter "ssl.connection_error" as "ssl_connection_error" [""];
    SslFailVerifyError Counter "ssl.fail_verify_error" as "ssl_fail_verify_error" [""];
    SslFailVerifySan Counter "ssl.fail_verify_san" as "ssl_fail_verify_san" [""];
}

family! {
    /// What is counted of a listener: `listener.<address>.…`.
    ListenerStat, "listener", "envoy_listener_", "listener_address";
    DownstreamCxTotal Counter "downstream_cx_total";
    DownstreamCxActive Gauge "downstream_cx_active";
    DownstreamCxDestroy Counter "downstream_cx_destroy";
    DownstreamCxOverflow Counter "downstream_cx_overflow";
    DownstreamCxOverloadReject Counter "downstream_cx_overload_reject";
    DownstreamCxTransportSocketConnectTimeout Counter "downstream_cx_transport_socket_connect_timeout";
    DownstreamPreCxActive Gauge "downstream_pre_cx_active";
    DownstreamPreCxTimeout Counter "downstream_pre_cx_timeout";
    NoFilterChainMatch Counter "no_filter_chain_match";
    DownstreamCxLengthMs Histogram "downstream_cx_length_ms";
    SslHandshake Counter "ssl.handshake" as "ssl_handshake" [""];
    SslSessionReused Counter "ssl.session_reused" as "ssl_session_reused" [""];
    SslConnectionError Counter "ssl.connection_error" as "ssl_connection_error" [""];
    SslNoCertificate Counter "ssl.no_certificate" as "ssl_no_certificate" [""];
    SslFailVerifyError Counter "ssl.fail_verify_error" as "ssl_fail_verify_error" [""];
    SslFailVerifySan Counter "ssl.fail_verify_san" as "ssl_fail_verify_san" [""];
}

family! {
    /// What is counted of a connection manager: `http.<stat prefix>.…`.
    HttpStat, "http", "envoy_http_", "http_conn_manager_prefix";
    DownstreamCxTotal Counter "downstream_cx_total";
    DownstreamCxActive Gauge "downstream_cx_active";
    DownstreamCxHttp1Total Counter "downstream_cx_http1_total";
    DownstreamCxHttp1Active Gauge "downstream_cx_http1_active";
    DownstreamCxHttp2Total Counter "downstream_cx_http2_total";
    DownstreamCxHttp2Active Gauge "downstream_cx_http2_active";
    DownstreamCxSslTotal Counter "downstream_cx_ssl_total";
    DownstreamCxSslActive Gauge "downstream_cx_ssl_active";
    DownstreamCxUpgradesTotal Counter "downstream_cx_upgrades_total";
    DownstreamCxUpgradesActive Gauge "downstream_cx_upgrades_active";
    DownstreamCxDestroy Counter "downstream_cx_destroy";
    DownstreamCxDestroyLocal Counter "downstream_cx_destroy_local";
    DownstreamCxDestroyRemote Counter "downstream_cx_destroy_remote";
    DownstreamCxDestroyLocalActiveRq Counter "downstream_cx_destroy_local_active_rq";
    DownstreamCxDestroyRemoteActiveRq Counter "downstream_cx_destroy_remote_active_rq";
    DownstreamCxProtocolError Counter "downstream_cx_protocol_error";
    DownstreamCxDrainClose Counter "downstream_cx_drain_close";
    DownstreamCxIdleTimeout Counter "downstream_cx_idle_timeout";
    DownstreamCxMaxDurationReached Counter "downstream_cx_max_duration_reached";
    DownstreamCxRxBytesTotal Counter "downstream_cx_rx_bytes_total";
    DownstreamCxTxBytesTotal Counter "downstream_cx_tx_bytes_total";
    DownstreamRqTotal Counter "downstream_rq_total";
    DownstreamRqHttp1Total Counter "downstream_rq_http1_total";
    DownstreamRqHttp2Total Counter "downstream_rq_http2_total";
    DownstreamRqActive Gauge "downstream_rq_active";
    DownstreamRqRxReset Counter "downstream_rq_rx_reset";
    DownstreamRqTxReset Counter "downstream_rq_tx_reset";
    DownstreamRqTimeout Counter "downstream_rq_timeout";
    DownstreamRqIdleTimeout Counter "downstream_rq_idle_timeout";
    DownstreamRqHeaderTimeout Counter "downstream_rq_header_timeout";
    DownstreamRqMaxDurationReached Counter "downstream_rq_max_duration_reached";
    DownstreamRqTooLarge Counter "downstream_rq_too_large";
    DownstreamRqTooManyPrematureResets Counter "downstream_rq_too_many_premature_resets";
    DownstreamRqNonRelativePath Counter "downstream_rq_non_relative_path";
    DownstreamRqFailedPathNormalization Counter "downstream_rq_failed_path_normalization";
    DownstreamRqWsOnNonWsRoute Counter "downstream_rq_ws_on_non_ws_route";
    DownstreamRqResponseBeforeRqComplete Counter "downstream_rq_response_before_rq_complete";
    DownstreamRqCompleted Counter "downstream_rq_completed";
    DownstreamRq1xx Counter "downstream_rq_1xx" as "downstream_rq" ["response_code_class=\"1xx\""];
    DownstreamRq2xx Counter "downstream_rq_2xx" as "downstream_rq" ["response_code_class=\"2xx\""];
    DownstreamRq3xx Counter "downstream_rq_3xx" as "downstream_rq" ["response_code_class=\"3xx\""];
    DownstreamRq4xx Counter "downstream_rq_4xx" as "downstream_rq" ["response_code_class=\"4xx\""];
    DownstreamRq5xx Counter "downstream_rq_5xx" as "downstream_rq" ["response_code_class=\"5xx\""];
    NoRoute Counter "no_route";
    NoCluster Counter "no_cluster";
    RqDirectResponse Counter "rq_direct_response";
    RqRedirect Counter "rq_redirect";
    RqTotal Counter "rq_total";
    RqResetAfterDownstreamResponseStarted Counter "rq_reset_after_downstream_response_started";
    RsTooLarge Counter "rs_too_large";
    RbacAllowed Counter "rbac.allowed" as "rbac_allowed" [""];
    RbacDenied Counter "rbac.denied" as "rbac_denied" [""];
    RbacShadowAllowed Counter "rbac.shadow_allowed" as "rbac_shadow_allowed" [""];
    RbacShadowDenied Counter "rbac.shadow_denied" as "rbac_shadow_denied" [""];
    DownstreamRqTime Histogram "downstream_rq_time";
    DownstreamCxLengthMs Histogram "downstream_cx_length_ms";
}

family! {
    /// What is counted of a TCP proxy: `tcp.<stat prefix>.…`.
    TcpStat, "tcp", "envoy_tcp_", "tcp_prefix";
    DownstreamCxTotal Counter "downstream_cx_total";
    DownstreamCxNoRoute Counter "downstream_cx_no_route";
    DownstreamCxRxBytesTotal Counter "downstream_cx_rx_bytes_total";
    DownstreamCxTxBytesTotal Counter "downstream_cx_tx_bytes_total";
    IdleTimeout Counter "idle_timeout";
    MaxDownstreamConnectionDuration Counter "max_downstream_connection_duration";
    RbacAllowed Counter "rbac.allowed" as "rbac_allowed" [""];
    RbacDenied Counter "rbac.denied" as "rbac_denied" [""];
}

family! {
    /// What is counted of all clusters: `cluster_manager.…`.
    ClusterManagerStat, "cluster_manager", "envoy_cluster_manager_", "";
    ActiveClusters Gauge "active_clusters";
    WarmingClusters Gauge "warming_clusters";
    ClusterAdded Counter "cluster_added";
    ClusterModified Counter "cluster_modified";
    ClusterRemoved Counter "cluster_removed";
    ClusterUpdated Counter "cluster_updated";
    CdsUpdateAttempt Counter "cds.update_attempt" as "cds_update_attempt" [""];
    CdsUpdateSuccess Counter "cds.update_success" as "cds_update_success" [""];
    CdsUpdateRejected Counter "cds.update_rejected" as "cds_update_rejected" [""];
}

family! {
    /// What is counted of all listeners: `listener_manager.…`.
    ListenerManagerStat, "listener_manager", "envoy_listener_manager_", "";
    ListenerAdded Counter "listener_added";
    ListenerModified Counter "listener_modified";
    ListenerRemoved Counter "listener_removed";
    ListenerCreateSuccess Counter "listener_create_success";
    ListenerCreateFailure Counter "listener_create_failure";
    TotalListenersActive Gauge "total_listeners_active";
    TotalListenersWarming Gauge "total_listeners_warming";
    TotalListenersDraining Gauge "total_listeners_draining";
    WorkersStarted Gauge "workers_started";
    LdsUpdateAttempt Counter "lds.update_attempt" as "lds_update_attempt" [""];
    LdsUpdateSuccess Counter "lds.update_success" as "lds_update_success" [""];
    LdsUpdateRejected Counter "lds.update_rejected" as "lds_update_rejected" [""];
}

family! {
    /// What is known of the process: `server.…`. `State` is 0 live, 1 draining, 2 before, 3 during initialization.
    ServerStat, "server", "envoy_server_", "";
    State Gauge "state";
    Live Gauge "live";
    Uptime Gauge "uptime";
    Concurrency Gauge "concurrency";
    MemoryAllocated Gauge "memory_allocated";
    MemoryPhysicalSize Gauge "memory_physical_size";
    TotalConnections Gauge "total_connections";
    DaysUntilFirstCertExpiring Gauge "days_until_first_cert_expiring";
    ConfigurationNotes Gauge "configuration_notes";
    InitializationTimeMs Histogram "initialization_time_ms";
}
