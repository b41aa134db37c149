//! The webhook's flags.

use std::path::PathBuf;

/// Adds the proxy to pods as an admission webhook of Kubernetes
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "injector", version)]
pub struct Options {
    /// Port of the webhook (HTTPS)
    #[arg(long = "port", default_value_t = 15017)]
    pub port: u16,

    /// Certificate chain, PEM; read again when it changes
    #[arg(long = "tlsCertFile", value_name = "FILE")]
    pub tls_cert_file: PathBuf,

    /// Private key, PEM; read again when it changes
    #[arg(long = "tlsKeyFile", value_name = "FILE")]
    pub tls_key_file: PathBuf,

    /// Install values, YAML; read again when it changes [default: the defaults of an installation]
    #[arg(long = "injectConfig", value_name = "FILE")]
    pub inject_config: Option<PathBuf>,

    /// Mesh config, YAML; read again when it changes [default: the defaults of a mesh]
    #[arg(long = "meshConfig", value_name = "FILE")]
    pub mesh_config: Option<PathBuf>,

    /// Address of metrics and readiness (/metrics, /ready)
    #[arg(
        long = "monitoringAddr",
        default_value = ":15014",
        value_name = "HOST:PORT"
    )]
    pub monitoring_addr: String,

    /// Logging flags.
    #[command(flatten)]
    pub log: process::logging::LogArgs,
}
