//! Answers that send the client elsewhere.

use graph::route::{Redirect, RedirectPath};
use headers::{Headers, Known};

use crate::rewrite::{replace_matches, replace_prefix};

/// A redirect's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// `location`
    pub location: Vec<u8>,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}

/// Where a redirect sends this request. `matched` is [`crate::Match::matched`], `scheme` is `:scheme`.
#[must_use]
pub fn redirect(request: &Headers, to: &Redirect, matched: usize, scheme: &[u8]) -> Location {
    let new_scheme = match (&to.scheme, to.https) {
        (Some(new), _) => new.as_bytes(),
        (None, true) => b"https",
        (None, false) => scheme,
    };
    let mut location = new_scheme.to_vec();
    location.extend_from_slice(b"://");
    match &to.host {
        Some(host) => location.extend_from_slice(host.as_bytes()),
        None => location.extend_from_slice(own_host(request, new_scheme, to.port.is_some())),
    }
    if let Some(port) = to.port {
        location.extend_from_slice(format!(":{port}").as_bytes());
    }
    push_path(&mut location, request, to, matched);
    Location {
        location,
        status: to.status,
    }
}

/// Where a virtual host that demands TLS sends a request without: the same by https, and 301.
#[must_use]
pub fn https_redirect(request: &Headers) -> Location {
    let mut location = b"https://".to_vec();
    location.extend_from_slice(request.get(Known::Authority).unwrap_or_default());
    location.extend_from_slice(request.get(Known::Path).unwrap_or_default());
    Location {
        location,
        status: 301,
    }
}

fn push_path(location: &mut Vec<u8>, request: &Headers, to: &Redirect, matched: usize) {
    let path = request.get(Known::Path).unwrap_or_default();
    let from = location.len();
    if let RedirectPath::Whole(new) = &to.path
        && new.first() != Some(&b'/')
    {
        location.push(b'/');
    }
    match &to.path {
        RedirectPath::Same => location.extend_from_slice(path),
        RedirectPath::Prefix(prefix) => replace_prefix(path, matched, prefix, location),
        RedirectPath::Regex(regex, with) => replace_matches(path, regex, with, location),
        RedirectPath::Whole(whole) => {
            location.extend_from_slice(whole);
            if whole.contains(&b'?') {
                // A query that configuration gives stands, whatever the request has or `strip_query` says.
                return;
            }
            if let Some(at) = path.iter().position(|b| *b == b'?') {
                location.extend_from_slice(path.get(at..).unwrap_or_default());
            }
        }
    }
    if to.strip_query {
        let query = location
            .get(from..)
            .and_then(|path| path.iter().position(|b| *b == b'?'));
        location.truncate(query.map_or(location.len(), |at| from + at));
    }
}

/// The request's own host, without a port that belongs to the scheme it leaves or that is replaced.
fn own_host<'r>(request: &'r Headers, new_scheme: &[u8], new_port: bool) -> &'r [u8] {
    let host = request.get(Known::Authority).unwrap_or_default();
    let colon = if host.first() == Some(&b'[') {
        host.windows(2)
            .rposition(|two| two == b"]:")
            .map(|at| at + 1)
    } else {
        host.iter().rposition(|b| *b == b':')
    };
    let Some((name, port)) = colon.and_then(|at| host.split_at_checked(at)) else {
        return host;
    };
    let came_by = request.get(Known::XForwardedProto).unwrap_or_default();
    let of_scheme = matches!((came_by, port), (b"https", b":443") | (b"http", b":80"));
    if new_port || (new_scheme != came_by && of_scheme) {
        name
    } else {
        host
    }
}
