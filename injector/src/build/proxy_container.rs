//! The proxy's container: as a sidecar (native or classic) and as a gateway.

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, ExecAction, HTTPGetAction, Lifecycle, LifecycleHandler,
    Probe, ResourceRequirements, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Deserialize;

use super::environment::{self, Kind};
use super::{Input, image, resources, volumes};
use crate::annotations::{
    AGENT_LOG_LEVEL, COMPONENT_LOG_LEVEL, FAILURE_THRESHOLD, INITIAL_DELAY, LOG_LEVEL, PERIOD,
};
use crate::mesh::Interception;
use crate::pod::PROXY;

/// The proxy's own readiness listener.
const READY_PORT: i32 = 15021;

pub(super) fn sidecar(input: &Input<'_>) -> Container {
    let startup = &input.settings.values.global.proxy.startup_probe;
    let native = input.native_sidecar();
    Container {
        restart_policy: native.then(|| "Always".to_owned()),
        lifecycle: lifecycle(input),
        startup_probe: (probed(input) && startup.enabled).then(|| Probe {
            period_seconds: Some(1),
            failure_threshold: Some(startup.failure_threshold),
            ..ready()
        }),
        resources: Some(resources::proxy(input)),
        security_context: Some(sidecar_security(input)),
        volume_mounts: Some(volumes::sidecar_mounts(input)),
        ..container(input, Kind::Sidecar)
    }
}

