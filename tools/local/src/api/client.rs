//! The client side, as the command line uses it.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;
use tokio::net::UnixStream;

use super::{Apply, ApplyResult, Failure, NO_RESOURCE_TYPE, SOCKET, Status};
use super::{exec, port_forward};

/// A connection that was upgraded for `exec`.
pub type Upgraded = TokioIo<hyper::upgrade::Upgraded>;

/// Why a call failed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// No mesh of that name runs.
    #[error(
        "no mesh named {name:?} is running here (no socket {socket}); start one with: sudo lateen local up"
    )]
    NotRunning {
        /// The mesh's name.
        name: String,
        /// Where its socket would be.
        socket: PathBuf,
    },
    /// The socket belongs to someone else.
    #[error(
        "{socket}: permission denied; the mesh belongs to root and to who started it: use sudo"
    )]
    Denied {
        /// The socket.
        socket: PathBuf,
    },
    /// The daemon does not know the kind.
    #[error("{0}")]
    NoResourceType(String),
    /// The daemon refused; the text is as kubectl prints it.
    #[error("Error from server ({}): {}", .0.reason, .0.message)]
    Refused(Failure),
    /// The connection broke or the answer made no sense.
    #[error("the mesh's daemon does not answer properly: {0}")]
    Broken(String),
}

fn broken(error: impl ToString) -> ClientError {
    ClientError::Broken(error.to_string())
}

/// A client of one mesh's daemon.
#[derive(Debug, Clone)]
pub struct Client {
    name: String,
    socket: PathBuf,
}

/// Which objects a call means.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Which<'a> {
    /// None: all namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<&'a str>,
    /// One object by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// `-l`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<&'a str>,
    /// Seconds to end in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<i64>,
}

