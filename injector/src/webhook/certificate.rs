//! The webhook's serving certificate: from two PEM files, or from the ca.

use std::path::PathBuf;
use std::sync::Arc;

use ca_client::{Issuer, Serving};
use identity::SpiffeId;
use identity::bundle::WorkloadCertificate;
use identity::csr::KeyPem;
use identity::tls::{ClientAuth, ServerTls};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::files;
use super::options::Options;
use super::server::ServeError;

/// The protocols of the webhook. API servers speak HTTP/2.
const ALPN: &[&[u8]] = &[b"h2", b"http/1.1"];

/// Begins to keep the certificate that `options` ask for, until `shutdown`: files are read at once, the ca gives one
/// when it can.
///
/// # Errors
/// When files cannot be read or used, or the identity for the ca is none.
pub(super) fn keep(
    options: &Options,
    trust_domain: &str,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<Serving, ServeError> {
    if let (Some(chain), Some(key)) = (&options.tls_cert_file, &options.tls_key_file) {
        let pem = Files {
            chain: chain.clone(),
            key: key.clone(),
        };
        return pem.keep(tasks, shutdown.clone());
    }
    let trust_domain = trust_domain.parse()?;
    let issuer = Issuer {
        // One of both is required.
        address: options.ca_address.clone().unwrap_or_default(),
        root_file: options.ca_root_file.clone(),
        token_file: options.token_file.clone(),
        identity: SpiffeId::new(trust_domain, &options.namespace, &options.service_account)?,
    };
    let server = ca_client::Server {
        client_auth: ClientAuth::None,
        alpn: ALPN,
    };
    let (served, serving) = watch::channel(None);
    ca_client::keep(issuer, server, served, drop, shutdown.clone());
    Ok(serving)
}

/// A file's certificate or key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("--tlsCertFile {}, --tlsKeyFile {}: {problem}", chain.display(), key.display())]
pub struct CertificateError {
    chain: PathBuf,
    key: PathBuf,
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    /// Not PEM, or nothing in it.
    #[error(transparent)]
    Pem(#[from] identity::cert::CertError),
    /// The key does not fit, mostly.
    #[error(transparent)]
    Tls(#[from] identity::tls::TlsError),
}

/// Where the certificate is.
#[derive(Debug, Clone)]
struct Files {
    chain: PathBuf,
    key: PathBuf,
}

impl Files {
    /// Reads the files, and follows them until `shutdown`.
    fn keep(self, tasks: &TaskTracker, shutdown: CancellationToken) -> Result<Serving, ServeError> {
        let (chain, key) = (files::read(&self.chain)?, files::read(&self.key)?);
        let tls = Arc::new(self.serve(&chain, &key)?);
        let (served, serving) = watch::channel(Some(tls.clone()));
        let paths = vec![self.chain.clone(), self.key.clone()];
        tasks.spawn(async move {
            let changed = move |contents: &[String]| {
                let [chain, key] = contents else { return };
                match self.replace(&tls, chain, key) {
                    Ok(()) => tracing::info!("the certificate is replaced"),
                    Err(error) => tracing::warn!(%error, "the last good certificate goes on"),
                }
            };
            files::watch(paths, vec![chain, key], shutdown, changed).await;
            drop(served);
        });
        Ok(serving)
    }

    /// Serves with the files' contents.
    fn serve(&self, chain: &str, key: &str) -> Result<ServerTls, CertificateError> {
        parse(chain, key)
            .and_then(|certificate| Ok(ServerTls::new(certificate, ClientAuth::None, ALPN)?))
            .map_err(|problem| self.error(problem))
    }

    /// Serves new connections with the files' contents.
    fn replace(&self, tls: &ServerTls, chain: &str, key: &str) -> Result<(), CertificateError> {
        parse(chain, key)
            .and_then(|certificate| Ok(tls.replace(certificate)?))
            .map_err(|problem| self.error(problem))
    }

    fn error(&self, problem: Problem) -> CertificateError {
        CertificateError {
            chain: self.chain.clone(),
            key: self.key.clone(),
            problem,
        }
    }
}

/// Parses chain and key. The API server shows no certificate, so the roots are never used; the
/// chain stands in for them.
fn parse(chain: &str, key: &str) -> Result<WorkloadCertificate, Problem> {
    Ok(WorkloadCertificate::from_pem(
        chain.as_bytes(),
        &KeyPem::new(key.to_owned()),
        chain.as_bytes(),
    )?)
}
