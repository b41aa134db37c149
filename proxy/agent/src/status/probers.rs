//! The application's probes, as injection hands them over in `ISTIO_KUBE_APP_PROBERS`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

/// The probes by the path under which the kubelet asks the agent for them.
pub type Probers = BTreeMap<String, Prober>;

/// One probe of a container.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prober {
    /// Asks over HTTP or HTTPS.
    pub http_get: Option<HttpGet>,
    /// Connects.
    pub tcp_socket: Option<TcpSocket>,
    /// Asks the gRPC health service.
    pub grpc: Option<GrpcHealth>,
    /// Seconds that the kubelet waits.
    #[serde(default)]
    pub timeout_seconds: u64,
}

/// An HTTP probe.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpGet {
    /// Path and query; empty means `/`.
    #[serde(default)]
    pub path: String,
    /// The container's port. Injection has resolved names.
    pub port: u16,
    /// `HTTP` or `HTTPS`.
    #[serde(default)]
    pub scheme: String,
    /// Headers to send.
    #[serde(default)]
    pub http_headers: Vec<Header>,
}

/// A header of an HTTP probe.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    #[serde(default)]
    pub value: String,
}

/// A TCP probe.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TcpSocket {
    /// The container's port.
    pub port: u16,
}

/// A gRPC health probe.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GrpcHealth {
    /// The container's port.
    pub port: u16,
    /// The service to ask about; none means the server as a whole.
    pub service: Option<String>,
}

/// `ISTIO_KUBE_APP_PROBERS` cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("ISTIO_KUBE_APP_PROBERS is not the JSON that injection writes: {0}")]
pub struct ProbersError(#[from] serde_json::Error);

/// Reads the variable's JSON.
///
/// # Errors
/// [`ProbersError`] with line and column.
pub fn parse(json: &str) -> Result<Probers, ProbersError> {
    Ok(serde_json::from_str(json)?)
}

impl Prober {
    /// How long to wait for the application: as long as the kubelet does.
    pub fn timeout(&self) -> Duration {
        match self.timeout_seconds {
            0 => Duration::from_secs(10),
            seconds => Duration::from_secs(seconds.min(3600)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn what_injection_writes_is_read() {
        let probers = parse(
            r#"{"/app-health/hello/livez":{"httpGet":{"path":"/x?y=1","port":80,"scheme":"HTTPS","httpHeaders":[{"name":"A","value":"b"}]},"timeoutSeconds":3},
               "/app-health/hello/readyz":{"tcpSocket":{"port":3333}},
               "/app-health/world/startupz":{"grpc":{"port":90,"service":"s"}}}"#,
        )
        .unwrap();
        let live = &probers["/app-health/hello/livez"];
        assert_eq!(live.timeout(), Duration::from_secs(3));
        assert_eq!(live.http_get.as_ref().unwrap().http_headers[0].value, "b");
        assert_eq!(
            probers["/app-health/hello/readyz"]
                .tcp_socket
                .as_ref()
                .unwrap()
                .port,
            3333
        );
        let grpc = probers["/app-health/world/startupz"].grpc.clone().unwrap();
        assert_eq!(grpc.service.as_deref(), Some("s"));
    }

    #[test]
    fn text_that_is_not_a_map_of_probes_is_refused_with_the_variables_name() {
        let message = parse("[1]").unwrap_err().to_string();
        assert!(message.contains("ISTIO_KUBE_APP_PROBERS"), "{message}");
        assert!(parse(r#"{"/a":{"httpGet":{"port":99999}}}"#).is_err());
    }
}
