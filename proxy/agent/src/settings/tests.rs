#![allow(clippy::unwrap_used)]
use clap::Parser;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: ProxyArgs,
}

fn injected() -> Environment {
    let mut environment = Environment::default();
    for (key, value) in [
        ("POD_NAME", "greeter-7d4-x2"),
        ("POD_NAMESPACE", "default"),
        ("INSTANCE_IP", "10.244.0.7"),
        ("SERVICE_ACCOUNT", "greeter"),
        ("PROXY_CONFIG", "{}\n"),
        ("CA_ADDR", "istiod.istio-system.svc:15012"),
    ] {
        environment.variables.insert(key.into(), value.into());
    }
    environment
}

fn settings(
    args: &[&str],
    change: impl FnOnce(&mut Environment),
) -> Result<Settings, SettingsError> {
    let mut environment = injected();
    change(&mut environment);
    let args = std::iter::once("sidecar").chain(args.iter().copied());
    Settings::new(Kind::Sidecar, &Cli::parse_from(args).args, environment)
}

#[test]
fn the_injected_container_gives_istios_ports_paths_and_identity() {
    let settings = settings(
        &[
            "--domain",
            "default.svc.cluster.local",
            "--proxyLogLevel=warning",
            "--proxyComponentLogLevel=misc:error",
        ],
        |_| {},
    )
    .unwrap();
    assert_eq!(
        settings.ports,
        Ports {
            admin: 15000,
            status: 15020,
            readiness: 15021,
            prometheus: 15090
        }
    );
    assert_eq!(
        settings.issuer.id.to_string(),
        "spiffe://cluster.local/ns/default/sa/greeter"
    );
    assert_eq!(settings.issuer.lifetime, Duration::from_secs(86_400));
    assert_eq!(
        settings.sds_socket,
        Path::new("./var/run/secrets/workload-spiffe-uds/socket")
    );
    assert_eq!(
        settings.proxy.bootstrap,
        Path::new("./etc/istio/proxy/envoy-rev.json")
    );
    assert_eq!(settings.draining, Draining::For(Duration::from_secs(5)));
    assert_eq!(settings.proxy.concurrency, 2);
}

#[test]
fn proxy_metadata_is_environment_unless_the_environment_says_otherwise() {
    let settings = settings(&[], |environment| {
        environment.variables.insert(
            "PROXY_CONFIG".into(),
            "proxyMetadata: {ISTIO_META_NETWORK: n1, SECRET_TTL: 1h}".into(),
        );
        environment
            .variables
            .insert("SECRET_TTL".into(), "2h".into());
    })
    .unwrap();
    assert_eq!(settings.node.metadata.get("NETWORK").unwrap(), "n1");
    assert_eq!(settings.issuer.lifetime, Duration::from_secs(7200));
}

#[test]
fn exiting_on_zero_connections_waits_at_least_the_minimum() {
    let settings = settings(&[], |environment| {
        environment
            .variables
            .insert("EXIT_ON_ZERO_ACTIVE_CONNECTIONS".into(), "true".into());
        environment
            .variables
            .insert("MINIMUM_DRAIN_DURATION".into(), "3s".into());
    });
    let least = Duration::from_secs(3);
    assert_eq!(settings.unwrap().draining, Draining::UntilIdle(least));
}

#[test]
fn an_unusable_variable_is_named_before_anything_starts() {
    for (variable, value) in [
        ("SECRET_TTL", "a day"),
        ("SECRET_GRACE_PERIOD_RATIO", "2"),
        ("ENVOY_STATUS_PORT", "high"),
        ("ISTIO_KUBE_APP_PROBERS", "{"),
        ("PROXY_CONFIG", "concurrency: many"),
        ("TRUST_DOMAIN", "not a domain"),
    ] {
        let error = settings(&[], |environment| {
            environment.variables.insert(variable.into(), value.into());
        })
        .unwrap_err();
        let name = match variable {
            "PROXY_CONFIG" => "concurrency",
            name => name,
        };
        assert!(error.to_string().contains(name), "{error}");
    }
}
