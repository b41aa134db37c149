//! A running authority, and whoever calls it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use axum::Router;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ca::authorize::Subject;
use ca::options::Options;
use ca::root::{Renewal, Root, RootDirectory};
use ca::server::{Ca, ServerError};
use ca_api::IstioCertificateRequest;
use ca_api::istio_certificate_service_client::IstioCertificateServiceClient;
use clap::Parser;
use identity::bundle::WorkloadCertificate;
use identity::csr::{self, KeyPem};
use identity::tls::{ClientTls, Expected};
use identity::{SpiffeId, cert, channel};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status};

pub(crate) const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
/// How long anything may take that should happen at once.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A signer of service-account tokens with one P-256 key.
pub(crate) struct Signer {
    kid: &'static str,
    key: rcgen::KeyPair,
}

impl Signer {
    pub(crate) fn new(kid: &'static str) -> Self {
        Self {
            kid,
            key: rcgen::KeyPair::generate().unwrap(),
        }
    }

    fn key_set(&self) -> String {
        let point = self.key.public_key_raw();
        let (x, y) = (
            URL_SAFE_NO_PAD.encode(&point[1..33]),
            URL_SAFE_NO_PAD.encode(&point[33..65]),
        );
        json!({"keys": [{"kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid, "x": x, "y": y}]}).to_string()
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = Header {
            kid: Some(self.kid.to_owned()),
            ..Header::new(Algorithm::ES256)
        };
        encode(
            &header,
            claims,
            &EncodingKey::from_ec_der(self.key.serialized_der()),
        )
        .unwrap()
    }
}

pub(crate) fn seconds_from_now(seconds: i64) -> i64 {
    i64::try_from(
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs(),
    )
    .unwrap()
        + seconds
}

/// The claims of a good token for `account` in `namespace`.
pub(crate) fn claims(namespace: &str, account: &str) -> Value {
    json!({"iss": ISSUER, "sub": format!("system:serviceaccount:{namespace}:{account}"), "aud": ["istio-ca"],
        "exp": seconds_from_now(600), "iat": seconds_from_now(-1), "nbf": seconds_from_now(-1),
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": account, "uid": "u"}}})
}

/// A running authority in a directory of its own.
pub(crate) struct Authority {
    ca: Option<Ca>,
    pub(crate) signer: Signer,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) shutdown: CancellationToken,
}

/// The command line for an authority in `directory`.
pub(crate) fn options(directory: &Path, listen: &str, more: &[&str]) -> Options {
    let (data, keys) = (directory.join("data"), directory.join("jwks.json"));
    let (data, keys) = (data.to_str().unwrap(), keys.to_str().unwrap());
    let own = [
        "ca",
        "--listen",
        listen,
        "--monitoringAddr",
        "127.0.0.1:0",
        "--dataDir",
        data,
        "--jwksFile",
        keys,
        "--tokenIssuer",
        ISSUER,
    ];
    Options::parse_from([&own, more].concat())
}

/// The metrics of this process, which has one recorder only.
pub(crate) fn metrics() -> Router {
    static ROUTER: OnceLock<Router> = OnceLock::new();
    ROUTER
        .get_or_init(|| process::telemetry::router(process::telemetry::install().unwrap()))
        .clone()
}

/// An authority that makes its root as it starts.
pub(crate) async fn start(more: &[&str]) -> Authority {
    start_in(tempfile::tempdir().unwrap(), more).await
}

/// An authority whose root was made at the time `made`.
pub(crate) async fn start_with_root_from(made: SystemTime, more: &[&str]) -> Authority {
    let directory = tempfile::tempdir().unwrap();
    kept_in(directory.path()).open(made).unwrap();
    start_in(directory, more).await
}

async fn start_in(directory: tempfile::TempDir, more: &[&str]) -> Authority {
    let signer = Signer::new("one");
    std::fs::write(directory.path().join("jwks.json"), signer.key_set()).unwrap();
    let shutdown = CancellationToken::new();
    let ca = launch(directory.path(), "127.0.0.1:0", more, &shutdown)
        .await
        .unwrap();
    Authority {
        ca: Some(ca),
        signer,
        directory,
        shutdown,
    }
}

pub(crate) async fn launch(
    directory: &Path,
    listen: &str,
    more: &[&str],
    shutdown: &CancellationToken,
) -> Result<Ca, ServerError> {
    Ca::start(
        options(directory, listen, more),
        metrics(),
        shutdown.clone(),
    )
    .await
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Authority {
    pub(crate) fn ca(&self) -> &Ca {
        self.ca.as_ref().expect("stopped")
    }

    /// Ends it and waits for that.
    pub(crate) async fn stop(&mut self) {
        self.shutdown.cancel();
        let finished = self.ca.take().expect("stopped").finished();
        tokio::time::timeout(DEADLINE, finished)
            .await
            .expect("it never ends")
            .unwrap();
    }

    /// Starts it again with the same directory.
    pub(crate) async fn start_again(&mut self, listen: SocketAddr) {
        self.shutdown = CancellationToken::new();
        let listen = listen.to_string();
        self.ca = Some(
            launch(self.directory.path(), &listen, &[], &self.shutdown)
                .await
                .unwrap(),
        );
    }

    pub(crate) fn tls(&self, certificate: Option<WorkloadCertificate>) -> Arc<ClientTls> {
        let roots = cert::parse_chain(self.ca().root_pem().as_bytes()).unwrap();
        let expected = Expected::Dns("ca.istio-system.svc".try_into().unwrap());
        Arc::new(ClientTls::new(&roots, certificate, expected).unwrap())
    }

    /// A caller that proves itself by token, or not at all.
    pub(crate) fn caller(&self, token: Option<String>) -> Caller {
        self.caller_with(None, token)
    }

    /// A caller with a good token.
    pub(crate) fn pod(&self, namespace: &str, account: &str) -> Caller {
        self.caller(Some(self.signer.sign(&claims(namespace, account))))
    }

    /// A caller with a certificate of this authority for `id`, good now.
    pub(crate) fn holder(&self, id: &str) -> Caller {
        self.caller_with(Some(self.certificate(id, SystemTime::now())), None)
    }

    pub(crate) fn caller_with(
        &self,
        certificate: Option<WorkloadCertificate>,
        token: Option<String>,
    ) -> Caller {
        let target = self.ca().address.to_string();
        let channel = channel::connect(&target, self.tls(certificate)).unwrap();
        Caller {
            client: IstioCertificateServiceClient::new(channel),
            token,
            forwarded: None,
        }
    }

    /// A certificate signed by this authority's root behind its back: for an hour from `issued`.
    pub(crate) fn certificate(&self, id: &str, issued: SystemTime) -> WorkloadCertificate {
        let root = kept_in(self.directory.path()).open(issued);
        certificate_of(&root.unwrap(), id, issued)
    }
}

/// The root of the authority in `directory`.
pub(crate) fn kept_in(directory: &Path) -> RootDirectory {
    RootDirectory {
        path: directory.join("data"),
        trust_domain: "cluster.local".parse().unwrap(),
        renewal: Renewal::default(),
    }
}

/// A certificate for `id` signed by `root`, for an hour from `issued`.
pub(crate) fn certificate_of(root: &Root, id: &str, issued: SystemTime) -> WorkloadCertificate {
    let (key, request) = csr::generate(id).unwrap();
    let proved = ca::request::parse(request.as_str()).unwrap();
    let subject = Subject {
        id: id.parse().unwrap(),
        dns_names: Vec::new(),
    };
    let issued = ca::issue::issue(root, &proved, &subject, HOUR, issued).unwrap();
    workload(&issued.chain, &key)
}

/// What a caller makes of an answer.
pub(crate) fn workload(chain: &[String], key: &KeyPem) -> WorkloadCertificate {
    WorkloadCertificate::from_pem(chain[0].as_bytes(), key, chain.last().unwrap().as_bytes())
        .unwrap()
}

pub(crate) struct Caller {
    pub(crate) client: IstioCertificateServiceClient<Channel>,
    pub(crate) token: Option<String>,
    pub(crate) forwarded: Option<String>,
}

impl Caller {
    /// Sends `message` with this caller's credentials.
    pub(crate) async fn send(
        &self,
        message: IstioCertificateRequest,
    ) -> Result<Vec<String>, Status> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        if let Some(forwarded) = &self.forwarded {
            request
                .metadata_mut()
                .insert("x-forwarded-client-cert", forwarded.parse().unwrap());
        }
        let mut client = self.client.clone();
        let answer = tokio::time::timeout(DEADLINE, client.create_certificate(request));
        Ok(answer
            .await
            .expect("no answer in time")?
            .into_inner()
            .cert_chain)
    }

    /// Asks for a certificate as an agent does, and returns what it then holds.
    pub(crate) async fn certificate(&self) -> Result<WorkloadCertificate, Status> {
        let (key, request) =
            csr::generate("spiffe://cluster.local/ns/kube-system/sa/admin").unwrap();
        let message = IstioCertificateRequest {
            csr: request.into_string(),
            ..Default::default()
        };
        Ok(workload(&self.send(message).await?, &key))
    }

    /// Whom the caller got a certificate for.
    pub(crate) async fn identity(&self) -> Result<String, Status> {
        Ok(self
            .certificate()
            .await?
            .identity()
            .as_ref()
            .map(SpiffeId::to_string)
            .unwrap_or_default())
    }
}

/// A request with a good CSR.
pub(crate) fn request() -> IstioCertificateRequest {
    let (_, csr) = csr::generate("a.example").unwrap();
    IstioCertificateRequest {
        csr: csr.into_string(),
        ..Default::default()
    }
}

/// Metadata that asks for the certificate of `id`.
pub(crate) fn impersonate(id: &str) -> prost_types::Struct {
    let value = prost_types::Value {
        kind: Some(prost_types::value::Kind::StringValue(id.to_owned())),
    };
    prost_types::Struct {
        fields: [("ImpersonatedIdentity".to_owned(), value)].into(),
    }
}

/// Fails unless `answer` is the refusal `code` with all of `parts` in its message.
#[track_caller]
pub(crate) fn assert_refused<T>(answer: Result<T, Status>, code: tonic::Code, parts: &[&str]) {
    let Err(status) = answer else {
        panic!("a certificate was issued; expected {code:?} with {parts:?}")
    };
    assert_eq!(status.code(), code, "{status}");
    for part in parts {
        assert!(
            status.message().contains(part),
            "no {part:?} in: {}",
            status.message()
        );
    }
}
