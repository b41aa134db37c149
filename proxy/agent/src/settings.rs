//! Everything the agent is told, from arguments, environment and files, checked before anything
//! starts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use identity::{SpiffeId, TrustDomain};

use crate::bootstrap::Ports;
use crate::certificate::issuer::Issuer;
use crate::certificate::output::Output;
use crate::control_plane::ControlPlane;
use crate::environment::Environment;
use crate::envoy::command::{self, Command};
use crate::envoy::supervise::Draining;
use crate::grpc::GrpcBootstrap;
use crate::node::{self, Kind, Node, NodeError};
use crate::proxy_config::{self, ProxyConfig, ProxyConfigError};
use crate::status::application_metrics::{self, AnnotationsError, Page};
use crate::status::probers::{self, Probers, ProbersError};

/// The arguments of `proxy sidecar` and `proxy router`, named as pilot-agent's.
#[derive(Debug, Clone, Args)]
pub struct ProxyArgs {
    /// DNS domain of the pod's namespace, for example default.svc.cluster.local
    #[arg(long)]
    pub domain: Option<String>,

    /// The Envoy to run as data plane; without it, /usr/local/bin/envoy where there is one, else
    /// the data plane of this program
    #[arg(long, env = "ENVOY_PATH")]
    pub envoy: Option<PathBuf>,

    /// Log level of the proxy: trace, debug, info, warning, error, critical, off
    #[arg(long = "proxyLogLevel", default_value = "warning")]
    pub proxy_log_level: String,

    /// Log levels of the proxy's components, for example misc:error,upstream:debug
    #[arg(long = "proxyComponentLogLevel", default_value = "misc:error")]
    pub proxy_component_log_level: String,

    /// Worker threads of the proxy; 0 means one per CPU
    #[arg(long)]
    pub concurrency: Option<u32>,

    /// Name of the service that this proxy is
    #[arg(long = "serviceCluster")]
    pub service_cluster: Option<String>,

    /// File of the mesh configuration, whose defaultConfig lies below PROXY_CONFIG
    #[arg(long = "meshConfig", default_value = "./etc/istio/config/mesh")]
    pub mesh_config: PathBuf,

    /// File to which the proxy writes when it ejects an endpoint
    #[arg(long = "outlierLogPath")]
    pub outlier_log_path: Option<PathBuf>,

    /// Directory that relative paths (sockets, generated files) begin at
    #[arg(long = "baseDir", default_value = ".", hide = true)]
    pub base: PathBuf,
}

