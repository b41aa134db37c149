//! The command line of `pilot discovery`, with pilot-discovery's flags.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use process::duration;
use process::logging::LogArgs;

use crate::request::RequestArgs;

const EXAMPLES: &str = "\
Examples:
  Serve the cluster that the pod runs in:
    pilot discovery --domain cluster.local

  Serve the YAML files of a directory on the plaintext port alone:
    pilot discovery --configDir ./mesh --secureGRPCAddr '' --monitoringAddr 127.0.0.1:15014

  Serve proxies over mutual TLS with a certificate from the ca:
    pilot discovery --configDir /etc/lateen/config --caAddress ca.istio-system.svc:15012 \\
      --jwksFile /var/run/lateen/jwks/jwks.json

  See what each proxy holds:
    curl -s http://127.0.0.1:8080/debug/syncz";

/// The mesh's control plane: turns Kubernetes and Istio objects into configuration for proxies.
#[derive(Debug, Parser)]
#[command(name = "pilot", version, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Logging.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The program's commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the discovery service: configuration for proxies over xDS
    #[command(after_help = EXAMPLES)]
    Discovery(Box<DiscoveryArgs>),
    /// Make a request to the pilot's own pages, from inside its container
    #[command(
        after_help = "Examples:\n  pilot request GET /debug/syncz\n  pilot request GET '/debug/config_dump?proxyID=POD.NAMESPACE'"
    )]
    Request(RequestArgs),
}

/// Where services are registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum Registry {
    /// A cluster's API server.
    Kubernetes,
}

/// Flags of `pilot discovery`.
#[derive(Debug, Clone, Args)]
#[allow(clippy::doc_markdown)]
pub struct DiscoveryArgs {
    /// Directory of YAML files that hold the configuration; watched for changes. Without it a
    /// cluster's API server is read
    #[arg(long = "configDir", value_name = "DIR", conflicts_with_all = ["kubeconfig", "registries"])]
    pub config_dir: Option<PathBuf>,

    /// Use a Kubernetes configuration file instead of in-cluster configuration
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Comma separated list of platform service registries to read from
    #[arg(long, value_delimiter = ',', default_value = "Kubernetes")]
    pub registries: Vec<Registry>,

