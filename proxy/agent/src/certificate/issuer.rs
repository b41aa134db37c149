//! Asking the certificate authority.

use std::time::{Duration, SystemTime};

use ca_api::IstioCertificateRequest;
use ca_api::istio_certificate_service_client::IstioCertificateServiceClient;
use identity::SpiffeId;
use identity::csr::{self, CsrError};
use tonic::{Request, Status};

use super::{Issued, UnusableCertificate};
use crate::control_plane::{AccessError, ControlPlane};

/// The longest time for one request, connecting included.
const TIME: Duration = Duration::from_secs(10);

/// Asks for certificates for one workload.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// The authority (`CA_ADDR`).
    pub authority: ControlPlane,
    /// Who the certificate is for.
    pub id: SpiffeId,
    /// The lifetime that is asked for (`SECRET_TTL`).
    pub lifetime: Duration,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The request could not be made.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// No key or request could be generated.
    #[error(transparent)]
    Csr(#[from] CsrError),
    /// The authority refused or could not be reached.
    #[error("the certificate authority {address}: {} ({})", status.message(), status.code().description())]
    Refused {
        /// Its `host:port`.
        address: String,
        /// What it said.
        status: Box<Status>,
    },
    /// It did not answer.
    #[error("the certificate authority {0} did not answer within {TIME:?}")]
    TimedOut(String),
    /// What it sent is of no use.
    #[error(transparent)]
    Unusable(#[from] UnusableCertificate),
}

impl Issuer {
    /// Makes a new key and asks for a certificate for it. `current` is shown where there is no
    /// token.
    ///
    /// # Errors
    /// [`IssueError`] says what stood in the way; trying again later may help with all of them.
    pub async fn issue(&self, current: Option<&Issued>) -> Result<Issued, IssueError> {
        let access = self
            .authority
            .access(current.and_then(|issued| issued.parsed().ok()))?;
        let (key, request) = csr::generate(&self.id.to_string())?;
        let mut request = Request::new(IstioCertificateRequest {
            csr: request.into_string(),
            validity_duration: i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX),
            metadata: None,
        });
        access.authorize(request.metadata_mut());
        let mut client = IstioCertificateServiceClient::new(access.channel);
        let address = || self.authority.address.clone();
        let response = tokio::time::timeout(TIME, client.create_certificate(request))
            .await
            .map_err(|_| IssueError::TimedOut(address()))?
            .map_err(|status| IssueError::Refused {
                address: address(),
                status: Box::new(status),
            })?;
        let elements = response.into_inner().cert_chain;
        Ok(Issued::from_response(key, &elements, SystemTime::now())?)
    }
}
