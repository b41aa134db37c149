//! Who a request is from, and `x-forwarded-for`, `x-forwarded-proto` and Envoy's own headers that follow from it.

use std::io::Write;
use std::net::IpAddr;

use graph::chain::IpNetwork;
use graph::manager::HttpManager;
use headers::{Headers, Known};

/// The connection that a request came by.
#[derive(Debug, Clone, Copy)]
pub struct Connection {
    /// Its other end.
    pub remote: IpAddr,
    /// This host's own address: it stands in `x-forwarded-for` where the other end is the loopback.
    pub own: IpAddr,
    /// It is TLS.
    pub tls: bool,
}

/// Who a request is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The client, as far as proxies in front are trusted; access logs print it.
    pub client: IpAddr,
    /// From an internal address: its headers of Envoy count.
    pub internal: bool,
    /// From outside, and this proxy is the first that is trusted.
    pub edge: bool,
}

/// Headers by which an internal client steers the router; from others they are removed.
const STEERING: [&[u8]; 8] = [
    b"x-envoy-force-trace",
    b"x-envoy-hedge-on-per-try-timeout",
    b"x-envoy-ip-tags",
    b"x-envoy-original-url",
    b"x-envoy-retriable-header-names",
    b"x-envoy-upstream-alt-stat-name",
    b"x-envoy-upstream-rq-timeout-alt-response",
    b"x-envoy-upstream-stream-duration-ms",
];

/// Finds out who a request is from and writes the forwarding fields, as Envoy's connection manager does where no
/// `internal_address_config` names networks: then no client is internal.
pub fn mark(request: &mut Headers, manager: &HttpManager, connection: &Connection) -> Origin {
    mark_within(request, manager, connection, &[])
}

/// [`mark`] where clients in `internal` networks are internal (`internal_address_config`).
pub fn mark_within(
    request: &mut Headers,
    manager: &HttpManager,
    connection: &Connection,
    internal: &[IpNetwork],
) -> Origin {
    request.remove(Known::XEnvoyInternal);
    let hops = manager.trusted_hops as usize;
    let scheme: &[u8] = if connection.tls { b"https" } else { b"http" };
    let (client, checked) = if manager.use_remote_address {
        let single = !request.has(Known::XForwardedFor);
        let client = hops
            .checked_sub(1)
            .and_then(|skip| from_the_end(request, skip))
            .map_or(connection.remote, |(address, _)| address);
        if !manager.skip_xff_append {
            append_own(request, connection);
        }
        if hops == 0 || !request.has(Known::XForwardedProto) {
            request.set(Known::XForwardedProto, scheme);
        }
        (client, single)
    } else {
        from_the_end(request, hops).unwrap_or((connection.remote, false))
    };
    if !request.has(Known::XForwardedProto) {
        request.set(Known::XForwardedProto, scheme);
    }
    let internal = checked && internal.iter().any(|net| net.contains(client));
    let edge = !internal && manager.use_remote_address;
    if internal {
        request.set(Known::XEnvoyInternal, b"true");
    } else {
        clean(request, edge);
    }
    if edge {
        let mut text = [0u8; 48];
        request.replace(b"x-envoy-external-address", address_text(client, &mut text));
    }
    Origin {
        client,
        internal,
        edge,
    }
}

fn clean(request: &mut Headers, edge: bool) {
    if edge {
        request.remove(Known::XEnvoyDecoratorOperation);
        request.remove_name(b"x-envoy-downstream-service-cluster");
        request.remove_name(b"x-envoy-downstream-service-node");
        request.remove(Known::XEnvoyOriginalPath);
        request.remove(Known::XEnvoyOriginalHost);
    }
    for known in [
        Known::XEnvoyRetryOn,
        Known::XEnvoyRetryGrpcOn,
        Known::XEnvoyMaxRetries,
        Known::XEnvoyPerTryTimeout,
        Known::XEnvoyRetriableStatusCodes,
        Known::XEnvoyUpstreamTimeout,
        Known::XEnvoyExpectedTimeout,
    ] {
        request.remove(known);
    }
    let steers = |field: &headers::Field<'_>| {
        field.known.is_none()
            && field.name.starts_with(b"x-envoy-")
            && STEERING.contains(&field.name)
    };
    // Hardly any request has one.
    if request.iter().any(|field| steers(&field)) {
        request.retain(|field| !steers(&field));
    }
}

/// The address `skip` places before the last one of `x-forwarded-for`, and whether it is the only one.
fn from_the_end(request: &Headers, skip: usize) -> Option<(IpAddr, bool)> {
    let count: usize = request
        .all(Known::XForwardedFor)
        .map(|value| value.split(|b| *b == b',').count())
        .sum();
    let at = count.checked_sub(1)?.checked_sub(skip)?;
    let text = request
        .all(Known::XForwardedFor)
        .flat_map(|value| value.split(|b| *b == b','))
        .nth(at)?;
    let address = std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()?;
    Some((address, count == 1))
}

fn append_own(request: &mut Headers, connection: &Connection) {
    let address = if connection.remote.to_canonical().is_loopback() {
        connection.own
    } else {
        connection.remote
    };
    let mut text = [0u8; 48];
    let text = address_text(address, &mut text);
    let mut joined = Vec::new();
    for value in request.all(Known::XForwardedFor).chain([text]) {
        if !joined.is_empty() {
            joined.push(b',');
        }
        joined.extend_from_slice(value);
    }
    request.set(Known::XForwardedFor, &joined);
}

/// Writes `:scheme` where the request came without (HTTP/1 has none): as `x-forwarded-proto` says, else by the
/// connection.
pub fn set_scheme(request: &mut Headers, tls: bool) {
    let told = request
        .get(Known::Scheme)
        .or_else(|| request.get(Known::XForwardedProto))
        .unwrap_or_default();
    let scheme: &[u8] = if told.eq_ignore_ascii_case(b"https") {
        b"https"
    } else if told.eq_ignore_ascii_case(b"http") {
        b"http"
    } else if tls {
        b"https"
    } else {
        b"http"
    };
    if request.get(Known::Scheme) != Some(scheme) {
        request.set(Known::Scheme, scheme);
    }
}

fn address_text(address: IpAddr, text: &mut [u8; 48]) -> &[u8] {
    let mut rest = &mut text[..];
    // The longest text of an address has 45 characters.
    let _ = write!(rest, "{address}");
    let length = 48 - rest.len();
    text.get(..length).unwrap_or_default()
}