pub(super) fn gateway(input: &Input<'_>) -> Container {
    let (user, group) = input.proxy_ids();
    Container {
        resources: Some(ResourceRequirements::default()),
        security_context: Some(SecurityContext {
            run_as_user: Some(user),
            run_as_group: Some(group),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(volumes::gateway_mounts(input)),
        ..container(input, Kind::Gateway)
    }
}

/// The agent of an application that speaks xDS: it serves certificates and configuration, and no traffic.
pub(super) fn grpc_agent(input: &Input<'_>) -> Container {
    Container {
        lifecycle: own_lifecycle(input).or_else(|| {
            let hold = input.proxy_config.hold_application()
                || input
                    .settings
                    .values
                    .global
                    .proxy
                    .hold_application_until_proxy_starts;
            hold.then(wait_for_the_proxy)
        }),
        resources: Some(resources::proxy(input)),
        volume_mounts: Some(volumes::grpc_agent_mounts(input)),
        ..container(input, Kind::GrpcAgent)
    }
}

/// What all kinds share.
fn container(input: &Input<'_>, kind: Kind) -> Container {
    let global = &input.settings.values.global;
    Container {
        name: PROXY.to_owned(),
        image: Some(image::proxy(input)),
        image_pull_policy: Some(global.image_pull_policy.clone()).filter(|p| !p.is_empty()),
        args: Some(arguments(input, kind)),
        env: Some(environment::build(input, kind)),
        ports: Some(vec![ContainerPort {
            container_port: 15090,
            name: Some("http-envoy-prom".to_owned()),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        readiness_probe: probed(input).then(|| readiness(input)),
        ..Container::default()
    }
}

fn arguments(input: &Input<'_>, kind: Kind) -> Vec<String> {
    let global = &input.settings.values.global;
    let proxy = &global.proxy;
    let role = match kind {
        Kind::Sidecar | Kind::GrpcAgent => "sidecar",
        Kind::Gateway => "router",
    };
    let level = |flag: &str, annotation: &str, value: &str| {
        format!("--{flag}={}", input.annotation_or(annotation, value))
    };
    let mut arguments = vec![
        "proxy".to_owned(),
        role.to_owned(),
        "--domain".to_owned(),
        format!("$(POD_NAMESPACE).svc.{}", proxy.cluster_domain),
        level("proxyLogLevel", LOG_LEVEL, &proxy.log_level),
        level(
            "proxyComponentLogLevel",
            COMPONENT_LOG_LEVEL,
            &proxy.component_log_level,
        ),
        level("log_output_level", AGENT_LOG_LEVEL, &global.logging.level),
    ];
    if global.sts.service_port != 0 {
        arguments.push(format!("--stsPort={}", global.sts.service_port));
    }
    if global.log_as_json {
        arguments.push("--log_as_json".to_owned());
    }
    if !proxy.outlier_log_path.is_empty() {
        arguments.push(format!("--outlierLogPath={}", proxy.outlier_log_path));
    }
    arguments
}

/// The lifecycle that the values set.
fn own_lifecycle(input: &Input<'_>) -> Option<Lifecycle> {
    let own = &input.settings.values.global.proxy.lifecycle;
    let set = own.as_object().is_some_and(|l| !l.is_empty());
    Lifecycle::deserialize(own).ok().filter(|_| set)
}

fn run(command: &[&str]) -> LifecycleHandler {
    LifecycleHandler {
        exec: Some(ExecAction {
            command: Some(command.iter().map(|c| (*c).to_owned()).collect()),
        }),
        ..LifecycleHandler::default()
    }
}

/// Containers start one after the other, and the next only when this has ended.
fn wait_for_the_proxy() -> Lifecycle {
    Lifecycle {
        post_start: Some(run(&["pilot-agent", "wait"])),
        ..Lifecycle::default()
    }
}

fn lifecycle(input: &Input<'_>) -> Option<Lifecycle> {
    if let Some(own) = own_lifecycle(input) {
        return Some(own);
    }
    if input.hold_application() {
        return Some(wait_for_the_proxy());
    }
    // A native sidecar outlives the application: it starts to drain when the pod is told to stop,
    // and gets its SIGTERM only when the application is gone.
    input.native_sidecar().then(|| Lifecycle {
        pre_stop: Some(run(&[
            "pilot-agent",
            "request",
            &format!("--debug-port={}", input.status_port()),
            "POST",
            "drain",
        ])),
        ..Lifecycle::default()
    })
}

fn probed(input: &Input<'_>) -> bool {
    input.status_port() != "0"
}

fn ready() -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some("/healthz/ready".to_owned()),
            port: IntOrString::Int(READY_PORT),
            ..HTTPGetAction::default()
        }),
        timeout_seconds: Some(3),
        ..Probe::default()
    }
}

fn readiness(input: &Input<'_>) -> Probe {
    let proxy = &input.settings.values.global.proxy;
    let number = |annotation: &str, value: &str| {
        let number = input.annotations.number(annotation);
        number.or_else(|| value.trim().parse().ok())
    };
    let delay = number(INITIAL_DELAY, &proxy.readiness_initial_delay_seconds);
    Probe {
        initial_delay_seconds: delay.filter(|d| *d != 0),
        period_seconds: number(PERIOD, &proxy.readiness_period_seconds),
        failure_threshold: number(FAILURE_THRESHOLD, &proxy.readiness_failure_threshold),
        ..ready()
    }
}

fn sidecar_security(input: &Input<'_>) -> SecurityContext {
    let privileged = input.settings.values.global.proxy.privileged;
    let (user, group) = input.proxy_ids();
    let base = SecurityContext {
        allow_privilege_escalation: Some(privileged),
        privileged: Some(privileged),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    };
    let all = Some(vec!["ALL".to_owned()]);
    match input.interception() {
        // Transparent sockets need a capability, which only root keeps across exec.
        Interception::Tproxy => SecurityContext {
            capabilities: Some(Capabilities {
                add: Some(vec!["NET_ADMIN".to_owned()]),
                drop: all,
            }),
            run_as_group: Some(super::PROXY_ID),
            run_as_non_root: Some(false),
            run_as_user: Some(0),
            ..base
        },
        Interception::Redirect | Interception::None => SecurityContext {
            capabilities: Some(Capabilities {
                drop: all,
                ..Capabilities::default()
            }),
            run_as_group: Some(group),
            run_as_non_root: Some(true),
            run_as_user: Some(user),
            ..base
        },
    }
}
