//! Who calls a gRPC service: by client certificate, by service-account token, or vouched for by a trusted forwarder.

use std::sync::Arc;
use std::time::SystemTime;

use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::incoming::Peer;
use crate::jwt::{JwtError, Validator};
use crate::spiffe::SpiffeError;
use crate::{SpiffeId, TrustDomain, forwarded};

/// How a caller proved itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// By its own certificate in the TLS handshake.
    ClientCertificate,
    /// By a service-account token, sent by itself or handed on by a trusted forwarder.
    Token,
    /// To a trusted forwarder, which names it in `x-forwarded-client-cert`.
    ForwardedCertificate,
}

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub id: SpiffeId,
    /// How it is known.
    pub by: Authentication,
}

/// Why a caller is nobody. Converts to gRPC status `Unauthenticated` with the same message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    /// Neither a certificate nor a token.
    #[error(
        "no credential: present a client certificate or an `authorization: Bearer` service-account token"
    )]
    NoCredential,
    /// The `authorization` header is not one bearer token.
    #[error("the authorization metadata must be one `Bearer <token>`")]
    NotBearer,
    /// A token came and this service has no keys to check it with.
    #[error("tokens are not accepted here: no key set is configured")]
    TokensNotAccepted,
    /// The token is not good.
    #[error(transparent)]
    Token(#[from] JwtError),
    /// The cluster says that the token is not good.
    #[error("the API server does not accept the token: {0}")]
    Rejected(String),
    /// Nobody could be asked about the token: it may be good, and trying again is safe.
    #[error("the token cannot be checked now: {0}; try again later")]
    Unchecked(String),
    /// The token is good but its account cannot have a SPIFFE id.
    #[error("the token's service account cannot be an identity: {0}")]
    Account(#[from] SpiffeError),
    /// The client certificate has become too old since the handshake.
    #[error(
        "the client certificate has expired or is not valid yet: connect again with a fresh one"
    )]
    CertificateNotValid,
    /// The client certificate does not name a workload.
    #[error("the client certificate has no SPIFFE id of a workload as its only URI name")]
    CertificateWithoutIdentity,
    /// An identity of another trust domain.
    #[error("{id} is not of the trust domain {wanted}")]
    ForeignTrustDomain {
        /// Who called.
        id: SpiffeId,
        /// Whose callers are accepted.
        wanted: TrustDomain,
    },
    /// A trusted forwarder sent a header that does not name one caller.
    #[error("x-forwarded-client-cert cannot be used: {0}")]
    Forwarded(String),
}

impl From<AuthenticationError> for Status {
    fn from(error: AuthenticationError) -> Self {
        let message = error.to_string();
        match error {
            AuthenticationError::Unchecked(_) => Status::unavailable(message),
            _ => Status::unauthenticated(message),
        }
    }
}

/// Whose a service-account token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Checks service-account tokens: with keys, or by asking the cluster that made them.
#[tonic::async_trait]
pub trait Tokens: std::fmt::Debug + Send + Sync {
    /// Whose the token is, which must be for one of the audiences, at the time `now`.
    ///
    /// # Errors
    /// Why it proves nothing, or nobody can tell.
    async fn account(
        &self,
        token: &str,
        audiences: &[String],
        now: SystemTime,
    ) -> Result<Account, AuthenticationError>;
}

#[tonic::async_trait]
impl Tokens for Validator {
    async fn account(
        &self,
        token: &str,
        audiences: &[String],
        now: SystemTime,
    ) -> Result<Account, AuthenticationError> {
        let token = self.validate_at(token, audiences, now)?;
        Ok(Account {
            namespace: token.namespace,
            name: token.service_account,
        })
    }
}

