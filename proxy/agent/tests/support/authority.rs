//! A certificate authority that signs for one token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use ca_api::istio_certificate_service_server::{
    IstioCertificateService, IstioCertificateServiceServer,
};
use ca_api::{IstioCertificateRequest, IstioCertificateResponse};
use identity::bundle::WorkloadCertificate;
use identity::csr::KeyPem;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair,
    SanType,
};
use time::OffsetDateTime;
use tonic::{Request, Response, Status};

use super::TOKEN;

pub const IDENTITY: &str = "spiffe://cluster.local/ns/default/sa/greeter";

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: String,
    /// Lifetime of what is signed, in seconds.
    pub lifetime: AtomicU64,
    /// How far its clock is ahead of everyone's, in seconds.
    pub ahead: AtomicU64,
    /// Says no to everyone while set.
    pub refusing: AtomicBool,
    /// How often it was asked.
    pub asked: AtomicUsize,
    /// The lifetime that was asked for last, in seconds.
    pub asked_lifetime: AtomicU64,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            root,
            lifetime: AtomicU64::new(3600),
            ahead: AtomicU64::new(0),
            refusing: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            asked_lifetime: AtomicU64::new(0),
        }
    }

    pub fn root_pem(&self) -> String {
        self.root.clone()
    }

    pub fn service(self: Arc<Self>) -> IstioCertificateServiceServer<Self> {
        IstioCertificateServiceServer::from_arc(self)
    }

    pub fn server_certificate(&self, name: &str) -> WorkloadCertificate {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap().pem();
        let key = KeyPem::new(key.serialize_pem());
        WorkloadCertificate::from_pem(leaf.as_bytes(), &key, self.root.as_bytes()).unwrap()
    }

    pub fn sign(&self, csr: &str) -> Vec<String> {
        let mut request = CertificateSigningRequestParams::from_pem(csr).unwrap();
        let lifetime = self.lifetime.load(Ordering::Relaxed);
        let ahead = i64::try_from(self.ahead.load(Ordering::Relaxed)).unwrap();
        let now = OffsetDateTime::now_utc() + time::Duration::seconds(ahead);
        request.params.subject_alt_names = vec![SanType::URI(IDENTITY.try_into().unwrap())];
        request.params.not_before = now - time::Duration::minutes(2);
        request.params.not_after = now + time::Duration::seconds(i64::try_from(lifetime).unwrap());
        let leaf = request.signed_by(&self.issuer).unwrap().pem();
        vec![leaf, self.root.clone()]
    }
}

#[tonic::async_trait]
impl IstioCertificateService for Authority {
    async fn create_certificate(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<Response<IstioCertificateResponse>, Status> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.refusing.load(Ordering::Relaxed) {
            return Err(Status::unavailable("out for lunch"));
        }
        let token = request.metadata().get("authorization").cloned();
        if token.is_none_or(|token| token != format!("Bearer {TOKEN}").as_str()) {
            return Err(Status::unauthenticated("the token has the wrong audience"));
        }
        let request = request.into_inner();
        self.asked_lifetime.store(
            u64::try_from(request.validity_duration).unwrap(),
            Ordering::Relaxed,
        );
        let cert_chain = self.sign(&request.csr);
        Ok(Response::new(IstioCertificateResponse { cert_chain }))
    }
}
