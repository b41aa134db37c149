//! DestinationRules: which one counts for a service, and what its policy does to a cluster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::config::cluster::v3 as envoy;
use envoy_types::pb::envoy::config::cluster::v3::{Cluster, UpstreamConnectionOptions, cluster};
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::r#type::v3::Percent;
use resources::istio::destination_rule::{
    ClientTlsSettings, ConnectionPoolSettings, ConsistentHashLb, H2UpgradePolicy, HttpSettings,
    LoadBalancerSettings, OutlierDetection, RetryBudget, SimpleLb, Subset, TrafficPolicy,
};

use crate::model::NamespacedName;
use crate::model::config::{DestinationRule, exported};
use crate::model::service::Service;
use crate::proxy::ProxyClass;
use crate::snapshot::reads::Reads;
use crate::wire::{duration, some_time, u32_value};

/// The rule for a service, of one namespace: the client's, else the service's, else the root's.
#[derive(Debug, Default)]
pub(crate) struct Rule<'a> {
    /// The object; of several the oldest.
    pub(crate) made_by: Option<&'a NamespacedName>,
    policy: Option<&'a TrafficPolicy>,
    pub(crate) subsets: Vec<&'a Subset>,
}

/// The blocks of the policy that counts in the end.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Blocks<'a> {
    pub(crate) load_balancer: Option<&'a LoadBalancerSettings>,
    pub(crate) pool: Option<&'a ConnectionPoolSettings>,
    pub(crate) outlier: Option<&'a OutlierDetection>,
    pub(crate) tls: Option<&'a ClientTlsSettings>,
    pub(crate) retry_budget: Option<&'a RetryBudget>,
}

impl<'a> Rule<'a> {
    pub(crate) fn of(service: &Service, class: &ProxyClass, reads: &mut Reads<'a>) -> Self {
        let all = reads.destination_rules(&service.host);
        if all.is_empty() {
            return Self::default();
        }
        let mesh = reads.mesh();
        let seen: Vec<_> = all
            .into_iter()
            .filter(|rule| {
                let defaults = &mesh.default_destination_rule_export_to;
                exported(
                    &rule.spec.export_to,
                    defaults,
                    &rule.key.namespace,
                    &class.namespace,
                ) && selected(rule, class)
            })
            .collect();
        let places: [&str; 3] = [
            &class.namespace,
            &service.key.namespace,
            &mesh.root_namespace,
        ];
        let Some(place) = places
            .into_iter()
            .find(|p| seen.iter().any(|rule| &*rule.key.namespace == *p))
        else {
            return Self::default();
        };
        let mut rule = Self::default();
        let mut named = BTreeMap::new();
        // Rules for chosen workloads come before those for all.
        let (chosen, common): (Vec<&Arc<DestinationRule>>, Vec<&Arc<DestinationRule>>) = seen
            .into_iter()
            .filter(|r| &*r.key.namespace == place)
            .partition(|r| r.spec.workload_selector.is_some());
        for one in if chosen.is_empty() { common } else { chosen } {
            rule.made_by = rule.made_by.or(Some(&one.key));
            rule.policy = rule.policy.or(one.spec.traffic_policy.as_ref());
            for subset in &one.spec.subsets {
                if named.insert(subset.name.as_str(), ()).is_none() {
                    rule.subsets.push(subset);
                }
            }
        }
        rule
    }

    pub(crate) fn subset(&self, name: &str) -> Option<&'a Subset> {
        self.subsets.iter().find(|s| s.name == name).copied()
    }

    /// The policy for a port of a subset (or of the whole service, for the empty name): a subset's
    /// block replaces the rule's; settings for the port replace all blocks at once.
    pub(crate) fn policy(&self, subset: &str, port: u16) -> Blocks<'a> {
        let subset = if subset.is_empty() {
            None
        } else {
            self.subset(subset).and_then(|s| s.traffic_policy.as_ref())
        };
        let mut blocks = Blocks::default();
        for policy in [self.policy, subset].into_iter().flatten() {
            blocks.overlay(policy);
            let for_port = policy
                .port_level_settings
                .iter()
                .find(|p| p.port.is_some_and(|s| s.number == port));
            if let Some(for_port) = for_port {
                blocks = Blocks::default();
                blocks.overlay(for_port);
            }
        }
        blocks
    }
}

