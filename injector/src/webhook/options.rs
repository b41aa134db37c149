//! The webhook's flags.

use std::path::PathBuf;

/// Adds the proxy to pods as an admission webhook of Kubernetes
#[derive(Debug, Clone, clap::Parser)]
#[command(
    name = "injector",
    version,
    after_help = "Examples:\n  \
        # With a certificate of its own, which the ca gives to its service account:\n  \
        injector --caAddress ca.istio-system.svc:15012 --injectConfig /etc/istio/inject/values --meshConfig /etc/istio/config/mesh\n\n  \
        # With a certificate from files:\n  \
        injector --tlsCertFile tls.crt --tlsKeyFile tls.key"
)]
pub struct Options {
    /// Port of the webhook (HTTPS)
    #[arg(long = "port", default_value_t = 15017)]
    pub port: u16,

    /// Certificate chain, PEM; read again when it changes [default: a certificate of the ca]
    #[arg(
        long = "tlsCertFile",
        value_name = "FILE",
        requires = "tls_key_file",
        required_unless_present = "ca_address"
    )]
    pub tls_cert_file: Option<PathBuf>,

    /// Private key, PEM; read again when it changes
    #[arg(long = "tlsKeyFile", value_name = "FILE", requires = "tls_cert_file")]
    pub tls_key_file: Option<PathBuf>,

    /// The certificate authority that gives the webhook its certificate, in place of files
    #[arg(
        long = "caAddress",
        value_name = "HOST:PORT",
        conflicts_with = "tls_cert_file"
    )]
    pub ca_address: Option<String>,

    /// The roots of trust, for the ca's certificate
    #[arg(
        long = "caRootFile",
        value_name = "FILE",
        default_value = "/var/run/secrets/istio/root-cert.pem"
    )]
    pub ca_root_file: PathBuf,

    /// The injector's own service-account token, for the ca
    #[arg(
        long = "tokenFile",
        value_name = "FILE",
        default_value = "/var/run/secrets/tokens/istio-token"
    )]
    pub token_file: PathBuf,

    /// The injector's own namespace
    #[arg(
        short = 'n',
        long = "namespace",
        env = "POD_NAMESPACE",
        default_value = "istio-system"
    )]
    pub namespace: String,

    /// The injector's own service account
    #[arg(
        long = "serviceAccount",
        env = "SERVICE_ACCOUNT",
        default_value = "istio-sidecar-injector"
    )]
    pub service_account: String,

    /// MutatingWebhookConfiguration whose webhooks are given the roots of --caRootFile as their caBundle
    #[arg(
        long = "webhookConfigName",
        value_name = "NAME",
        env = "INJECTION_WEBHOOK_CONFIG_NAME"
    )]
    pub webhook_config_name: Option<String>,

    /// Use a Kubernetes configuration file instead of the pod's service account
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

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
