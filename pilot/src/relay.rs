//! CreateCertificate, handed on to the ca: workloads know one address for configuration and
//! certificates. The ca decides; the relay says over mutual TLS who called.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use ca_api::istio_certificate_service_client::IstioCertificateServiceClient;
use ca_api::istio_certificate_service_server::IstioCertificateService;
use ca_api::{IstioCertificateRequest, IstioCertificateResponse};
use identity::caller::{Authentication, Authenticator};
use identity::forwarded;
use identity::incoming::Peer;
use tokio::sync::Semaphore;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

/// The most requests that are with the ca at a time.
const CONCURRENT: usize = 256;
/// The longest time that the ca may take.
const TIME: Duration = Duration::from_secs(10);

/// The way to the ca; `None` until there is a certificate to go it with. Replaced at each rotation,
/// because a connection keeps the certificate that it was made with.
pub type CaChannel = Arc<ArcSwapOption<Channel>>;

/// The service.
#[derive(Debug)]
pub struct Relay {
    authenticator: Arc<Authenticator>,
    ca: CaChannel,
    places: Semaphore,
}

impl Relay {
    /// Relays for callers that the authenticator knows.
    pub fn new(authenticator: Arc<Authenticator>, ca: CaChannel) -> Self {
        Self {
            authenticator,
            ca,
            places: Semaphore::new(CONCURRENT),
        }
    }

    /// The caller's credential as the ca takes it from a forwarder: a token as it is, an identity
    /// proved by certificate by name. Nothing else of the caller's metadata is handed on.
    async fn credential(&self, peer: &Peer, from: &MetadataMap) -> Result<MetadataMap, Status> {
        let caller = self.authenticator.authenticate(peer, from).await?;
        let mut to = MetadataMap::new();
        match caller.by {
            Authentication::Token => {
                // Without any credential of the caller's the ca would take the request for the pilot's own.
                let mut token = from
                    .get("authorization")
                    .cloned()
                    .ok_or_else(|| Status::internal("the caller's token is not there any more"))?;
                token.set_sensitive(true);
                to.insert("authorization", token);
            }
            Authentication::ClientCertificate | Authentication::ForwardedCertificate => {
                let value = forwarded::value(&caller.id)
                    .parse()
                    .map_err(|_| Status::internal("an identity that is not ASCII"))?;
                to.insert(forwarded::HEADER, value);
            }
        }
        Ok(to)
    }
}

#[tonic::async_trait]
impl IstioCertificateService for Relay {
    async fn create_certificate(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<Response<IstioCertificateResponse>, Status> {
        let peer = request
            .extensions()
            .get::<Peer>()
            .cloned()
            .ok_or_else(|| Status::internal("the connection has no peer"))?;
        let metadata = self.credential(&peer, request.metadata()).await?;
        let Ok(_place) = self.places.try_acquire() else {
            return Err(Status::resource_exhausted(
                "too many certificate requests at once; ask again",
            ));
        };
        let channel = self.ca.load_full().ok_or_else(|| {
            Status::unavailable("istiod has no certificate of its own yet; ask again")
        })?;
        let mut relayed = Request::new(request.into_inner());
        *relayed.metadata_mut() = metadata;
        relayed.set_timeout(TIME);
        let mut ca = IstioCertificateServiceClient::new((*channel).clone());
        match tokio::time::timeout(TIME, ca.create_certificate(relayed)).await {
            Ok(Ok(response)) => Ok(Response::new(response.into_inner())),
            // The ca's own words, without its metadata.
            Ok(Err(status)) => Err(Status::new(status.code(), status.message())),
            Err(_) => Err(Status::unavailable(
                "the ca did not answer within 10 s; ask again",
            )),
        }
    }
}