/// Why the agent cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The pod's fields.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The proxy configuration.
    #[error(transparent)]
    ProxyConfig(#[from] ProxyConfigError),
    /// The application's probes.
    #[error(transparent)]
    Probers(#[from] ProbersError),
    /// The application's metrics.
    #[error(transparent)]
    Annotations(#[from] AnnotationsError),
    /// A variable has a value that cannot be used.
    #[error("{variable}: {problem}")]
    Variable {
        /// Its name.
        variable: &'static str,
        /// What is wrong, and the fix.
        problem: String,
    },
    /// The mesh file is there and cannot be read.
    #[error("--meshConfig {path}: {source}")]
    MeshFile {
        /// The file.
        path: String,
        /// What reading it met.
        source: std::io::Error,
    },
}

/// The agent's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who the proxy is to the pilot.
    pub node: Node,
    /// The merged proxy configuration.
    pub config: ProxyConfig,
    /// The pod's ports.
    pub ports: Ports,
    /// What the agent and the proxy's static listeners listen on: all addresses of the pod's IP
    /// family.
    pub listen: IpAddr,
    /// How the workload's certificate is obtained.
    pub issuer: Issuer,
    /// The part of a certificate's lifetime that is left when it is renewed.
    pub grace: f64,
    /// The pilot.
    pub pilot: ControlPlane,
    /// Socket of the secret discovery service.
    pub sds_socket: PathBuf,
    /// Socket of the relay.
    pub xds_socket: PathBuf,
    /// How the proxy is started.
    pub proxy: Command,
    /// No proxy is started: the application speaks xDS itself (`DISABLE_ENVOY`).
    pub proxyless: bool,
    /// Where the certificate is written, if anywhere (`OUTPUT_CERTS`).
    pub output: Option<Output>,
    /// What gRPC starts from, if that is wanted (`GRPC_XDS_BOOTSTRAP`).
    pub grpc: Option<GrpcBootstrap>,
    /// File for outlier ejection events.
    pub outlier_log: Option<PathBuf>,
    /// How the proxy is drained at the end.
    pub draining: Draining,
    /// The application's probes.
    pub probers: Probers,
    /// Where the application answers probes.
    pub probed: IpAddr,
    /// The application's metrics.
    pub pages: Vec<Page>,
}

impl Settings {
    /// Reads and checks everything. Variables of `ProxyConfig.proxyMetadata` count where the
    /// environment has none of that name.
    ///
    /// # Errors
    /// [`SettingsError`] names the argument, variable or field and the fix.
    pub fn new(
        kind: Kind,
        args: &ProxyArgs,
        mut environment: Environment,
    ) -> Result<Self, SettingsError> {
        let (config, written) = proxy_config::merge(layers(args, &environment)?)?;
        for (name, value) in &config.proxy_metadata {
            environment.set_default(name, value);
        }
        let service_cluster = args
            .service_cluster
            .as_deref()
            .or(Some(config.service_cluster.as_str()));
        let node = Node::of(
            kind,
            &environment,
            args.domain.as_deref(),
            service_cluster,
            &written,
        )?;
        let pod = node
            .addresses
            .first()
            .copied()
            .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let ports = Ports {
            admin: config.proxy_admin_port,
            status: config.status_port,
            readiness: node::port(&environment, "ENVOY_STATUS_PORT")?.unwrap_or(15021),
            prometheus: node::port(&environment, "ENVOY_PROMETHEUS_PORT")?.unwrap_or(15090),
        };
        let generated = args.base.join(&config.config_path);
        let output = environment.get("OUTPUT_CERTS").map(|directory| Output {
            directory: args.base.join(directory),
            shared: environment.get("KUBERNETES_SERVICE_HOST").is_some()
                || environment.flag("DISABLE_ENVOY"),
        });
        Ok(Self {
            ports,
            listen: match pod {
                IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            },
            issuer: issuer(&environment, &config, &node, &args.base)?,
            grace: grace(&environment)?,
            pilot: control_plane(
                &environment,
                &args.base,
                config.discovery_address.clone(),
                "XDS_ROOT_CA",
            ),
            sds_socket: args.base.join("var/run/secrets/workload-spiffe-uds").join(
                environment
                    .get("WORKLOAD_IDENTITY_SOCKET_FILE")
                    .unwrap_or("socket"),
            ),
            xds_socket: generated.join("XDS"),
            proxy: Command {
                binary: data_plane(args.envoy.as_deref()),
                bootstrap: generated.join("envoy-rev.json"),
                log_level: some(&args.proxy_log_level),
                component_log_level: some(&args.proxy_component_log_level),
                concurrency: command::concurrency(
                    args.concurrency,
                    config.concurrency,
                    environment.get("ISTIO_CPU_LIMIT"),
                ),
                drain: config.drain_duration,
                prefer_v6: pod.is_ipv6(),
            },
            proxyless: environment.flag("DISABLE_ENVOY"),
            grpc: environment
                .get("GRPC_XDS_BOOTSTRAP")
                .map(|path| GrpcBootstrap {
                    path: args.base.join(path),
                    certificates: output.clone(),
                }),
            output,
            outlier_log: args.outlier_log_path.clone(),
            draining: draining(&environment, &config)?,
            probers: match environment.get("ISTIO_KUBE_APP_PROBERS") {
                Some(json) => probers::parse(json)?,
                None => Probers::new(),
            },
            probed: if environment.flag("REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION") {
                Ipv4Addr::LOCALHOST.into()
            } else {
                pod
            },
            pages: match environment.get("ISTIO_PROMETHEUS_ANNOTATIONS") {
                Some(json) => application_metrics::pages(json, ports.status)?,
                None => Vec::new(),
            },
            node,
            config,
        })
    }
}

/// Where an image with an Envoy in it has it.
const ENVOY: &str = "/usr/local/bin/envoy";

/// The program to start: the one asked for, else Envoy where there is one, else this program itself.
fn data_plane(asked: Option<&Path>) -> PathBuf {
    match asked {
        Some(path) => path.to_owned(),
        None if Path::new(ENVOY).exists() => ENVOY.into(),
        None => command::ITSELF.into(),
    }
}

type Layer = serde_json::Map<String, serde_json::Value>;

fn layers(args: &ProxyArgs, environment: &Environment) -> Result<Vec<Layer>, SettingsError> {
    let mesh_file = args.base.join(&args.mesh_config);
    let mesh = match std::fs::read_to_string(&mesh_file) {
        Ok(text) => proxy_config::layer(&format!("--meshConfig {}", mesh_file.display()), &text)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Layer::new(),
        Err(source) => {
            return Err(SettingsError::MeshFile {
                path: mesh_file.display().to_string(),
                source,
            });
        }
    };
    let mut layers = Vec::new();
    if let Some(serde_json::Value::Object(defaults)) = mesh.get("defaultConfig") {
        layers.push(defaults.clone());
    }
    if let Some(text) = environment.get("PROXY_CONFIG") {
        layers.push(proxy_config::layer("PROXY_CONFIG", text)?);
    }
    if let Some(text) = environment.annotations.get("proxy.istio.io/config") {
        layers.push(proxy_config::layer(
            "annotation proxy.istio.io/config",
            text,
        )?);
    }
    Ok(layers)
}

fn issuer(
    environment: &Environment,
    config: &ProxyConfig,
    node: &Node,
    base: &Path,
) -> Result<Issuer, SettingsError> {
    let variable = |variable, problem: &dyn ToString| SettingsError::Variable {
        variable,
        problem: problem.to_string(),
    };
    let trust_domain: TrustDomain = environment
        .get("TRUST_DOMAIN")
        .unwrap_or("cluster.local")
        .parse()
        .map_err(|e| variable("TRUST_DOMAIN", &e))?;
    let id = SpiffeId::new(trust_domain, &node.namespace, &node.service_account)
        .map_err(|e| variable("SERVICE_ACCOUNT", &e))?;
    let authority = environment
        .get("CA_ADDR")
        .unwrap_or(&config.discovery_address)
        .to_owned();
    Ok(Issuer {
        authority: control_plane(environment, base, authority, "CA_ROOT_CA"),
        id,
        lifetime: duration(environment, "SECRET_TTL", Duration::from_secs(24 * 3600))?,
    })
}

/// A service of the control plane; `root` names the variable that overrides its root file.
fn control_plane(
    environment: &Environment,
    base: &Path,
    address: String,
    root: &str,
) -> ControlPlane {
    ControlPlane {
        address,
        server_name: environment.get("ISTIOD_SAN").map(str::to_owned),
        root: base.join(
            environment
                .get(root)
                .unwrap_or("var/run/secrets/istio/root-cert.pem"),
        ),
        token: base.join("var/run/secrets/tokens/istio-token"),
    }
}

fn grace(environment: &Environment) -> Result<f64, SettingsError> {
    const NAME: &str = "SECRET_GRACE_PERIOD_RATIO";
    let Some(text) = environment.get(NAME) else {
        return Ok(0.5);
    };
    text.parse()
        .ok()
        .filter(|ratio| (0.0..=1.0).contains(ratio))
        .ok_or_else(|| SettingsError::Variable {
            variable: NAME,
            problem: format!("`{text}` is not a number from 0 to 1; the default is 0.5"),
        })
}

fn duration(
    environment: &Environment,
    variable: &'static str,
    default: Duration,
) -> Result<Duration, SettingsError> {
    environment.get(variable).map_or(Ok(default), |text| {
        process::duration::parse(text)
            .map_err(|problem| SettingsError::Variable { variable, problem })
    })
}

fn draining(environment: &Environment, config: &ProxyConfig) -> Result<Draining, SettingsError> {
    if environment.flag("EXIT_ON_ZERO_ACTIVE_CONNECTIONS") {
        let least = duration(
            environment,
            "MINIMUM_DRAIN_DURATION",
            Duration::from_secs(5),
        )?;
        return Ok(Draining::UntilIdle(least));
    }
    let time = match environment.get("TERMINATION_DRAIN_DURATION_SECONDS") {
        Some(text) => Duration::from_secs(text.parse().map_err(|_| SettingsError::Variable {
            variable: "TERMINATION_DRAIN_DURATION_SECONDS",
            problem: format!("`{text}` is not a number of seconds"),
        })?),
        None => config.termination_drain_duration,
    };
    Ok(Draining::For(time))
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
