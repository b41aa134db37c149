//! Envoy's bootstrap: the static part of its configuration, through which it finds everything else.

use std::net::IpAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::node::Node;
use crate::proxy_config::ProxyConfig;

/// The ports of one pod. Tests choose free ones; in a pod they are Istio's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// Envoy's admin interface, on loopback (15000).
    pub admin: u16,
    /// The agent: readiness, merged metrics, probes (15020).
    pub status: u16,
    /// Envoy's listener for the kubelet's readiness probe (15021).
    pub readiness: u16,
    /// Envoy's listener for its own metrics (15090).
    pub prometheus: u16,
}

/// What a bootstrap is made of.
#[derive(Debug)]
pub struct Bootstrap<'a> {
    /// Who the proxy is.
    pub node: &'a Node,
    /// The merged proxy configuration.
    pub config: &'a ProxyConfig,
    /// The ports of the pod.
    pub ports: Ports,
    /// Where the readiness and metrics listeners are bound: every address of the pod's IP family.
    pub listen: IpAddr,
    /// The Unix socket that serves the workload's secrets.
    pub sds_socket: &'a Path,
    /// The Unix socket that relays the configuration stream.
    pub xds_socket: &'a Path,
    /// A file for outlier ejection events, if wanted.
    pub outlier_log: Option<&'a Path>,
}

impl Bootstrap<'_> {
    /// The bootstrap as the JSON form of `envoy.config.bootstrap.v3.Bootstrap`.
    pub fn to_json(&self) -> Value {
        let mut bootstrap = json!({
            "node": self.node.to_json(),
            "layered_runtime": {"layers": [
                {"name": "global config", "static_layer": self.runtime()},
                // Lets `pilot-agent request POST runtime_modify?...` work on a live proxy.
                {"name": "admin", "admin_layer": {}},
            ]},
            // Envoy wants a limit to be set; the pod's resources are the real one.
            "overload_manager": {"resource_monitors": [{
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                    "max_active_downstream_connections": "2147483647",
                },
            }]},
            "stats_config": self.stats(),
            "stats_flush_interval": "5s",
            "admin": {
                "access_log": [{
                    "name": "envoy.access_loggers.file",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                        "path": "/dev/null",
                    },
                }],
                "profile_path": "/var/lib/istio/data/envoy.prof",
                "address": tcp("127.0.0.1", self.ports.admin),
            },
            "dynamic_resources": {
                "lds_config": through_ads(),
                "cds_config": through_ads(),
                "ads_config": {
                    "api_type": "DELTA_GRPC",
                    "transport_api_version": "V3",
                    "set_node_on_first_message_only": true,
                    "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}],
                },
            },
            "static_resources": {
                "clusters": [
                    loopback_cluster("prometheus_stats", self.ports.admin),
                    loopback_cluster("agent", self.ports.status),
                    socket_cluster("sds-grpc", self.sds_socket),
                    socket_cluster("xds-grpc", self.xds_socket),
                ],
                "listeners": [
                    self.forwarding_listener(self.ports.prometheus, "/stats/prometheus", "prometheus_stats"),
                    self.forwarding_listener(self.ports.readiness, "/healthz/ready", "agent"),
                ],
            },
        });
        if let (Some(path), Some(fields)) = (self.outlier_log, bootstrap.as_object_mut()) {
            fields.insert(
                "cluster_manager".to_owned(),
                json!({"outlier_detection": {"event_log_path": path}}),
            );
        }
        bootstrap
    }

    fn runtime(&self) -> Value {
        let mut runtime = json!({
            // Istio's routes may carry large regular expressions.
            "re2.max_program_size.error_level": "32768",
        });
        if let Some(fields) = runtime.as_object_mut() {
            for (key, value) in &self.config.runtime_values {
                fields.insert(key.clone(), json!(value));
            }
        }
        runtime
    }

    /// Which stats exist: those that readiness and Istio's dashboards read, and the chosen ones.
    fn stats(&self) -> Value {
        let chosen = &self.config.proxy_stats_matcher;
        let mut patterns: Vec<Value> = Vec::new();
        for prefix in [
            "cluster_manager",
            "listener_manager",
            "server",
            "cluster.xds-grpc",
            "wasm",
        ]
        .into_iter()
        .chain(chosen.inclusion_prefixes.iter().map(String::as_str))
        {
            patterns.push(json!({"prefix": prefix}));
        }
        for suffix in [
            "rbac.allowed",
            "rbac.denied",
            "shadow_allowed",
            "shadow_denied",
            "downstream_cx_active",
        ]
        .into_iter()
        .chain(chosen.inclusion_suffixes.iter().map(String::as_str))
        {
            patterns.push(json!({"suffix": suffix}));
        }
        for regex in [r"vhost\..*\.route\..*"]
            .into_iter()
            .chain(chosen.inclusion_regexps.iter().map(String::as_str))
        {
            patterns.push(json!({"safe_regex": {"regex": regex}}));
        }
        json!({
            "stats_matcher": {"inclusion_list": {"patterns": patterns}},
            // Cluster names hold dots; the pilot ends their stat names with a semicolon, so that
            // the name can be told from the stat.
            "stats_tags": [{"tag_name": "cluster_name", "regex": r"^cluster\.((.+?);\.)"}],
        })
    }

    /// A listener that forwards one path to a static cluster and answers 404 to the rest.
    fn forwarding_listener(&self, port: u16, path: &str, cluster: &str) -> Value {
        json!({
            "name": format!("static-{port}"),
            "address": tcp(&self.listen.to_string(), port),
            "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    "codec_type": "AUTO",
                    "stat_prefix": cluster,
                    "route_config": {"virtual_hosts": [{
                        "name": "backend",
                        "domains": ["*"],
                        "routes": [{"match": {"path": path}, "route": {"cluster": cluster}}],
                    }]},
                    "http_filters": [{
                        "name": "envoy.filters.http.router",
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                        },
                    }],
                },
            }]}],
        })
    }
}

