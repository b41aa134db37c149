//! The init container that redirects the pod's traffic, or checks that a CNI plugin did.

use k8s_openapi::api::core::v1::{Capabilities, Container, SecurityContext};

use super::{Input, environment, image, resources};
use crate::annotations::{
    AGENT_LOG_LEVEL, EXCLUDE_INBOUND_PORTS, EXCLUDE_INTERFACES, EXCLUDE_OUTBOUND_PORTS,
    EXCLUDE_OUTBOUND_RANGES, INCLUDE_INBOUND_PORTS, INCLUDE_OUTBOUND_PORTS,
    INCLUDE_OUTBOUND_RANGES, KUBEVIRT_INTERFACES, REROUTE_INTERFACES,
};
use crate::pod::{INIT, VALIDATION};

pub(super) fn build(input: &Input<'_>) -> Container {
    let global = &input.settings.values.global;
    let cni = input.settings.values.pilot.cni.enabled;
    let env = environment::of_the_proxy_metadata(input);
    Container {
        name: if cni { VALIDATION } else { INIT }.to_owned(),
        image: Some(image::init(input)),
        image_pull_policy: Some(global.image_pull_policy.clone()).filter(|p| !p.is_empty()),
        args: Some(arguments(input)),
        env: Some(env).filter(|e| !e.is_empty()),
        resources: Some(resources::proxy(input)),
        security_context: Some(security(input, cni)),
        ..Container::default()
    }
}

fn arguments(input: &Input<'_>) -> Vec<String> {
    let values = &input.settings.values;
    let proxy = &values.global.proxy;
    let mesh = &input.settings.mesh;
    let (user, _) = input.proxy_ids();
    // Rules that let root pass would let everything of root pass. With TPROXY the proxy is root, and its group alone
    // tells it from the application.
    let user = match user {
        0 => super::PROXY_ID,
        user => user,
    };
    let excluded = match excluded_inbound_ports(input).as_str() {
        "" => "15090,15021".to_owned(),
        ports => format!("15090,15021,{ports}"),
    };
    let mut arguments = vec!["istio-iptables".to_owned()];
    let mut pair = |flag: &str, value: &str| {
        arguments.extend([flag.to_owned(), value.to_owned()]);
    };
    pair("-p", &mesh.proxy_listen_port.to_string());
    pair("-z", &mesh.proxy_inbound_listen_port.to_string());
    pair("-u", &user.to_string());
    pair("-m", input.interception().as_str());
    for (flag, annotation, value) in [
        ("-i", INCLUDE_OUTBOUND_RANGES, &proxy.include_ip_ranges),
        ("-x", EXCLUDE_OUTBOUND_RANGES, &proxy.exclude_ip_ranges),
        ("-b", INCLUDE_INBOUND_PORTS, &proxy.include_inbound_ports),
    ] {
        pair(flag, input.annotation_or(annotation, value));
    }
    pair("-d", &excluded);
    for (flag, annotation, value) in [
        ("-q", INCLUDE_OUTBOUND_PORTS, &proxy.include_outbound_ports),
        ("-o", EXCLUDE_OUTBOUND_PORTS, &proxy.exclude_outbound_ports),
    ] {
        if input.annotations.has(annotation) || !value.is_empty() {
            pair(flag, input.annotation_or(annotation, value));
        }
    }
    let rerouted = [REROUTE_INTERFACES, KUBEVIRT_INTERFACES];
    if let Some(interfaces) = rerouted.iter().find_map(|a| input.annotations.get(a)) {
        pair("-k", interfaces);
    }
    if let Some(interfaces) = input.annotations.get(EXCLUDE_INTERFACES) {
        pair("-c", interfaces);
    }
    let level = input.annotation_or(AGENT_LOG_LEVEL, &values.global.logging.level);
    arguments.push(format!("--log_output_level={level}"));
    let switches = [
        (values.global.log_as_json, "--log_as_json"),
        (values.pilot.cni.enabled, "--run-validation"),
        (values.pilot.cni.enabled, "--skip-rule-apply"),
        (
            values.global.proxy_init.force_apply_iptables && !values.pilot.cni.enabled,
            "--force-apply",
        ),
        (values.global.native_nftables, "--native-nftables"),
    ];
    for (on, flag) in switches {
        if on {
            arguments.push(flag.to_owned());
        }
    }
    arguments
}

/// The inbound ports that the pod excludes, with the agent's own unless there is none (`0`).
pub(super) fn excluded_inbound_ports(input: &Input<'_>) -> String {
    let value = &input.settings.values.global.proxy.exclude_inbound_ports;
    let excluded = input.annotation_or(EXCLUDE_INBOUND_PORTS, value).trim();
    match (excluded, input.status_port()) {
        (excluded, "" | "0") => excluded.to_owned(),
        ("", port) => port.to_owned(),
        (excluded, port) if excluded.split(',').any(|p| p.trim() == port) => excluded.to_owned(),
        (excluded, port) => format!("{excluded},{port}"),
    }
}

fn security(input: &Input<'_>, cni: bool) -> SecurityContext {
    let privileged = input.settings.values.global.proxy.privileged;
    let (user, group) = if cni { input.proxy_ids() } else { (0, 0) };
    let network = ["NET_ADMIN", "NET_RAW"].map(str::to_owned).to_vec();
    SecurityContext {
        allow_privilege_escalation: Some(privileged),
        privileged: Some(privileged),
        capabilities: Some(Capabilities {
            add: (!cni).then_some(network),
            drop: Some(vec!["ALL".to_owned()]),
        }),
        read_only_root_filesystem: Some(cni),
        run_as_group: Some(group),
        run_as_non_root: Some(cni),
        run_as_user: Some(user),
        ..SecurityContext::default()
    }
}
