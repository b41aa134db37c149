//! How the agent reaches the control plane: over TLS against the mounted root, showing the
//! service-account token or, where there is none, the workload's certificate.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use identity::bundle::WorkloadCertificate;
use identity::cert::{self, CertError};
use identity::channel::{self, TargetError};
use identity::tls::{ClientTls, Expected, TlsError};
use rustls::pki_types::ServerName;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::transport::{Channel, Endpoint};

/// The pilot's port without TLS; only for networks that are secured otherwise.
const PLAINTEXT_PORT: &str = ":15010";
/// The longest time for connecting without TLS.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How often a silent connection is probed, and how long an answer may take.
const PROBE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// A service-account token is a few kilobytes; a larger file is something else.
const LONGEST_TOKEN: usize = 64 * 1024;

/// One service of the control plane and the files that open it. They are read anew at each use:
/// the kubelet replaces tokens and roots while the pod runs.
#[derive(Debug, Clone)]
pub struct ControlPlane {
    /// `host:port`.
    pub address: String,
    /// The name its certificate must have, if not the address's host (`ISTIOD_SAN`).
    pub server_name: Option<String>,
    /// PEM file of the roots that its certificate may come from.
    pub root: PathBuf,
    /// File of the service-account token.
    pub token: PathBuf,
}

/// Why the control plane cannot even be asked.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A mounted file cannot be read.
    #[error("cannot read {path}: {source} ({advice})")]
    File {
        /// The file.
        path: String,
        /// What reading it met.
        source: io::Error,
        /// Where the file should come from.
        advice: &'static str,
    },
    /// The root file holds no certificates.
    #[error("{0}: {1}")]
    Root(String, CertError),
    /// The token file holds something else.
    #[error("{0} does not hold a token: it must be one line of at most 64 KiB")]
    Token(String),
    /// Neither a token nor a certificate is there to show.
    #[error(
        "{0} does not exist and there is no valid certificate to show instead; mount a service-account token with audience istio-ca"
    )]
    NoCredential(String),
    /// The address cannot be dialled.
    #[error(transparent)]
    Address(#[from] TargetError),
    /// The host of the address is not a name that a certificate can have.
    #[error("{0}: its host is not a DNS name or IP address")]
    Host(String),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What the agent shows to the control plane.
pub struct Access {
    /// The connection, made on first use.
    pub channel: Channel,
    token: Option<MetadataValue<Ascii>>,
}

impl Access {
    /// Adds the token, if that is what is shown, to a request.
    pub fn authorize(&self, metadata: &mut MetadataMap) {
        if let Some(token) = &self.token {
            metadata.insert("authorization", token.clone());
        }
    }
}

impl ControlPlane {
    /// A connection with what is on disk now. `certificate` is shown when there is no token.
    ///
    /// # Errors
    /// [`AccessError`] names the file or address and the fix. Whether the other end answers shows
    /// at the first request.
    pub fn access(&self, certificate: Option<WorkloadCertificate>) -> Result<Access, AccessError> {
        let token = self.token()?;
        if self.address.ends_with(PLAINTEXT_PORT) {
            let endpoint = Endpoint::from_shared(format!("http://{}", self.address))
                .map_err(|_| TargetError {
                    target: self.address.clone(),
                })?
                .connect_timeout(CONNECT_TIME)
                .tcp_nodelay(true)
                .http2_keep_alive_interval(PROBE.0)
                .keep_alive_timeout(PROBE.1)
                .keep_alive_while_idle(true);
            return Ok(Access {
                channel: endpoint.connect_lazy(),
                token: None,
            });
        }
        if token.is_none() && certificate.is_none() {
            return Err(AccessError::NoCredential(self.token.display().to_string()));
        }
        let shown = if token.is_some() { None } else { certificate };
        let tls = ClientTls::new(&self.roots()?, shown, Expected::Dns(self.name()?))?;
        Ok(Access {
            channel: channel::connect(&self.address, Arc::new(tls))?,
            token,
        })
    }

    fn name(&self) -> Result<ServerName<'static>, AccessError> {
        let host = match &self.server_name {
            Some(name) => name.as_str(),
            None => self
                .address
                .rsplit_once(':')
                .map_or(&*self.address, |p| p.0),
        };
        ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|_| AccessError::Host(self.address.clone()))
    }

    fn roots(&self) -> Result<Vec<rustls::pki_types::CertificateDer<'static>>, AccessError> {
        let pem = std::fs::read(&self.root).map_err(|source| AccessError::File {
            path: self.root.display().to_string(),
            source,
            advice: "it is mounted from ConfigMap istio-ca-root-cert",
        })?;
        cert::parse_chain(&pem)
            .map_err(|error| AccessError::Root(self.root.display().to_string(), error))
    }

    /// The token as a header, marked sensitive so that no log shows it; `None` without a file.
    fn token(&self) -> Result<Option<MetadataValue<Ascii>>, AccessError> {
        let text = match std::fs::read_to_string(&self.token) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(AccessError::File {
                    path: self.token.display().to_string(),
                    source,
                    advice: "it is the projected service-account token, readable by user 1337",
                });
            }
        };
        let token = text.trim();
        let unusable = || AccessError::Token(self.token.display().to_string());
        if token.is_empty() || token.len() > LONGEST_TOKEN {
            return Err(unusable());
        }
        let mut value: MetadataValue<Ascii> =
            format!("Bearer {token}").parse().map_err(|_| unusable())?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn plane(directory: &std::path::Path) -> ControlPlane {
        ControlPlane {
            address: "istiod.istio-system.svc:15012".into(),
            server_name: None,
            root: directory.join("root-cert.pem"),
            token: directory.join("istio-token"),
        }
    }

    #[test]
    fn a_missing_root_is_named_with_where_it_comes_from() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("istio-token"), "abc").unwrap();
        let message = plane(directory.path())
            .access(None)
            .err()
            .unwrap()
            .to_string();
        assert!(message.contains("root-cert.pem"), "{message}");
        assert!(message.contains("istio-ca-root-cert"), "{message}");
    }

    #[test]
    fn without_token_and_certificate_there_is_nothing_to_show() {
        let directory = tempfile::tempdir().unwrap();
        let message = plane(directory.path())
            .access(None)
            .err()
            .unwrap()
            .to_string();
        assert!(message.contains("istio-token"), "{message}");
    }

    #[test]
    fn the_token_is_read_anew_and_never_shown_by_debug() {
        let directory = tempfile::tempdir().unwrap();
        let plane = plane(directory.path());
        for secret in ["first-secret", "second-secret"] {
            std::fs::write(directory.path().join("istio-token"), format!("{secret}\n")).unwrap();
            let value = plane.token().unwrap().unwrap();
            assert_eq!(value.to_str().unwrap(), format!("Bearer {secret}"));
            assert!(!format!("{value:?}").contains(secret));
        }
    }

    #[test]
    fn a_token_file_with_something_else_in_it_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        for content in ["", "two\nlines"] {
            std::fs::write(directory.path().join("istio-token"), content).unwrap();
            let error = plane(directory.path()).token().err().unwrap();
            assert!(matches!(error, AccessError::Token(_)), "{error}");
        }
    }
}
