//! Fields that speak of one connection only, and upgrades, which HTTP/1 asks for by `upgrade` and HTTP/2 by an
//! extended CONNECT (RFC 8441). Inside the proxy an upgrade has the form of HTTP/1, whatever it came by.

use graph::manager::HttpManager;
use graph::route::Forwarding;
use headers::{Headers, Known};

/// Whether a request or answer upgrades its connection: `connection` has the token and `upgrade` is there. An upgrade
/// to `h2c` is none: it is left out, and HTTP/1.1 goes on (RFC 9113, 3.1 has it no more).
#[must_use]
pub fn is_upgrade(headers: &Headers) -> bool {
    headers
        .get(Known::Upgrade)
        .is_some_and(|name| !name.eq_ignore_ascii_case(b"h2c"))
        && headers.all(Known::Connection).any(|value| {
            value
                .split(|b| *b == b',')
                .any(|t| t.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
        })
}

/// Whether an upgrade to `name` passes: as the route says, else as the manager. CONNECT is an upgrade to `CONNECT`.
#[must_use]
pub fn upgrade_allowed(manager: &HttpManager, forward: &Forwarding, name: &[u8]) -> bool {
    let by_route = forward
        .upgrades
        .iter()
        .find(|(allowed, _)| allowed.eq_ignore_ascii_case(name))
        .map(|(_, allowed)| *allowed);
    by_route.unwrap_or_else(|| {
        manager
            .upgrades
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(name))
    })
}

/// Takes from a request what belongs to the client's connection. The fields of an upgrade stay; one that has no body
/// says so, because the length that framing told is gone with `transfer-encoding`.
pub fn strip_request(request: &mut Headers) {
    if is_upgrade(request) {
        if !request.has(Known::TransferEncoding) && !request.has(Known::ContentLength) {
            request.push_known(Known::ContentLength, b"0");
        }
    } else {
        remove_named_by_connection(request);
        request.remove(Known::Connection);
        request.remove(Known::Upgrade);
    }
    for gone in [
        Known::KeepAlive,
        Known::ProxyConnection,
        Known::TransferEncoding,
    ] {
        request.remove(gone);
    }
    keep_te_trailers(request);
}

/// Takes from an answer what belongs to the upstream's connection. `upgraded`: the request asked for an upgrade.
pub fn strip_response(response: &mut Headers, upgraded: bool) {
    if upgraded && is_upgrade(response) {
        if !response.has(Known::TransferEncoding) && !response.has(Known::ContentLength) {
            response.push_known(Known::ContentLength, b"0");
        }
    } else {
        remove_named_by_connection(response);
        response.remove(Known::Connection);
        response.remove(Known::Upgrade);
    }
    for gone in [
        Known::TransferEncoding,
        Known::KeepAlive,
        Known::ProxyConnection,
    ] {
        response.remove(gone);
    }
}

/// Gives a request that came by HTTP/2 the form of HTTP/1: an extended CONNECT becomes the upgrade that HTTP/1 would have
/// asked for, `host` counts where there is no `:authority` (RFC 9113, 8.3.1), and cookies come in one field (8.2.3).
pub fn request_from_http2(request: &mut Headers) {
    if !request.has(Known::Authority)
        && let Some(host) = request.get(Known::Host).map(<[u8]>::to_vec)
    {
        request.set(Known::Authority, &host);
        request.remove(Known::Host);
    }
    if request.all(Known::Cookie).nth(1).is_some() {
        let cookies: Vec<&[u8]> = request.all(Known::Cookie).collect();
        let whole = cookies.join(&b"; "[..]);
        request.set(Known::Cookie, &whole);
    }
    if request.get(Known::Method) != Some(b"CONNECT") {
        return;
    }
    let Some(protocol) = request.get(Known::Protocol).map(<[u8]>::to_vec) else {
        return;
    };
    request.set(Known::Method, b"GET");
    request.set(Known::Upgrade, &protocol);
    request.set(Known::Connection, b"upgrade");
    request.remove(Known::Protocol);
    if !request.has(Known::ContentLength) {
        request.set(Known::TransferEncoding, b"chunked");
    }
}

/// Turns a request for an upstream of HTTP/2: an upgrade becomes an extended CONNECT, other fields of a connection go.
pub fn request_to_http2(request: &mut Headers) {
    if is_upgrade(request)
        && let Some(protocol) = request.get(Known::Upgrade).map(<[u8]>::to_vec)
    {
        request.set(Known::Method, b"CONNECT");
        request.set(Known::Protocol, &protocol);
        remove_zero_length(request);
    }
    remove_connection_fields(request);
}

/// Turns the answer of an HTTP/2 upstream to an upgrade back: 200 means that it was switched to `protocol`.
pub fn response_from_http2(response: &mut Headers, protocol: Option<&[u8]>) {
    if let Some(protocol) = protocol
        && response.get(Known::Status) == Some(b"200")
    {
        response.set(Known::Status, b"101");
        response.set(Known::Upgrade, protocol);
        response.set(Known::Connection, b"upgrade");
    }
}

/// Turns an answer for a client of HTTP/2: 101 becomes 200, fields of a connection go.
pub fn response_to_http2(response: &mut Headers) {
    if is_upgrade(response) && response.get(Known::Status) == Some(b"101") {
        response.set(Known::Status, b"200");
        remove_zero_length(response);
    }
    remove_connection_fields(response);
}

/// Whether the client waits for `100 (Continue)`.
#[must_use]
pub fn expects_continue(request: &Headers) -> bool {
    request
        .get(Known::Expect)
        .is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"))
}

fn remove_zero_length(headers: &mut Headers) {
    if headers.get(Known::ContentLength) == Some(b"0") {
        headers.remove(Known::ContentLength);
    }
}

fn remove_connection_fields(headers: &mut Headers) {
    for gone in [
        Known::Connection,
        Known::Upgrade,
        Known::KeepAlive,
        Known::ProxyConnection,
        Known::TransferEncoding,
    ] {
        headers.remove(gone);
    }
}

/// `te` says one thing that may pass: that trailers are understood (RFC 9113, 8.2.2). Envoy knows it in lower case.
fn keep_te_trailers(headers: &mut Headers) {
    if !headers.has(Known::Te) {
        return;
    }
    let trailers = headers.all(Known::Te).any(|value| {
        value
            .split(|b| *b == b',')
            .any(|t| t.trim_ascii() == b"trailers")
    });
    if trailers {
        headers.set(Known::Te, b"trailers");
    } else {
        headers.remove(Known::Te);
    }
}

/// Fields that `connection` names go with it (RFC 9110, 7.6.1), `te` and pseudo-header fields excepted.
fn remove_named_by_connection(headers: &mut Headers) {
    let Some(value) = headers.get(Known::Connection) else {
        return;
    };
    let plain = |token: &[u8]| {
        let token = token.trim_ascii();
        token.is_empty()
            || [&b"close"[..], b"keep-alive", b"upgrade", b"te"]
                .iter()
                .any(|t| token.eq_ignore_ascii_case(t))
    };
    if value.split(|b| *b == b',').all(plain) {
        return;
    }
    let value = value.to_ascii_lowercase();
    for name in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
        if !plain(name) && name.first() != Some(&b':') {
            headers.remove_name(name);
        }
    }
}
