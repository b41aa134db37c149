//! Asks the application what the kubelet would have asked it. The kubelet cannot: it has no
//! certificate, and a redirected connection to a port without a listener succeeds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::probers::{GrpcHealth, HttpGet, Prober};
use crate::fetch::{self, Limits, Target};

/// How much of the application's answer is passed on: the kubelet logs no more.
const BODY: usize = 10 << 10;

/// Headers that belong to one connection, or that the probe itself sets.
const NOT_PASSED: [HeaderName; 7] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
];

/// What the kubelet is told.
#[derive(Debug)]
pub struct Verdict {
    /// The status: below 400 is healthy.
    pub status: StatusCode,
    /// The application's media type.
    pub content_type: Option<HeaderValue>,
    /// The application's words, or why there are none.
    pub body: Bytes,
}

impl Verdict {
    fn failed(problem: impl ToString) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            content_type: None,
            body: Bytes::from(problem.to_string()),
        }
    }

    fn healthy() -> Self {
        Self {
            status: StatusCode::OK,
            content_type: None,
            body: Bytes::new(),
        }
    }
}

/// The source address of a probe: Istio's mark, at which the redirect rules of the pod let a
/// connection to the pod's own address through to the application.
fn source(pod: IpAddr) -> Option<IpAddr> {
    match pod {
        IpAddr::V4(_) => Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 6))),
        // An address that injection's init container adds to the loopback interface.
        IpAddr::V6(address) => {
            (!address.is_loopback()).then_some(IpAddr::V6(Ipv6Addr::from_bits(6)))
        }
    }
}

/// Runs one probe against the application at `pod`. `asked` are the kubelet's own headers.
pub async fn run(prober: &Prober, pod: IpAddr, asked: &HeaderMap) -> Verdict {
    let work = async {
        if let Some(http) = &prober.http_get {
            over_http(http, pod, asked, prober).await
        } else if let Some(tcp) = &prober.tcp_socket {
            over_tcp(SocketAddr::new(pod, tcp.port)).await
        } else if let Some(grpc) = &prober.grpc {
            over_grpc(grpc, pod).await
        } else {
            Verdict::failed("the probe has neither httpGet, tcpSocket nor grpc")
        }
    };
    let time = prober.timeout();
    tokio::time::timeout(time, work)
        .await
        .unwrap_or_else(|_| Verdict::failed(format!("no answer within {time:?}")))
}

async fn over_http(probe: &HttpGet, pod: IpAddr, asked: &HeaderMap, prober: &Prober) -> Verdict {
    let address = SocketAddr::new(pod, probe.port).to_string();
    let path = match probe.path.as_str() {
        path if path.starts_with('/') => path.to_owned(),
        path => format!("/{path}"),
    };
    let mut request = fetch::get(&address, &path);
    for (name, value) in asked.iter().filter(|(name, _)| !NOT_PASSED.contains(name)) {
        request.headers_mut().append(name, value.clone());
    }
    for wanted in &probe.http_headers {
        let (Ok(name), Ok(value)) = (
            HeaderName::try_from(&wanted.name),
            HeaderValue::from_str(&wanted.value),
        ) else {
            return Verdict::failed(format!("the probe's header {:?} is not HTTP", wanted.name));
        };
        request.headers_mut().insert(name, value);
    }
    let target = Target {
        address: &address,
        from: source(pod),
    };
    let limits = Limits {
        body: BODY,
        time: prober.timeout(),
    };
    let answer = if probe.scheme.eq_ignore_ascii_case("https") {
        fetch::unverified_tls(target, request, limits).await
    } else {
        fetch::plain(target, request, limits).await
    };
    match answer {
        Ok(mut answer) => Verdict {
            status: answer.status,
            content_type: answer.headers.remove(header::CONTENT_TYPE),
            body: answer.body,
        },
        Err(error) => Verdict::failed(error),
    }
}

async fn over_tcp(address: SocketAddr) -> Verdict {
    let target = Target {
        address: &address.to_string(),
        from: source(address.ip()),
    };
    match fetch::connect(target).await {
        Ok(_) => Verdict::healthy(),
        Err(error) => Verdict::failed(error),
    }
}

async fn over_grpc(probe: &GrpcHealth, pod: IpAddr) -> Verdict {
    let address = SocketAddr::new(pod, probe.port);
    let endpoint = match Endpoint::from_shared(format!("http://{address}")) {
        Ok(endpoint) => endpoint.local_address(source(pod)),
        Err(error) => return Verdict::failed(error),
    };
    let mut client = match endpoint.connect().await {
        Ok(channel) => HealthClient::new(channel),
        Err(error) => return Verdict::failed(format!("cannot connect to {address}: {error}")),
    };
    let service = probe.service.clone().unwrap_or_default();
    match client.check(HealthCheckRequest { service }).await {
        Ok(response) if response.get_ref().status == i32::from(ServingStatus::Serving) => {
            Verdict::healthy()
        }
        Ok(response) => {
            let status = response.get_ref().status();
            Verdict::failed(format!("{address} says {}", status.as_str_name()))
        }
        Err(status) => Verdict::failed(format!("{address}: {}", status.message())),
    }
}