fn selected(rule: &DestinationRule, class: &ProxyClass) -> bool {
    match &rule.spec.workload_selector {
        None => true,
        Some(selector) => {
            rule.key.namespace == class.namespace && class.is_selected(&selector.match_labels)
        }
    }
}

impl<'a> Blocks<'a> {
    fn overlay(&mut self, policy: &'a TrafficPolicy) {
        self.load_balancer = policy.load_balancer.as_ref().or(self.load_balancer);
        self.pool = policy.connection_pool.as_ref().or(self.pool);
        self.outlier = policy.outlier_detection.as_ref().or(self.outlier);
        self.tls = policy.tls.as_ref().or(self.tls);
        self.retry_budget = policy.retry_budget.as_ref().or(self.retry_budget);
    }

    pub(crate) fn consistent_hash(&self) -> Option<&'a ConsistentHashLb> {
        self.load_balancer?.consistent_hash.as_ref()
    }

    fn http(&self) -> Option<&'a HttpSettings> {
        self.pool?.http.as_ref()
    }
}

/// A change of HTTP version that a policy asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upgrade {
    Http2,
    AsDownstream,
}

pub(super) fn protocol(blocks: &Blocks<'_>) -> Option<Upgrade> {
    let http = blocks.http()?;
    if http.h2_upgrade_policy == Some(H2UpgradePolicy::Upgrade) {
        return Some(Upgrade::Http2);
    }
    (http.use_client_protocol == Some(true)).then_some(Upgrade::AsDownstream)
}

/// Limits that Envoy keeps with the HTTP protocol's options.
pub(super) fn http_options(blocks: &Blocks<'_>) -> Option<core::HttpProtocolOptions> {
    let http = blocks.http();
    let tcp = blocks.pool.and_then(|p| p.tcp.as_ref());
    let options = core::HttpProtocolOptions {
        idle_timeout: http
            .and_then(|h| h.idle_timeout)
            .and_then(|d| duration(d.0)),
        max_connection_duration: some_time(tcp.and_then(|t| t.max_connection_duration)),
        max_requests_per_connection: http
            .and_then(|h| h.max_requests_per_connection)
            .filter(|n| *n > 0)
            .and_then(u32_value),
        ..Default::default()
    };
    (options != core::HttpProtocolOptions::default()).then_some(options)
}

pub(super) fn http2_options(blocks: &Blocks<'_>) -> core::Http2ProtocolOptions {
    let http = blocks.http();
    core::Http2ProtocolOptions {
        max_concurrent_streams: http
            .and_then(|h| h.max_concurrent_streams)
            .filter(|n| *n > 0)
            .and_then(u32_value),
        connection_keepalive: http.and_then(|h| h.http2_keep_alive.as_ref()).map(|k| {
            core::KeepaliveSettings {
                interval: some_time(k.interval),
                timeout: some_time(k.timeout).or_else(|| duration(Duration::from_secs(20))),
                ..Default::default()
            }
        }),
        ..Default::default()
    }
}

/// Applies everything but TLS and the HTTP version.
pub(super) fn apply(blocks: &Blocks<'_>, service: &Service, cluster: &mut Cluster) {
    pool(blocks, cluster);
    if service.publish_not_ready {
        panic_threshold(cluster, 0.0);
    }
    if let Some(outlier) = blocks.outlier {
        cluster.outlier_detection = Some(outlier_detection(outlier));
        panic_threshold(
            cluster,
            f64::from(outlier.min_health_percent.unwrap_or(0).min(100)),
        );
    }
    if service.resolution == crate::model::service::Resolution::ClientSide {
        load_balancer(blocks.load_balancer, cluster);
    }
}

