//! The certificate service on the wire: each request authenticated, authorized, checked and signed, or refused with a
//! status that says what was wrong.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use ca_api::istio_certificate_service_server::IstioCertificateService;
use ca_api::{IstioCertificateRequest, IstioCertificateResponse};
use identity::caller::{AuthenticationError, Authenticator, Caller};
use identity::incoming::Peer;
use process::logging::Sparingly;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

use crate::authorize::{Policy, Refusal};
use crate::issue::{IssueError, Issued, Lifetimes, issue};
use crate::metric;
use crate::request::{self, CsrError};
use crate::root::Root;

/// Refusals are told of once a second: anybody can ask.
static REFUSED: Sparingly = Sparingly::new();

/// How much is done at a time.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests being worked on: each keeps one CPU busy.
    pub working: usize,
    /// Requests accepted and not yet answered, those being worked on included. More are refused with
    /// `RESOURCE_EXHAUSTED`, and agents try again.
    pub accepted: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            working: cpus,
            accepted: 4096,
        }
    }
}

/// All that the decision about one request needs.
#[derive(Debug)]
pub struct Authority {
    /// Signs.
    pub root: Arc<ArcSwap<Root>>,
    /// Says who calls.
    pub authenticator: Authenticator,
    /// Says what the caller may have.
    pub policy: Policy,
    /// Says for how long.
    pub lifetimes: Lifetimes,
}

/// Why a request was not answered with a certificate.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Caller(#[from] AuthenticationError),
    #[error(transparent)]
    Policy(#[from] Refusal),
    #[error(transparent)]
    Csr(#[from] CsrError),
    #[error(transparent)]
    Issue(#[from] IssueError),
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        let message = refused.to_string();
        match refused {
            Refused::Caller(error) => error.into(),
            Refused::Policy(Refusal::NotTrusted(_) | Refusal::ForeignTrustDomain { .. }) => {
                Status::permission_denied(message)
            }
            Refused::Policy(Refusal::Identity(_) | Refusal::Signer(_))
            | Refused::Csr(_)
            | Refused::Issue(IssueError::NegativeLifetime(_)) => Status::invalid_argument(message),
            Refused::Issue(IssueError::RootExpired) => Status::failed_precondition(message),
            Refused::Issue(_) => Status::internal(message),
        }
    }
}

impl Authority {
    /// Answers one request: nothing is signed before every check has passed.
    fn answer(
        &self,
        peer: &Peer,
        caller: Result<Caller, AuthenticationError>,
        request: &IstioCertificateRequest,
        now: SystemTime,
    ) -> Result<Issued, Refused> {
        let caller = caller?;
        let subject = self.policy.authorize(&caller, request.metadata.as_ref())?;
        let key = request::parse(&request.csr)?;
        let lifetime = self.lifetimes.grant(request.validity_duration)?;
        let issued = issue(&self.root.load(), &key, &subject, lifetime, now)?;
        tracing::info!(id = %subject.id, caller = %caller.id, by = ?caller.by, peer = %peer.addr,
            seconds = lifetime.as_secs(), "issued a certificate");
        Ok(issued)
    }
}

/// The service.
#[derive(Debug)]
pub struct CertificateService {
    authority: Arc<Authority>,
    accepted: Arc<Semaphore>,
    working: Arc<Semaphore>,
}

impl CertificateService {
    /// A service that answers as `authority` decides, within `limits`.
    pub fn new(authority: Authority, limits: Limits) -> Self {
        Self {
            authority: Arc::new(authority),
            accepted: Arc::new(Semaphore::new(limits.accepted)),
            working: Arc::new(Semaphore::new(limits.working)),
        }
    }
}

#[tonic::async_trait]
impl IstioCertificateService for CertificateService {
    async fn create_certificate(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<Response<IstioCertificateResponse>, Status> {
        metric::request();
        let busy = |_| {
            Status::resource_exhausted(
                "too many requests are waiting for a certificate: try again later",
            )
        };
        let accepted = self.accepted.clone().try_acquire_owned().map_err(busy)?;
        let stopping = |_| Status::unavailable("shutting down");
        let working = self
            .working
            .clone()
            .acquire_owned()
            .await
            .map_err(stopping)?;
        let authority = self.authority.clone();
        let peer = request
            .extensions()
            .get::<Peer>()
            .cloned()
            .ok_or_else(|| Status::internal("the connection has no peer"))?;
        let authenticator = &authority.authenticator;
        let caller = authenticator.authenticate(&peer, request.metadata()).await;
        // Signing and reading the key set would hold up the connections that this thread also serves.
        let answered = tokio::task::spawn_blocking(move || {
            let _held = (accepted, working);
            answer(&authority, &peer, caller, &request.into_inner())
        });
        answered
            .await
            .map_err(|_| Status::internal("the request could not be worked on"))?
    }
}

fn answer(
    authority: &Authority,
    peer: &Peer,
    caller: Result<Caller, AuthenticationError>,
    message: &IstioCertificateRequest,
) -> Result<Response<IstioCertificateResponse>, Status> {
    match authority.answer(peer, caller, message, SystemTime::now()) {
        Ok(issued) => {
            metric::issued();
            Ok(Response::new(IstioCertificateResponse {
                cert_chain: issued.chain,
            }))
        }
        Err(refused) => {
            if let Some(unsaid) = REFUSED.due() {
                tracing::info!(peer = %peer.addr, reason = %refused, unsaid, "refused a certificate request");
            }
            match &refused {
                Refused::Caller(_) => metric::authentication_failed(),
                Refused::Csr(_) => metric::csr_refused(),
                Refused::Issue(_) => metric::signing_failed(),
                Refused::Policy(_) => {}
            }
            Err(refused.into())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn more_requests_than_can_wait_are_refused_with_a_status_that_invites_to_try_again() {
        let trust_domain: identity::TrustDomain = "cluster.local".parse().unwrap();
        let authority = Authority {
            root: Arc::new(ArcSwap::from_pointee(
                Root::generate(&trust_domain, crate::root::LIFETIME, SystemTime::now()).unwrap(),
            )),
            authenticator: Authenticator {
                trust_domain: trust_domain.clone(),
                tokens: None,
                audiences: Vec::new(),
                trusted_forwarders: Vec::new(),
            },
            policy: Policy {
                trust_domain,
                trusted_node_accounts: [].into(),
                dns_names: [].into(),
            },
            lifetimes: Lifetimes {
                default: crate::issue::MAX_LIFETIME,
                max: crate::issue::MAX_LIFETIME,
            },
        };
        let service = CertificateService::new(
            authority,
            Limits {
                working: 1,
                accepted: 1,
            },
        );
        let waiting = service.accepted.clone().try_acquire_owned().unwrap();
        let ask = || service.create_certificate(Request::new(IstioCertificateRequest::default()));
        let refused = ask().await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        assert!(refused.message().contains("try again"));
        drop(waiting);
        assert_ne!(
            ask().await.unwrap_err().code(),
            tonic::Code::ResourceExhausted
        );
    }
}
