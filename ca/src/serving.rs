//! The authority's own certificate: made by itself, replaced in the middle of its life without a restart.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use identity::bundle::WorkloadCertificate;
use identity::cert::CertError;
use identity::csr::KeyPem;
use identity::tls::{ALPN_H2, ClientAuth, ServerTls, TlsError};
use rcgen::KeyPair;
use tokio_util::sync::CancellationToken;

use crate::authorize::Subject;
use crate::issue::{IssueError, issue_for};
use crate::root::keeper::CurrentRoot;

/// The longest sleep between two looks at the clock: a sleep does not notice that the clock was set or the machine
/// suspended.
const LOOK: Duration = Duration::from_secs(60);
/// The shortest, also after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// It could not be issued.
    #[error("cannot issue the certificate to serve with: {0}")]
    Issue(#[from] IssueError),
    /// It could not be read back.
    #[error("cannot read the certificate to serve with: {0}")]
    Read(#[from] CertError),
    /// TLS refuses it.
    #[error("cannot serve with the certificate: {0}")]
    Tls(#[from] TlsError),
}

/// What to serve as.
pub(crate) struct Serving {
    pub(crate) root: CurrentRoot,
    pub(crate) subject: Subject,
    pub(crate) lifetime: Duration,
}

impl Serving {
    /// TLS settings with a first certificate, and when that is due to be replaced.
    pub(crate) fn begin(&self) -> Result<(Arc<ServerTls>, SystemTime), ServingError> {
        let (certificate, due) = self.certificate(SystemTime::now())?;
        let tls = ServerTls::new(certificate, ClientAuth::Optional, &[ALPN_H2])?;
        Ok((Arc::new(tls), due))
    }

    /// Replaces the certificate whenever it is due, until shutdown.
    pub(crate) async fn keep_fresh(
        self,
        tls: Arc<ServerTls>,
        mut due: SystemTime,
        shutdown: CancellationToken,
    ) {
        loop {
            let wait = due
                .duration_since(SystemTime::now())
                .unwrap_or_default()
                .clamp(PAUSE, LOOK);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            if SystemTime::now() < due {
                continue;
            }
            match self.replace(&tls) {
                Ok(next) => {
                    due = next;
                    tracing::info!("replaced the serving certificate");
                }
                Err(error) => {
                    tracing::error!(%error, "the serving certificate is overdue; trying again")
                }
            }
        }
    }

    fn replace(&self, tls: &ServerTls) -> Result<SystemTime, ServingError> {
        let (certificate, due) = self.certificate(SystemTime::now())?;
        tls.replace(certificate)?;
        Ok(due)
    }

    fn certificate(
        &self,
        now: SystemTime,
    ) -> Result<(WorkloadCertificate, SystemTime), ServingError> {
        let key =
            KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(IssueError::Sign)?;
        let root = self.root.load();
        let issued = issue_for(&root, &key, false, &self.subject, self.lifetime, now)?;
        // Clients have the root already: only the leaf is sent.
        let leaf = issued
            .chain
            .first()
            .map(String::as_bytes)
            .unwrap_or_default();
        let certificate = WorkloadCertificate::from_pem(
            leaf,
            &KeyPem::new(key.serialize_pem()),
            root.pem().as_bytes(),
        )?;
        Ok((certificate, issued.validity.half_life()))
    }
}
