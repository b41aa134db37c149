//! One connection of an API server: HTTP/2 over TLS.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Failure;
use crate::injector::NAME;
use crate::pods::Review;

/// A connection; clones share it.
#[derive(Clone)]
pub(crate) struct Client(SendRequest<Full<Bytes>>);

impl Client {
    pub(crate) async fn connect(
        port: u16,
        tls: Arc<rustls::ClientConfig>,
    ) -> Result<Self, Failure> {
        let failed = || Failure::of::<std::io::Error>("connecting to the injector");
        let stream = TcpStream::connect(("127.0.0.1", port))
            .await
            .map_err(failed())?;
        stream.set_nodelay(true).map_err(failed())?;
        let name = ServerName::try_from(NAME).map_err(Failure::of("the webhook's name"))?;
        let stream = TlsConnector::from(tls)
            .connect(name, stream)
            .await
            .map_err(failed())?;
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .map_err(Failure::of("HTTP/2 with the injector"))?;
        // Its end is seen by the requests that were on it.
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Has a pod reviewed, and checks the answer.
    pub(crate) async fn review(&mut self, review: &Review) -> Result<(), Failure> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("https://{NAME}/inject?timeout=10s"))
            .header("content-type", "application/json")
            .body(Full::new(review.body.clone()))
            .map_err(Failure::of("a request"))?;
        self.0.ready().await.map_err(Failure::of("a request"))?;
        let answer = self
            .0
            .send_request(request)
            .await
            .map_err(Failure::of("a request"))?;
        let status = answer.status();
        let body = answer
            .into_body()
            .collect()
            .await
            .map_err(Failure::of("an answer"))?
            .to_bytes();
        if status != StatusCode::OK {
            return Err(Failure(format!("the answer has status {status}")));
        }
        let answer: Value = serde_json::from_slice(&body).map_err(Failure::of("an answer"))?;
        review.check(&answer)
    }
}
