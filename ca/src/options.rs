//! The command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use identity::{SpiffeId, TrustDomain};

use crate::authorize::ServiceAccount;
use crate::issue::MAX_LIFETIME;

const EXAMPLES: &str = "Examples:
  A mesh on one machine, its service-account tokens signed by the keys in jwks.json:
    ca --dataDir /var/lib/ca --jwksFile /var/run/lateen/jwks/jwks.json \\
       --tokenIssuer https://kubernetes.default.svc.cluster.local

  Give the pilot the name that proxies dial, and let it relay requests:
    ca ... --dnsNames istio-system/istiod=istiod.istio-system.svc,istiod.istio-system.svc.cluster.local \\
           --trustedForwarders spiffe://cluster.local/ns/istio-system/sa/istiod

  In a cluster, which keeps the root and knows whose a token is:
    ca --rootSecret istio-ca-secret --tokenReview

  Issue short-lived certificates, to watch rotation:
    ca ... --workloadCertTTL 2m";

/// The certificate authority of a mesh: answers istio.v1.auth.IstioCertificateService over TLS.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "ca", version, after_help = EXAMPLES)]
pub struct Options {
    /// Where to serve certificates, as host:port
    #[arg(long, default_value = "0.0.0.0:15012")]
    pub listen: String,

    /// Where to serve /metrics and /ready, as host:port
    #[arg(long = "monitoringAddr", default_value = "0.0.0.0:15014")]
    pub monitoring_addr: String,

    /// Directory of the root: ca-key.pem, ca-cert.pem and root-cert.pem are made there at the first start and used
    /// from then on
    #[arg(long = "dataDir", default_value = "/var/lib/ca")]
    pub data_dir: PathBuf,

    /// Secret of this namespace to keep the root in instead of a directory: ca-key.pem and ca-cert.pem. The root
    /// certificate is then published as ConfigMap istio-ca-root-cert in every namespace
    #[arg(long = "rootSecret", value_name = "NAME", conflicts_with = "data_dir")]
    pub root_secret: Option<String>,

    /// Ask the cluster about service-account tokens (TokenReview)
    #[arg(long = "tokenReview", conflicts_with = "jwks_file")]
    pub token_review: bool,

    /// Use a Kubernetes configuration file instead of the pod's service account
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Trust domain of all identities
    #[arg(
        long = "trustDomain",
        env = "TRUST_DOMAIN",
        default_value = "cluster.local"
    )]
    pub trust_domain: TrustDomain,

    /// JSON Web Key Set to check service-account tokens with; read again when it changes. Without it only client
    /// certificates are accepted
    #[arg(long = "jwksFile", env = "JWKS_FILE")]
    pub jwks_file: Option<PathBuf>,

    /// Issuer that tokens must have; without it any that the key set's keys have signed
    #[arg(long = "tokenIssuer", env = "TOKEN_ISSUER")]
    pub token_issuer: Option<String>,

    /// Audiences of which a token must have one
    #[arg(
        long = "tokenAudiences",
        env = "TOKEN_AUDIENCES",
        value_delimiter = ',',
        default_value = "istio-ca"
    )]
    pub token_audiences: Vec<String>,

    /// Accounts, as namespace/name, that may ask for certificates of other workloads (node agents such as ztunnel)
    #[arg(
        long = "trustedNodeAccounts",
        env = "CA_TRUSTED_NODE_ACCOUNTS",
        value_delimiter = ','
    )]
    pub trusted_node_accounts: Vec<ServiceAccount>,

    /// SPIFFE ids of relays that may name their caller in x-forwarded-client-cert or hand on its token
    #[arg(long = "trustedForwarders", value_delimiter = ',')]
    pub trusted_forwarders: Vec<SpiffeId>,

    /// DNS names for the certificates of one account, as namespace/name=NAME[,NAME...]; may be repeated
    #[arg(long = "dnsNames", value_name = "ACCOUNT=NAMES")]
    pub dns_names: Vec<AccountNames>,

    /// Lifetime of certificates when none is asked for
    #[arg(long = "workloadCertTTL", env = "DEFAULT_WORKLOAD_CERT_TTL", default_value = "24h", value_parser = lifetime)]
    pub workload_cert_ttl: Duration,

    /// Longest lifetime of certificates, at most 2160h (90 days)
    #[arg(long = "maxWorkloadCertTTL", env = "MAX_WORKLOAD_CERT_TTL", default_value = "2160h", value_parser = lifetime)]
    pub max_workload_cert_ttl: Duration,

    /// Lifetime of the root, from when it is made or renewed
    #[arg(long = "rootCertTTL", env = "CITADEL_SELF_SIGNED_CA_CERT_TTL", default_value = "87600h", value_parser = root_lifetime)]
    pub root_cert_ttl: Duration,

    /// Part of the root's lifetime, in percent, that is left when it is renewed with the same key
    #[arg(
        long = "rootCertGracePercent",
        env = "CITADEL_SELF_SIGNED_ROOT_CERT_GRACE_PERIOD_PERCENTILE",
        default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..=99)
    )]
    pub root_cert_grace_percent: u32,

    /// How often to look whether the root is to be renewed
    #[arg(long = "rootCertCheckInterval", env = "CITADEL_SELF_SIGNED_ROOT_CERT_CHECK_INTERVAL", default_value = "1h", value_parser = process::duration::parse)]
    pub root_cert_check_interval: Duration,

    /// DNS names in the certificate that the ca serves with [default: ca.NAMESPACE.svc and
    /// ca.NAMESPACE.svc.cluster.local]
    #[arg(long = "serverNames", value_delimiter = ',', value_parser = dns_name)]
    pub server_names: Vec<String>,

    /// Lifetime of the certificate that the ca serves with; replaced in the middle of it
    #[arg(long = "serverCertTTL", default_value = "24h", value_parser = lifetime)]
    pub server_cert_ttl: Duration,

    /// Namespace that the ca runs in
    #[arg(long, env = "POD_NAMESPACE", default_value = "istio-system")]
    pub namespace: String,

    /// Service account that the ca runs as
    #[arg(long = "serviceAccount", env = "SERVICE_ACCOUNT", default_value = "ca")]
    pub service_account: String,

    #[allow(missing_docs)]
    #[command(flatten)]
    pub log: process::logging::LogArgs,
}

