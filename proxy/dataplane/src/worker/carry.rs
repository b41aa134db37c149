//! HTTP/1.1 carried in HTTP/2 between two of these proxies (docs/design/http1-in-http2.md).

use graph::cluster::Cluster;
use graph::tls::HTTP1_IN_HTTP2;
use headers::{Headers, Known};

use crate::stream::Stream;
use crate::wire::Wire;

/// What Istio's proxies offer where they are going to speak HTTP/1.1 to each other.
const MESH_HTTP1: &[u8] = b"istio-http/1.1";

/// Whether a request that goes by HTTP/1.1 may be carried. What becomes a tunnel needs a connection of its own; and a
/// cluster that bounds connections, or requests on one, counts on one connection for each request under way.
pub(super) fn may_be(s: &Stream, cluster: &Cluster) -> bool {
    s.manager.filters.alpn.is_some()
        && !s.upgrade
        && s.request.get(Known::Method) != Some(b"CONNECT")
        && cluster.settings.limits.connections == u32::MAX
        && cluster.settings.max_requests_per_connection == 0
}

/// The protocols to offer to an endpoint that may agree: those of the mesh for HTTP/1.1, with the own one first.
pub(super) fn offer(protocols: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mesh = protocols.iter().any(|p| p == MESH_HTTP1);
    let own = mesh.then(|| HTTP1_IN_HTTP2.to_vec());
    own.into_iter().chain(protocols.iter().cloned()).collect()
}

/// Whether both ends of a connection have agreed.
pub(super) fn is_agreed(wire: &Wire) -> bool {
    wire.tls.as_ref().and_then(|tls| tls.alpn()) == Some(HTTP1_IN_HTTP2)
}

/// A request without body says so where HTTP/1.1 would say it (RFC 9110, 8.6).
pub(super) fn complete_request(request: &mut Headers) {
    let silent = request
        .get(Known::Method)
        .is_none_or(http1::foresees_no_content);
    if !silent && !request.has(Known::ContentLength) {
        request.push_known(Known::ContentLength, b"0");
    }
}

/// An answer without body says so where HTTP/1.1 would say it (RFC 9110, 8.6): not in those that never have one, nor
/// where the head is that of a body which is left out.
pub(super) fn complete_answer(answer: &mut Headers, status: u16, is_head: bool) {
    if !is_head && !matches!(status, 204 | 304) && !answer.has(Known::ContentLength) {
        answer.push_known(Known::ContentLength, b"0");
    }
}