fn panic_threshold(cluster: &mut Cluster, value: f64) {
    let config = cluster.common_lb_config.get_or_insert_default();
    config.healthy_panic_threshold = Some(Percent { value });
}

fn pool(blocks: &Blocks<'_>, cluster: &mut Cluster) {
    let mut limits = super::thresholds();
    if let Some(http) = blocks.http() {
        limits.max_pending_requests = u32_value(
            http.http1_max_pending_requests
                .filter(|n| *n > 0)
                .unwrap_or(u32::MAX),
        );
        limits.max_requests = u32_value(
            http.http2_max_requests
                .filter(|n| *n > 0)
                .unwrap_or(u32::MAX),
        );
        limits.max_retries = u32_value(http.max_retries.filter(|n| *n > 0).unwrap_or(u32::MAX));
    }
    if let Some(tcp) = blocks.pool.and_then(|p| p.tcp.as_ref()) {
        limits.max_connections =
            u32_value(tcp.max_connections.filter(|n| *n > 0).unwrap_or(u32::MAX));
        if let Some(timeout) = some_time(tcp.connect_timeout) {
            cluster.connect_timeout = Some(timeout);
        }
        if let Some(keepalive) = &tcp.tcp_keepalive {
            let seconds = |d: resources::istio::duration::GoDuration| {
                u32_value(u32::try_from(d.0.as_secs()).unwrap_or(u32::MAX))
            };
            cluster.upstream_connection_options = Some(UpstreamConnectionOptions {
                tcp_keepalive: Some(core::TcpKeepalive {
                    keepalive_probes: keepalive.probes.and_then(u32_value),
                    keepalive_time: keepalive.time.and_then(seconds),
                    keepalive_interval: keepalive.interval.and_then(seconds),
                }),
                ..Default::default()
            });
        }
    }
    if let Some(budget) = blocks.retry_budget {
        limits.max_retries = None;
        limits.retry_budget = Some(envoy::circuit_breakers::thresholds::RetryBudget {
            budget_percent: Some(Percent {
                value: budget.percent.unwrap_or(20.0).clamp(0.0, 100.0),
            }),
            min_retry_concurrency: u32_value(budget.min_retry_concurrency.unwrap_or(3)),
            budget_interval: some_time(budget.budget_interval),
        });
    }
    cluster.circuit_breakers = Some(envoy::CircuitBreakers {
        thresholds: vec![limits],
        ..Default::default()
    });
}

fn outlier_detection(outlier: &OutlierDetection) -> envoy::OutlierDetection {
    let gateway = outlier
        .consecutive_gateway_errors
        .or(outlier.consecutive_errors);
    let enforced =
        |errors: Option<u32>| errors.and_then(|n| u32_value(if n > 0 { 100 } else { 0 }));
    envoy::OutlierDetection {
        consecutive_5xx: outlier.consecutive_5xx_errors.and_then(u32_value),
        enforcing_consecutive_5xx: enforced(outlier.consecutive_5xx_errors),
        consecutive_gateway_failure: gateway.and_then(u32_value),
        enforcing_consecutive_gateway_failure: enforced(gateway),
        interval: some_time(outlier.interval),
        base_ejection_time: some_time(outlier.base_ejection_time),
        max_ejection_percent: outlier
            .max_ejection_percent
            .and_then(|p| u32_value(p.min(100))),
        enforcing_success_rate: u32_value(0),
        split_external_local_origin_errors: outlier
            .split_external_local_origin_errors
            .unwrap_or_default(),
        consecutive_local_origin_failure: outlier
            .consecutive_local_origin_failures
            .and_then(u32_value),
        enforcing_consecutive_local_origin_failure: outlier
            .consecutive_local_origin_failures
            .and_then(|_| u32_value(100)),
        enforcing_local_origin_success_rate: u32_value(0),
        ..Default::default()
    }
}