/// Decides who calls.
#[derive(Debug)]
pub struct Authenticator {
    /// Whose identities are accepted, and given to token holders.
    pub trust_domain: TrustDomain,
    /// Checks tokens; none accepts no token.
    pub tokens: Option<Arc<dyn Tokens>>,
    /// The audiences of which a token must have one.
    pub audiences: Vec<String>,
    /// Who may name its own caller in `x-forwarded-client-cert` or hand on its caller's token. From all others the
    /// header counts for nothing.
    pub trusted_forwarders: Vec<SpiffeId>,
}

impl Authenticator {
    /// The caller of a request that came over `peer`'s connection with `metadata`. A client certificate goes before a
    /// token, except that a trusted forwarder's own certificate goes after what it forwards.
    ///
    /// # Errors
    /// The first thing that is wrong with the credential.
    pub async fn authenticate(
        &self,
        peer: &Peer,
        metadata: &MetadataMap,
    ) -> Result<Caller, AuthenticationError> {
        self.authenticate_at(peer, metadata, SystemTime::now())
            .await
    }

    /// As [`Authenticator::authenticate`], at the time `now`.
    ///
    /// # Errors
    /// The first thing that is wrong with the credential.
    pub async fn authenticate_at(
        &self,
        peer: &Peer,
        metadata: &MetadataMap,
        now: SystemTime,
    ) -> Result<Caller, AuthenticationError> {
        let token = bearer(metadata)?;
        let Some(certificate) = &peer.certificate else {
            let token = token.ok_or(AuthenticationError::NoCredential)?;
            return self.by_token(token, now).await;
        };
        if !certificate.is_valid_at(now) {
            return Err(AuthenticationError::CertificateNotValid);
        }
        let Some(id) = &certificate.id else {
            let token = token.ok_or(AuthenticationError::CertificateWithoutIdentity)?;
            return self.by_token(token, now).await;
        };
        self.check_domain(id)?;
        if self.trusted_forwarders.contains(id) {
            if let Some(id) = forwarded_identity(metadata)? {
                self.check_domain(&id)?;
                return Ok(Caller {
                    id,
                    by: Authentication::ForwardedCertificate,
                });
            }
            if let Some(token) = token {
                return self.by_token(token, now).await;
            }
        }
        Ok(Caller {
            id: id.clone(),
            by: Authentication::ClientCertificate,
        })
    }

    async fn by_token(&self, token: &str, now: SystemTime) -> Result<Caller, AuthenticationError> {
        let tokens = self
            .tokens
            .as_ref()
            .ok_or(AuthenticationError::TokensNotAccepted)?;
        let account = tokens.account(token, &self.audiences, now).await?;
        let id = SpiffeId::new(self.trust_domain.clone(), &account.namespace, &account.name)?;
        Ok(Caller {
            id,
            by: Authentication::Token,
        })
    }

    fn check_domain(&self, id: &SpiffeId) -> Result<(), AuthenticationError> {
        if *id.trust_domain() == self.trust_domain {
            return Ok(());
        }
        Err(AuthenticationError::ForeignTrustDomain {
            id: id.clone(),
            wanted: self.trust_domain.clone(),
        })
    }
}

/// The bearer token, if there is an `authorization` at all. Two of them would leave open which one counts.
fn bearer(metadata: &MetadataMap) -> Result<Option<&str>, AuthenticationError> {
    let mut values = metadata.get_all("authorization").iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, token)| {
                scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()
            })
            .map(|(_, token)| Some(token.trim()))
            .ok_or(AuthenticationError::NotBearer),
        (Some(_), Some(_)) => Err(AuthenticationError::NotBearer),
    }
}

fn forwarded_identity(metadata: &MetadataMap) -> Result<Option<SpiffeId>, AuthenticationError> {
    let mut values = metadata.get_all(forwarded::HEADER).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            let text = value
                .to_str()
                .map_err(|_| AuthenticationError::Forwarded("it is not text".to_owned()))?;
            forwarded::parse(text)
                .map(Some)
                .map_err(AuthenticationError::Forwarded)
        }
        (Some(_), Some(_)) => Err(AuthenticationError::Forwarded(
            "it is there more than once".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests;
