//! `x-forwarded-client-cert`: what is said of the client's certificate.

use graph::manager::{ClientCertDetails, ForwardClientCert};
use headers::{Headers, Known};

/// Facts of a mutual TLS connection, read once when it was made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Certificates<'a> {
    /// URI names of the certificate shown to the client.
    pub local_uris: &'a [&'a str],
    /// SHA-256 of the client's certificate (DER), in lower-case hex.
    pub hash: &'a str,
    /// Its subject as RFC 2253 writes it.
    pub subject: &'a str,
    /// Its URI names.
    pub uris: &'a [&'a str],
    /// Its DNS names.
    pub dns: &'a [&'a str],
    /// It as PEM, URL-encoded.
    pub pem: &'a str,
    /// Its whole chain as PEM, URL-encoded.
    pub chain_pem: &'a str,
}

/// One element of the field, as `set_current_client_cert_details` asks: made once for a connection.
pub fn element(of: &Certificates<'_>, details: ClientCertDetails, text: &mut Vec<u8>) {
    let mut add = |key: &str, value: &str, quote: &str| {
        if !text.is_empty() {
            text.push(b';');
        }
        for part in [key, "=", quote, value, quote] {
            text.extend_from_slice(part.as_bytes());
        }
    };
    for uri in of.local_uris {
        add("By", uri, "");
    }
    if !of.hash.is_empty() {
        add("Hash", of.hash, "");
    }
    if details.cert && !of.pem.is_empty() {
        add("Cert", of.pem, "\"");
    }
    if details.chain && !of.chain_pem.is_empty() {
        add("Chain", of.chain_pem, "\"");
    }
    if details.subject {
        add("Subject", of.subject, "\"");
    }
    if details.uri {
        if of.uris.is_empty() {
            add("URI", "", "");
        }
        for uri in of.uris {
            add("URI", uri, "");
        }
    }
    if details.dns {
        for name in of.dns {
            add("DNS", name, "");
        }
    }
}

/// Writes the field of a request. `current` is this client's [`element`]; `None` where the connection is not mutual TLS.
pub fn set(request: &mut Headers, mode: ForwardClientCert, current: Option<&[u8]>) {
    let current = match (mode, current) {
        (ForwardClientCert::AlwaysForwardOnly, _) | (ForwardClientCert::ForwardOnly, Some(_)) => {
            return;
        }
        (ForwardClientCert::Sanitize, _) | (_, None) => {
            request.remove(Known::XForwardedClientCert);
            return;
        }
        (ForwardClientCert::AppendForward | ForwardClientCert::SanitizeSet, Some(now)) => now,
    };
    if mode == ForwardClientCert::SanitizeSet || !request.has(Known::XForwardedClientCert) {
        request.set(Known::XForwardedClientCert, current);
        return;
    }
    let mut joined = Vec::new();
    for value in request.all(Known::XForwardedClientCert).chain([current]) {
        if !joined.is_empty() && !value.is_empty() {
            joined.push(b',');
        }
        joined.extend_from_slice(value);
    }
    request.set(Known::XForwardedClientCert, &joined);
}