fn load_balancer(settings: Option<&LoadBalancerSettings>, cluster: &mut Cluster) {
    let Some(settings) = settings else { return };
    let slow_start = slow_start(settings);
    if let Some(hash) = &settings.consistent_hash {
        if let Some(maglev) = &hash.maglev {
            cluster.lb_policy = cluster::LbPolicy::Maglev.into();
            let table_size = Some(maglev.table_size)
                .filter(|n| is_table_size(*n))
                .and_then(u64_value);
            cluster.lb_config = Some(cluster::LbConfig::MaglevLbConfig(cluster::MaglevLbConfig {
                table_size,
            }));
        } else {
            cluster.lb_policy = cluster::LbPolicy::RingHash.into();
            let asked = hash
                .ring_hash
                .map(|r| r.minimum_ring_size)
                .or(hash.minimum_ring_size);
            let size = asked.filter(|n| *n > 0).unwrap_or(1024).min(MAX_RING);
            cluster.lb_config = Some(cluster::LbConfig::RingHashLbConfig(
                cluster::RingHashLbConfig {
                    minimum_ring_size: u64_value(size),
                    ..Default::default()
                },
            ));
        }
        return;
    }
    match settings.simple {
        Some(SimpleLb::RoundRobin) => {
            cluster.lb_policy = cluster::LbPolicy::RoundRobin.into();
            cluster.lb_config = slow_start.map(|s| {
                cluster::LbConfig::RoundRobinLbConfig(cluster::RoundRobinLbConfig {
                    slow_start_config: Some(s),
                })
            });
        }
        Some(SimpleLb::Random) => cluster.lb_policy = cluster::LbPolicy::Random.into(),
        Some(SimpleLb::Passthrough) => {
            cluster.lb_policy = cluster::LbPolicy::ClusterProvided.into();
            cluster.cluster_discovery_type = Some(cluster::ClusterDiscoveryType::Type(
                cluster::DiscoveryType::OriginalDst.into(),
            ));
            cluster.eds_cluster_config = None;
            cluster.common_lb_config = None;
        }
        Some(SimpleLb::LeastConn | SimpleLb::LeastRequest | SimpleLb::Unspecified) | None => {
            cluster.lb_config = slow_start.map(|s| {
                cluster::LbConfig::LeastRequestLbConfig(cluster::LeastRequestLbConfig {
                    slow_start_config: Some(s),
                    ..Default::default()
                })
            });
        }
    }
}

/// The largest ring that Envoy takes.
const MAX_RING: u64 = 8 * 1024 * 1024;

/// Whether Envoy takes a Maglev table's size: a prime of 5,000,011 at most.
pub(crate) fn is_table_size(size: u64) -> bool {
    let divides = |n: u64| size.is_multiple_of(n);
    (2..=5_000_011).contains(&size) && !(2..).take_while(|n| n * n <= size).any(divides)
}

fn u64_value(value: u64) -> Option<envoy_types::pb::google::protobuf::UInt64Value> {
    Some(envoy_types::pb::google::protobuf::UInt64Value { value })
}

fn slow_start(settings: &LoadBalancerSettings) -> Option<cluster::SlowStartConfig> {
    let warmup = settings.warmup.as_ref();
    let window = warmup
        .and_then(|w| w.duration)
        .or(settings.warmup_duration_secs)
        .filter(|d| d.0.as_millis() > 0)?;
    let number = |value: f64, key: &str| core::RuntimeDouble {
        default_value: value,
        runtime_key: key.to_owned(),
    };
    Some(cluster::SlowStartConfig {
        slow_start_window: some_time(Some(window)),
        aggression: Some(number(
            warmup
                .and_then(|w| w.aggression)
                .filter(|a| *a > 0.0)
                .unwrap_or(1.0),
            "slow_start.aggression",
        )),
        min_weight_percent: Some(Percent {
            value: warmup
                .and_then(|w| w.minimum_percent)
                .unwrap_or(10.0)
                .clamp(0.0, 100.0),
        }),
    })
}