impl Client {
    /// A client of mesh `name` whose state is below `base`.
    pub fn new(base: &Path, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            socket: base.join(name).join(SOCKET),
        }
    }

    /// The daemon's state.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.call(Method::GET, "/v1/status", None).await
    }

    /// Asks the daemon to end; it does so after answering.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn shutdown(&self) -> Result<Status, ClientError> {
        self.call(Method::POST, "/v1/shutdown", None).await
    }

    /// Applies objects.
    ///
    /// # Errors
    /// See [`ClientError`]; a refused object is no error of the call.
    pub async fn apply(&self, request: &Apply) -> Result<ApplyResult, ClientError> {
        let body = serde_json::to_vec(request).map_err(broken)?;
        self.call(Method::POST, "/v1/apply", Some(body)).await
    }

    /// One object (with `name`) or a list of them.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get(&self, kind: &str, which: &Which<'_>) -> Result<Value, ClientError> {
        let path = format!("/v1/objects/{}?{}", escape(kind), query(which));
        self.call(Method::GET, &path, None).await
    }

    /// Applies a merge patch; the answer has `outcome` and `object`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn patch(
        &self,
        kind: &str,
        name: &str,
        which: &Which<'_>,
        patch: &Value,
    ) -> Result<Value, ClientError> {
        let path = format!(
            "/v1/objects/{}/{}?{}",
            escape(kind),
            escape(name),
            query(which)
        );
        let body = serde_json::to_vec(patch).map_err(broken)?;
        self.call(Method::PATCH, &path, Some(body)).await
    }

    /// Asks for an object's end; the answer has `resource` and `object`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete(
        &self,
        kind: &str,
        name: &str,
        which: &Which<'_>,
    ) -> Result<Value, ClientError> {
        let path = format!(
            "/v1/objects/{}/{}?{}",
            escape(kind),
            escape(name),
            query(which)
        );
        self.call(Method::DELETE, &path, None).await
    }

    /// A container's log; read the body as it comes. `options` are query parameters.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn logs(
        &self,
        namespace: &str,
        pod: &str,
        options: &impl Serialize,
    ) -> Result<Incoming, ClientError> {
        let path = format!(
            "/v1/logs/{}/{}?{}",
            escape(namespace),
            escape(pod),
            query(options)
        );
        let request = self.request(Method::GET, &path, None)?;
        let response = self.send(request).await?;
        checked(response).await.map(Response::into_body)
    }

    /// The objects and every change of them, one JSON object `{"type", "object"}` a line; read the body as it comes.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn watch(&self, kind: &str, which: &Which<'_>) -> Result<Incoming, ClientError> {
        let path = format!("/v1/watch/{}?{}", escape(kind), query(which));
        let request = self.request(Method::GET, &path, None)?;
        let response = self.send(request).await?;
        checked(response).await.map(Response::into_body)
    }

    /// What the pods use of the machine.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn usage(&self) -> Result<Value, ClientError> {
        self.call(Method::GET, "/v1/usage", None).await
    }

    /// A connection to a port of the pod's own loopback.
    ///
    /// # Errors
    /// See [`ClientError`]; [`ClientError::Refused`] when nobody listens there.
    pub async fn port_forward(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
    ) -> Result<Upgraded, ClientError> {
        let path = format!(
            "/v1/port-forward/{}/{}?port={port}",
            escape(namespace),
            escape(pod)
        );
        self.upgrade(&path, port_forward::PROTOCOL).await
    }

    /// Executes a program in a container; speak [`super::exec`]'s frames over the connection.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn exec(
        &self,
        namespace: &str,
        pod: &str,
        options: &impl Serialize,
    ) -> Result<Upgraded, ClientError> {
        let path = format!(
            "/v1/exec/{}/{}?{}",
            escape(namespace),
            escape(pod),
            query(options)
        );
        self.upgrade(&path, exec::PROTOCOL).await
    }

    async fn upgrade(&self, path: &str, protocol: &'static str) -> Result<Upgraded, ClientError> {
        let mut request = self.request(Method::POST, path, None)?;
        let headers = request.headers_mut();
        headers.insert(
            header::CONNECTION,
            header::HeaderValue::from_static("upgrade"),
        );
        headers.insert(header::UPGRADE, header::HeaderValue::from_static(protocol));
        let response = self.send(request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            checked(response).await?;
            return Err(broken("no upgrade"));
        }
        hyper::upgrade::on(response)
            .await
            .map(TokioIo::new)
            .map_err(broken)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "lateen")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body.unwrap_or_default()))
            .map_err(broken)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError> {
        let stream =
            UnixStream::connect(&self.socket)
                .await
                .map_err(|error| match error.kind() {
                    std::io::ErrorKind::PermissionDenied => ClientError::Denied {
                        socket: self.socket.clone(),
                    },
                    _ => ClientError::NotRunning {
                        name: self.name.clone(),
                        socket: self.socket.clone(),
                    },
                })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        tokio::spawn(async move {
            // The caller's request reports what goes wrong.
            let _ = connection.with_upgrades().await;
        });
        sender.send_request(request).await.map_err(broken)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<T, ClientError> {
        let response = self.send(self.request(method, path, body)?).await?;
        let body = checked(response)
            .await?
            .into_body()
            .collect()
            .await
            .map_err(broken)?;
        serde_json::from_slice(&body.to_bytes()).map_err(broken)
    }
}

async fn checked(response: Response<Incoming>) -> Result<Response<Incoming>, ClientError> {
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let body = response.into_body().collect().await.map_err(broken)?;
    let body = body.to_bytes();
    match serde_json::from_slice::<Failure>(&body) {
        Ok(Failure {
            reason, message, ..
        }) if reason == NO_RESOURCE_TYPE => Err(ClientError::NoResourceType(message)),
        Ok(failure) => Err(ClientError::Refused(failure)),
        Err(_) => Err(ClientError::Broken(format!(
            "{status}: {}",
            String::from_utf8_lossy(&body)
        ))),
    }
}

/// Percent-encodes everything but unreserved characters (RFC 3986, 2.3).
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A flat structure as query parameters.
fn query(parameters: &impl Serialize) -> String {
    let Ok(Value::Object(map)) = serde_json::to_value(parameters) else {
        return String::new();
    };
    map.iter()
        .map(|(key, value)| {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            format!("{}={}", escape(key), escape(&value))
        })
        .collect::<Vec<_>>()
        .join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_escaped() {
        let which = Which {
            namespace: Some("default"),
            selector: Some("a=b,c in (d)"),
            ..Which::default()
        };
        assert_eq!(
            query(&which),
            "namespace=default&selector=a%3Db%2Cc%20in%20%28d%29"
        );
    }
}