impl Options {
    /// The names to serve under.
    pub(crate) fn served_names(&self) -> Vec<String> {
        if !self.server_names.is_empty() {
            return self.server_names.clone();
        }
        let service = format!("ca.{}.svc", self.namespace);
        vec![format!("{service}.cluster.local"), service]
    }
}

/// The DNS names of one account's certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountNames {
    /// Whose.
    pub account: ServiceAccount,
    /// At least one.
    pub names: Vec<String>,
}

impl FromStr for AccountNames {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (account, names) = text.split_once('=').ok_or_else(|| {
            format!("{text:?} is not namespace/account=NAME[,NAME...], for example istio-system/istiod=istiod.istio-system.svc")
        })?;
        let names = names.split(',').map(dns_name).collect::<Result<_, _>>()?;
        Ok(Self {
            account: account.parse()?,
            names,
        })
    }
}

/// A DNS name as a certificate holds it, without wildcards.
fn dns_name(text: &str) -> Result<String, String> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() <= 253 && text.split('.').all(label) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{text:?} is not a DNS name in lower case, for example istiod.istio-system.svc"
    ))
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let lifetime = process::duration::parse(text)?;
    if lifetime < Duration::from_secs(1) || lifetime > MAX_LIFETIME {
        return Err(format!(
            "{text} is not between 1s and {}h",
            MAX_LIFETIME.as_secs() / 3600
        ));
    }
    Ok(lifetime)
}

/// Up to a hundred years: later times are hard to write into a certificate.
fn root_lifetime(text: &str) -> Result<Duration, String> {
    const MAX: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    let lifetime = process::duration::parse(text)?;
    if lifetime < Duration::from_secs(1) || lifetime > MAX {
        return Err(format!(
            "{text} is not between 1s and {}h",
            MAX.as_secs() / 3600
        ));
    }
    Ok(lifetime)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use clap::{CommandFactory, Parser};

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, clap::Error> {
        Options::try_parse_from([&["ca"], arguments].concat())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn everything_has_istios_defaults() {
        let options = parse(&[]).unwrap();
        assert_eq!(options.token_audiences, ["istio-ca"]);
        assert_eq!(options.trust_domain.as_str(), "cluster.local");
        assert_eq!(options.workload_cert_ttl, Duration::from_secs(86400));
        assert_eq!(options.max_workload_cert_ttl, MAX_LIFETIME);
        assert_eq!(options.root_cert_ttl, crate::root::LIFETIME);
        assert_eq!(options.root_cert_grace_percent, 20);
        assert_eq!(options.root_cert_check_interval.as_secs(), 3600);
        assert_eq!(
            options.served_names(),
            ["ca.istio-system.svc.cluster.local", "ca.istio-system.svc"]
        );
    }

    #[test]
    fn accounts_with_dns_names_can_be_repeated() {
        let options = parse(&[
            "--dnsNames",
            "istio-system/istiod=a.svc,b.svc",
            "--dnsNames",
            "x/y=c",
        ])
        .unwrap();
        assert_eq!(
            options.dns_names[0].account.to_string(),
            "istio-system/istiod"
        );
        assert_eq!(options.dns_names[0].names, ["a.svc", "b.svc"]);
        assert_eq!(options.dns_names[1].names, ["c"]);
    }

    #[test]
    fn a_value_that_cannot_be_used_is_refused_with_its_flag() {
        for (flag, value) in [
            ("--trustDomain", "A b"),
            ("--trustedNodeAccounts", "ztunnel"),
            ("--trustedForwarders", "istiod"),
            ("--dnsNames", "istio-system/istiod"),
            ("--dnsNames", "istio-system/istiod=*.svc"),
            ("--dnsNames", "istio-system/istiod="),
            ("--workloadCertTTL", "24"),
            ("--maxWorkloadCertTTL", "2161h"),
            ("--serverCertTTL", "0"),
            ("--rootCertTTL", "0"),
            ("--rootCertGracePercent", "100"),
        ] {
            let error = parse(&[flag, value]).unwrap_err().to_string();
            assert!(error.contains(flag), "{flag} {value}: {error}");
        }
    }
}
