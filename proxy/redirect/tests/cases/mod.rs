//! Reads Istio's cases. Each names fields of the tool's configuration; they are given to the real command line, and to
//! the environment where the tool reads them from there.

#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    collections::HashMap,
    net::IpAddr,
    path::{Path, PathBuf},
};

use clap::Parser;
use redirect::{Addresses, Environment, Options, Settings};
use serde_json::{Map, Value};

/// One of Istio's cases.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) want: String,
    config: Map<String, Value>,
}

/// All cases of a back end, `nftables` or `iptables`.
pub(crate) fn read(backend: &str) -> Vec<Case> {
    let root = std::env::var_os("LATEEN_CONFORMANCE")
        .expect("LATEEN_CONFORMANCE must name the directory of Istio's conformance cases");
    let folder = PathBuf::from(root).join(backend);
    let text = |path: &Path| {
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let cases: Vec<Value> = serde_json::from_str(&text(&folder.join("cases.json"))).unwrap();
    cases
        .iter()
        .map(|case| Case {
            name: case["name"].as_str().unwrap().to_owned(),
            want: text(&folder.join(case["want"].as_str().unwrap())),
            config: case["config"].as_object().unwrap().clone(),
        })
        .collect()
}

impl Case {
    /// The settings that the command line makes of the case.
    pub(crate) fn settings(&self) -> Settings {
        self.settings_with(|value| value)
    }

    /// The same, with each text of the case changed first.
    pub(crate) fn settings_with(&self, change: impl Fn(String) -> String) -> Settings {
        let mut args = vec!["istio-iptables".to_owned()];
        let mut servers = Vec::new();
        let mut ipv6 = false;
        for (field, value) in &self.config {
            let flag = match field.as_str() {
                "EnableIPv6" => {
                    ipv6 = value.as_bool().unwrap();
                    continue;
                }
                "DNSServersV4" | "DNSServersV6" => {
                    let list = value.as_array().unwrap();
                    servers.extend(
                        list.iter()
                            .map(|server| server.as_str().unwrap().to_owned()),
                    );
                    continue;
                }
                "ProxyPort" => "envoy-port",
                "InboundCapturePort" => "inbound-capture-port",
                "InboundTunnelPort" => "inbound-tunnel-port",
                "ProxyUID" => "proxy-uid",
                "ProxyGID" => "proxy-gid",
                "InboundInterceptionMode" => "istio-inbound-interception-mode",
                "InboundTProxyMark" => "istio-inbound-tproxy-mark",
                "InboundTProxyRouteTable" => "istio-inbound-tproxy-route-table",
                "InboundPortsInclude" => "istio-inbound-ports",
                "InboundPortsExclude" => "istio-local-exclude-ports",
                "OwnerGroupsInclude" => "istio-outbound-owner-groups",
                "OwnerGroupsExclude" => "istio-outbound-owner-groups-exclude",
                "OutboundPortsInclude" => "istio-outbound-ports",
                "OutboundPortsExclude" => "istio-local-outbound-ports-exclude",
                "OutboundIPRangesInclude" => "istio-service-cidr",
                "OutboundIPRangesExclude" => "istio-service-exclude-cidr",
                "RerouteVirtualInterfaces" => "kube-virt-interfaces",
                "ExcludeInterfaces" => "istio-exclude-interfaces",
                "HostIPv4LoopbackCidr" => "istio-outbound-ipv4-loopback-cidr",
                "DryRun" => "dry-run",
                "RedirectDNS" => "redirect-dns",
                "CaptureAllDNS" => "capture-all-dns",
                "DropInvalid" => "drop-invalid",
                "DualStack" => "dual-stack",
                other => panic!(
                    "case {}: the field {other} is new: say here which flag it is",
                    self.name
                ),
            };
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            args.push(format!("--{flag}={}", change(value)));
        }
        let options =
            Options::try_parse_from(&args).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let address: IpAddr = if ipv6 {
            "fd00::2".parse().unwrap()
        } else {
            "10.0.0.2".parse().unwrap()
        };
        let environment = Environment {
            addresses: Addresses(vec![address]),
            proxy_user: nftables::Owner::Id(1337),
            resolv_conf: Ok(servers
                .iter()
                .map(|server| format!("nameserver {server}\n"))
                .collect()),
            variables: HashMap::new(),
        };
        options
            .settings(&environment)
            .unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}
