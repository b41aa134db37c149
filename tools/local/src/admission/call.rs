//! Calling webhooks: HTTPS to their Services' addresses, on connections that are kept.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, Request as HttpRequest, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tower::util::BoxCloneSyncService;

use super::review::Request;
use super::webhook::Webhook;
use crate::dial;
use crate::object::text;
use crate::store::View;

/// Opens a connection to an address of the pods' network.
pub type Dial = Arc<dyn Fn(SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>> + Send + Sync>;

/// The most bytes of an answer: a pod is at most 1.5 MiB, and its patch is base64.
const MAX_ANSWER: usize = 4 << 20;
/// Webhooks to which connections are kept.
const MAX_CLIENTS: usize = 32;

type Connector = BoxCloneSyncService<Uri, TokioIo<TcpStream>, io::Error>;
type Https = Client<HttpsConnector<Connector>, Full<Bytes>>;

/// Where a webhook is and whom it must prove to be: connections are shared by those that agree.
type Target = (SocketAddr, Vec<u8>);

/// Calls webhooks.
pub struct Caller {
    dial: Dial,
    clients: Mutex<BTreeMap<Target, Https>>,
}

impl Caller {
    /// A caller that reaches the pods' network by `dial`.
    pub fn new(dial: Dial) -> Self {
        Self {
            dial,
            clients: Mutex::default(),
        }
    }

    /// What the webhook answers.
    ///
    /// # Errors
    /// Why there is no answer, as an API server says it.
    pub(super) async fn call(
        &self,
        webhook: &Webhook,
        view: &View,
        request: &Request<'_>,
    ) -> Result<Value, String> {
        let url = format!(
            "https://{}.{}.svc:{}{}?timeout={}s",
            webhook.service.name,
            webhook.service.namespace,
            webhook.port,
            webhook.path,
            webhook.timeout.as_secs()
        );
        let failed = |problem: &dyn std::fmt::Display| format!("Post {url:?}: {problem}");
        let service = view
            .get(&webhook.service)
            .ok_or_else(|| failed(&format!("service {:?} not found", webhook.service.name)))?;
        let address: IpAddr = text(service, "/spec/clusterIP")
            .parse()
            .map_err(|_| failed(&"its Service has no address of its own"))?;
        let target = (
            SocketAddr::new(address, webhook.port),
            webhook.roots.clone(),
        );
        let client = self.client(target).map_err(|problem| failed(&problem))?;
        let body = request.review().to_string();
        let post = HttpRequest::builder()
            .method(Method::POST)
            .uri(&url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|problem| failed(&problem))?;
        let answer = async {
            let answer = client
                .request(post)
                .await
                .map_err(|problem| reason(&problem))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_ANSWER)
                .collect()
                .await
                .map_err(|problem| process::error::with_causes(&*problem))?
                .to_bytes();
            if !status.is_success() {
                let said = String::from_utf8_lossy(&body).into_owned();
                return Err(format!("the server answered {status}: {}", said.trim()));
            }
            serde_json::from_slice(&body).map_err(|problem| format!("not an answer: {problem}"))
        };
        match tokio::time::timeout(webhook.timeout, answer).await {
            Ok(answer) => answer.map_err(|problem| failed(&problem)),
            Err(_) => Err(failed(&"context deadline exceeded")),
        }
    }

    fn client(&self, target: Target) -> Result<Https, String> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&target) {
            return Ok(client.clone());
        }
        let client = client(Arc::clone(&self.dial), &target)?;
        // Roots change now and then: nobody needs the clients of the last ones.
        if clients.len() >= MAX_CLIENTS {
            clients.clear();
        }
        clients.insert(target, client.clone());
        Ok(client)
    }
}

/// Why a request failed, without hyper's word for it, which says less than its cause.
fn reason(problem: &hyper_util::client::legacy::Error) -> String {
    let cause = std::error::Error::source(problem).unwrap_or(problem);
    process::error::with_causes(cause)
}

fn client(dial: Dial, (address, roots): &Target) -> Result<Https, String> {
    let mut trusted = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(roots) {
        let root = root.map_err(|problem| format!("clientConfig.caBundle: {problem}"))?;
        trusted
            .add(root)
            .map_err(|problem| format!("clientConfig.caBundle: {problem}"))?;
    }
    if trusted.is_empty() {
        return Err("clientConfig.caBundle holds no certificate (yet)".to_owned());
    }
    let tls = ClientConfig::builder()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    let address = *address;
    let connect = tower::service_fn(move |_: Uri| {
        let stream = dial(address);
        async move {
            let stream = stream.await.map_err(|problem| {
                io::Error::new(problem.kind(), dial::failed(address, &problem))
            })?;
            Ok::<_, io::Error>(TokioIo::new(stream))
        }
    });
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only()
        .enable_all_versions()
        .wrap_connector(BoxCloneSyncService::new(connect));
    Ok(Client::builder(TokioExecutor::new()).build(https))
}
