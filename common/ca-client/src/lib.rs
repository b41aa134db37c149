//! The certificate that a part of the control plane serves with: asked of the ca with the pod's token, and replaced at
//! half-life without closing anything. While the ca is gone the old one stays in use.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ca_api::IstioCertificateRequest;
use ca_api::istio_certificate_service_client::IstioCertificateServiceClient;
use identity::SpiffeId;
use identity::bundle::WorkloadCertificate;
use identity::cert::{self, Validity};
use identity::csr;
use identity::tls::{ClientAuth, ClientTls, Expected, ServerTls};
use rustls::pki_types::ServerName;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::transport::Channel;

/// The first pause after a failure; doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest sleep between two looks at the clock: a sleep does not notice that the clock was set
/// or the machine suspended.
const LOOK: Duration = Duration::from_secs(60);
/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The longest time that one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(15);
/// The shortest time between two rotations, however short the ca makes certificates.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);
/// What is asked for; the ca may give less.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Where the certificate comes from.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// `host:port` of the ca.
    pub address: String,
    /// The roots that the ca's own certificate is checked against.
    pub root_file: PathBuf,
    /// The service-account token that is sent to the ca.
    pub token_file: PathBuf,
    /// The identity that is asked for; the ca takes it from the token.
    pub identity: SpiffeId,
}

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// A file is missing or cannot be read.
    #[error("{what} {path}: {source}")]
    File {
        /// What the file is.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something is not a certificate or key.
    #[error("{what}: {source}")]
    Certificate {
        /// What it was to be.
        what: &'static str,
        /// What is wrong with it.
        source: cert::CertError,
    },
    /// TLS cannot be set up with it.
    #[error(transparent)]
    Tls(#[from] identity::tls::TlsError),
    /// No request could be made.
    #[error(transparent)]
    Csr(#[from] csr::CsrError),
    /// The ca's address cannot be used.
    #[error("--caAddress: {0}")]
    Address(String),
    /// The ca refused or cannot be reached.
    #[error("the ca at {address} says {code:?}: {message}")]
    Refused {
        /// The ca.
        address: String,
        /// The gRPC status.
        code: tonic::Code,
        /// Its message.
        message: String,
    },
    /// The ca's certificate is not valid now.
    #[error(
        "the ca sent a certificate that is not valid now; compare the clocks of this node and the ca's"
    )]
    Clock,
    /// The ca did not answer in time.
    #[error("the ca at {0} did not answer within 15 s")]
    Slow(String),
}

impl Issuer {
    fn server_name(&self) -> Result<ServerName<'static>, IssueError> {
        let host = self
            .address
            .rsplit_once(':')
            .map_or(self.address.as_str(), |(host, _)| host);
        ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|_| IssueError::Address(format!("{host:?} is not a host name")))
    }

    fn channel(
        &self,
        roots: &[u8],
        certificate: Option<WorkloadCertificate>,
    ) -> Result<Channel, IssueError> {
        let roots = parse("the roots of trust", roots)?;
        let expected = Expected::Dns(self.server_name()?);
        let tls = Arc::new(ClientTls::new(&roots, certificate, expected)?);
        identity::channel::connect(&self.address, tls)
            .map_err(|error| IssueError::Address(error.to_string()))
    }

    async fn issue(&self) -> Result<(WorkloadCertificate, Validity, Channel), IssueError> {
        let roots = read("root certificate (--caRootFile)", &self.root_file)?;
        let token = read("token (--tokenFile)", &self.token_file)?;
        let token = String::from_utf8_lossy(&token).trim().to_owned();
        let (key, csr) = csr::generate(&self.identity.to_string())?;
        let mut request = Request::new(IstioCertificateRequest {
            csr: csr.into_string(),
            validity_duration: i64::try_from(LIFETIME.as_secs()).unwrap_or(i64::MAX),
            metadata: None,
        });
        let mut bearer: tonic::metadata::MetadataValue<_> = format!("Bearer {token}")
            .parse()
            .map_err(|_| IssueError::File {
                what: "token (--tokenFile)",
                path: self.token_file.clone(),
                source: std::io::Error::other("holds characters that no token has"),
            })?;
        bearer.set_sensitive(true);
        request.metadata_mut().insert("authorization", bearer);
        let mut ca = IstioCertificateServiceClient::new(self.channel(&roots, None)?);
        let answer = tokio::time::timeout(ATTEMPT, ca.create_certificate(request))
            .await
            .map_err(|_| IssueError::Slow(self.address.clone()))?
            .map_err(|status| IssueError::Refused {
                address: self.address.clone(),
                code: status.code(),
                message: status.message().to_owned(),
            })?;
        // Some authorities leave out the last line end.
        let chain = answer.into_inner().cert_chain.join("\n");
        let certificate =
            WorkloadCertificate::from_pem(chain.as_bytes(), &key, &roots).map_err(|source| {
                IssueError::Certificate {
                    what: "the certificate from the ca",
                    source,
                }
            })?;
        let validity = certificate
            .validity()
            .map_err(|source| IssueError::Certificate {
                what: "the certificate from the ca",
                source,
            })?;
        // Who served with it now would be refused by everyone.
        if !validity.contains(SystemTime::now()) {
            return Err(IssueError::Clock);
        }
        let channel = self.channel(&roots, Some(certificate.clone()))?;
        Ok((certificate, validity, channel))
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, IssueError> {
    std::fs::read(path).map_err(|source| IssueError::File {
        what,
        path: path.to_owned(),
        source,
    })
}

fn parse(
    what: &'static str,
    pem: &[u8],
) -> Result<Vec<rustls::pki_types::CertificateDer<'static>>, IssueError> {
    cert::parse_chain(pem).map_err(|source| IssueError::Certificate { what, source })
}

