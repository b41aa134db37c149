//! Cross-origin requests (`CorsPolicy`), as Envoy's filter `cors` treats them.

use graph::policy::Cors;
use headers::{Headers, Known};

const REQUEST_METHOD: &[u8] = b"access-control-request-method";
const REQUEST_HEADERS: &[u8] = b"access-control-request-headers";

/// What CORS says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It names no origin: CORS has no part in it.
    SameOrigin,
    /// It is a preflight and is answered here, with 200 and the fields that were written.
    Answer,
    /// It goes on, and [`write_response`] is due on its answer.
    Allowed,
    /// It goes on, and its answer stays as it is: the browser refuses it.
    NotAllowed,
}

/// Judges a request; `answer` gets the fields of a preflight's answer, `:status` left out.
pub fn judge(cors: &Cors, request: &Headers, answer: &mut Headers) -> Verdict {
    let Some(origin) = request.get(Known::Origin).filter(|o| !o.is_empty()) else {
        return Verdict::SameOrigin;
    };
    let allowed = cors
        .allow_origins
        .iter()
        .any(|o| o.matches(b"*") || o.matches(origin));
    let method = request.find(REQUEST_METHOD).unwrap_or_default();
    let preflight = request.get(Known::Method) == Some(b"OPTIONS") && !method.is_empty();
    if !preflight || (!allowed && cors.forward_not_matching_preflights) {
        return if allowed {
            Verdict::Allowed
        } else {
            Verdict::NotAllowed
        };
    }
    if allowed {
        answer.push(b"access-control-allow-origin", origin);
    }
    if cors.allow_credentials {
        answer.push(b"access-control-allow-credentials", b"true");
    }
    let asked = request.find(REQUEST_HEADERS).unwrap_or_default();
    for (name, configured, asked) in [
        (
            &b"access-control-allow-methods"[..],
            &cors.allow_methods,
            method,
        ),
        (b"access-control-allow-headers", &cors.allow_headers, asked),
    ] {
        match configured.as_bytes() {
            b"" => {}
            b"*" => answer.push(name, asked),
            listed => answer.push(name, listed),
        }
    }
    if !cors.max_age.is_empty() {
        answer.push(b"access-control-max-age", cors.max_age.as_bytes());
    }
    if allowed && !cors.expose_headers.is_empty() {
        answer.push(
            b"access-control-expose-headers",
            cors.expose_headers.as_bytes(),
        );
    }
    Verdict::Answer
}

/// Writes what an allowed request's answer says; values of the upstream give way. `origin` is the request's.
pub fn write_response(cors: &Cors, origin: &[u8], response: &mut Headers) {
    response.replace(b"access-control-allow-origin", origin);
    if cors.allow_credentials {
        response.replace(b"access-control-allow-credentials", b"true");
    }
    if !cors.expose_headers.is_empty() {
        response.replace(
            b"access-control-expose-headers",
            cors.expose_headers.as_bytes(),
        );
    }
}