fn through_ads() -> Value {
    // No limit on the first fetch: without configuration there is nothing better to do than wait.
    json!({"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"})
}

fn tcp(address: &str, port: u16) -> Value {
    json!({"socket_address": {"protocol": "TCP", "address": address, "port_value": port}})
}

fn assignment(cluster: &str, address: Value) -> Value {
    json!({
        "cluster_name": cluster,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
    })
}

fn loopback_cluster(name: &str, port: u16) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "0.250s",
        "lb_policy": "ROUND_ROBIN",
        "load_assignment": assignment(name, tcp("127.0.0.1", port)),
    })
}

fn socket_cluster(name: &str, socket: &Path) -> Value {
    // One stream per secret and subscription meets on one connection: no circuit breaker may cut
    // configuration off.
    let unlimited = |priority: &str| {
        json!({
            "priority": priority,
            "max_connections": 100_000,
            "max_pending_requests": 100_000,
            "max_requests": 100_000,
        })
    };
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "ROUND_ROBIN",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            },
        },
        "circuit_breakers": {"thresholds": [unlimited("DEFAULT"), unlimited("HIGH")]},
        "load_assignment": assignment(name, json!({"pipe": {"path": socket}})),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::environment::Environment;

    fn example(config: &ProxyConfig) -> Value {
        let mut environment = Environment::default();
        for (key, value) in [
            ("POD_NAME", "p"),
            ("POD_NAMESPACE", "n"),
            ("INSTANCE_IP", "192.0.2.7"),
        ] {
            environment.variables.insert(key.into(), value.into());
        }
        environment
            .labels
            .insert("istio-locality".into(), "r/z/s".into());
        let node = Node::of(
            crate::node::Kind::Sidecar,
            &environment,
            None,
            None,
            &serde_json::Map::new(),
        )
        .unwrap();
        Bootstrap {
            node: &node,
            config,
            ports: Ports {
                admin: 15000,
                status: 15020,
                readiness: 15021,
                prometheus: 15090,
            },
            listen: "0.0.0.0".parse().unwrap(),
            sds_socket: Path::new("./sds"),
            xds_socket: Path::new("./XDS"),
            outlier_log: None,
        }
        .to_json()
    }

    fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
        list.as_array()
            .unwrap()
            .iter()
            .find(|item| item["name"] == name)
            .unwrap()
    }

    #[test]
    fn the_admin_interface_is_on_loopback_only() {
        let address = &example(&ProxyConfig::default())["admin"]["address"]["socket_address"];
        assert_eq!(address["address"], "127.0.0.1");
        assert_eq!(address["port_value"], 15000);
    }

    #[test]
    fn configuration_comes_by_delta_ads_over_the_agents_socket() {
        let bootstrap = example(&ProxyConfig::default());
        let dynamic = &bootstrap["dynamic_resources"];
        assert_eq!(dynamic["ads_config"]["api_type"], "DELTA_GRPC");
        assert_eq!(dynamic["lds_config"]["initial_fetch_timeout"], "0s");
        let cluster = named(&bootstrap["static_resources"]["clusters"], "xds-grpc");
        assert_eq!(
            cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["pipe"]
                ["path"],
            "./XDS"
        );
    }

    #[test]
    fn readiness_goes_to_the_agent_and_metrics_to_the_admin_interface() {
        let bootstrap = example(&ProxyConfig::default());
        let listeners = bootstrap["static_resources"]["listeners"].to_string();
        assert!(listeners.contains("\"port_value\":15021"));
        assert!(listeners.contains("\"port_value\":15090"));
        let agent = named(&bootstrap["static_resources"]["clusters"], "agent").to_string();
        assert!(agent.contains("\"port_value\":15020"), "{agent}");
    }

    #[test]
    fn chosen_stats_are_added_to_the_built_in_ones() {
        let mut config = ProxyConfig::default();
        config
            .proxy_stats_matcher
            .inclusion_prefixes
            .push("cluster.outbound".into());
        let patterns =
            example(&config)["stats_config"]["stats_matcher"]["inclusion_list"].to_string();
        assert!(patterns.contains("\"cluster.outbound\""));
        assert!(patterns.contains("\"cluster_manager\""));
    }

    #[test]
    fn the_node_carries_its_locality() {
        let node = &example(&ProxyConfig::default())["node"];
        assert_eq!(
            node["locality"],
            json!({"region": "r", "zone": "z", "sub_zone": "s"})
        );
        assert_eq!(node["id"], "sidecar~192.0.2.7~p.n~n.svc.cluster.local");
    }
}