/// The certificate that is served now; `None` until the first was issued.
pub type Serving = watch::Receiver<Option<Arc<ServerTls>>>;

/// Where the certificate that is served appears.
pub type Served = watch::Sender<Option<Arc<ServerTls>>>;

/// What TLS servers with the certificate ask and offer.
#[derive(Debug, Clone)]
pub struct Server {
    /// Whether clients show certificates.
    pub client_auth: ClientAuth,
    /// Application protocols, the preferred one first.
    pub alpn: &'static [&'static [u8]],
}

/// Keeps a certificate until `shutdown`: it appears in `served` once the first was issued, and is then replaced in
/// place. `rotated` is given a channel to the ca that shows each new certificate.
pub fn keep(
    issuer: Issuer,
    server: Server,
    served: Served,
    rotated: impl Fn(Channel) + Send + Sync + 'static,
    shutdown: CancellationToken,
) {
    tokio::spawn(async move {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = rotate(&issuer, &server, &served, &rotated) => {}
        }
    });
}

async fn rotate(
    issuer: &Issuer,
    server: &Server,
    served: &Served,
    rotated: &(impl Fn(Channel) + Sync),
) {
    let mut pause = FIRST_PAUSE;
    loop {
        match renew(issuer, server, served).await {
            Ok((due, channel)) => {
                rotated(channel);
                pause = FIRST_PAUSE;
                until(due).await;
            }
            Err(error) => {
                tracing::warn!("no certificate from the ca, trying again in {pause:?}: {error}");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Waits until the clock on the wall shows this time.
async fn until(due: SystemTime) {
    while let Ok(left) = due.duration_since(SystemTime::now()) {
        tokio::time::sleep(left.min(LOOK)).await;
    }
}

/// One rotation; when the next is due, and a channel to the ca.
async fn renew(
    issuer: &Issuer,
    server: &Server,
    served: &Served,
) -> Result<(SystemTime, Channel), IssueError> {
    let (certificate, validity, channel) = issuer.issue().await?;
    let current = served.borrow().clone();
    match current {
        Some(tls) => tls.replace(certificate)?,
        None => {
            let tls = ServerTls::new(certificate, server.client_auth, server.alpn)?;
            served.send_replace(Some(Arc::new(tls)));
        }
    }
    let due = validity.half_life().max(SystemTime::now() + SHORTEST_LIFE);
    let wait = due.duration_since(SystemTime::now()).unwrap_or_default();
    tracing::info!("a new certificate is in use; the next is asked for in {wait:?}");
    Ok((due, channel))
}