    /// File with the mesh's configuration; where it does not exist, key `mesh` of ConfigMap
    /// `istio` in the namespace of --namespace counts
    #[arg(
        long = "meshConfig",
        value_name = "FILE",
        default_value = "/etc/istio/config/mesh"
    )]
    pub mesh_config: PathBuf,

    /// DNS domain of the cluster
    #[arg(long, default_value = "cluster.local")]
    pub domain: String,

    /// ID of the cluster that the objects are of
    #[arg(long = "clusterID", env = "CLUSTER_ID", default_value = "Kubernetes")]
    pub cluster_id: String,

    /// The control plane's own namespace, which is the mesh's root namespace too
    #[arg(
        short = 'n',
        long,
        env = "POD_NAMESPACE",
        default_value = "istio-system"
    )]
    pub namespace: String,

    /// Address for xDS without TLS; empty for none
    #[arg(long = "grpcAddr", default_value = ":15010")]
    pub grpc_addr: String,

    /// Address for xDS and certificates over TLS; empty for none
    #[arg(long = "secureGRPCAddr", default_value = ":15012")]
    pub secure_grpc_addr: String,

    /// Address for metrics in the Prometheus format; empty for none
    #[arg(long = "monitoringAddr", default_value = ":15014")]
    pub monitoring_addr: String,

    /// Address for debug pages and /ready. The pages show the whole configuration: keep them on
    /// the loopback address
    #[arg(long = "httpAddr", default_value = "127.0.0.1:8080")]
    pub http_addr: String,

    /// The certificate authority that gives the pilot its certificate, and to which requests for
    /// certificates are relayed
    #[arg(
        long = "caAddress",
        value_name = "HOST:PORT",
        default_value = "ca.istio-system.svc:15012"
    )]
    pub ca_address: String,

    /// The roots of trust, for the ca's certificate and for proxies' certificates
    #[arg(
        long = "caRootFile",
        value_name = "FILE",
        default_value = "/var/run/secrets/istio/root-cert.pem"
    )]
    pub ca_root_file: PathBuf,

    /// The pilot's own service-account token, for the ca
    #[arg(
        long = "tokenFile",
        value_name = "FILE",
        default_value = "/var/run/secrets/tokens/istio-token"
    )]
    pub token_file: PathBuf,

    /// The pilot's own service account
    #[arg(
        long = "serviceAccount",
        env = "SERVICE_ACCOUNT",
        default_value = "istiod"
    )]
    pub service_account: String,

    /// JSON Web Key Set with which proxies' service-account tokens are checked; without it only
    /// client certificates are taken
    #[arg(long = "jwksFile", value_name = "FILE")]
    pub jwks_file: Option<PathBuf>,

    /// The issuer that tokens must have
    #[arg(long = "tokenIssuer", value_name = "URL")]
    pub token_issuer: Option<String>,

    /// The audiences of which a token must have one
    #[arg(
        long = "tokenAudiences",
        value_delimiter = ',',
        default_value = "istio-ca"
    )]
    pub token_audiences: Vec<String>,

    /// How long configuration must be quiet before it is pushed; 0 pushes at once
    #[arg(long = "debounceAfter", env = "PILOT_DEBOUNCE_AFTER", default_value = "100ms", value_parser = duration::parse)]
    pub debounce_after: Duration,

    /// The longest time that a change waits for quiet
    #[arg(long = "debounceMax", env = "PILOT_DEBOUNCE_MAX", default_value = "10s", value_parser = duration::parse)]
    pub debounce_max: Duration,

    /// How long a proxy's connection is kept, give or take a tenth, before it is asked to connect
    /// again
    #[arg(long = "keepaliveMaxServerConnectionAge", default_value = "30m", value_parser = duration::parse)]
    pub max_connection_age: Duration,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_are_pilot_discoverys() {
        let cli = Cli::try_parse_from([
            "pilot",
            "discovery",
            "--configDir",
            "d",
            "--domain",
            "example.org",
            "--grpcAddr",
            ":1",
            "--secureGRPCAddr",
            "",
            "--monitoringAddr",
            ":2",
            "--httpAddr",
            ":3",
            "--meshConfig",
            "m",
            "--clusterID",
            "c",
            "--log_output_level",
            "default:debug",
        ]);
        let Command::Discovery(args) = cli.unwrap().command else {
            panic!("not discovery");
        };
        assert_eq!(
            (args.domain.as_str(), args.grpc_addr.as_str()),
            ("example.org", ":1")
        );
        assert_eq!(args.secure_grpc_addr, "");
    }

    #[test]
    fn a_directory_and_a_cluster_exclude_each_other() {
        let with = |more: &[&str]| {
            let all = ["pilot", "discovery", "--configDir", "d"];
            Cli::try_parse_from(all.iter().chain(more))
        };
        assert!(with(&[]).is_ok());
        for more in [["--kubeconfig", "f"], ["--registries", "Kubernetes"]] {
            let message = with(&more).unwrap_err().to_string();
            assert!(message.contains("cannot be used with"), "{message}");
        }
    }

    #[test]
    fn a_registry_that_there_is_not_is_an_error_that_names_those_there_are() {
        let parsed = Cli::try_parse_from(["pilot", "discovery", "--registries", "Consul"]);
        let message = parsed.unwrap_err().to_string();
        assert!(message.contains("Kubernetes"), "{message}");
    }

    #[test]
    fn help_shows_examples() {
        let mut cli = Cli::command();
        let help = cli
            .find_subcommand_mut("discovery")
            .unwrap()
            .render_long_help();
        assert!(help.to_string().contains("Examples:"));
    }
}
