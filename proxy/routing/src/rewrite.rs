//! New paths and authorities for requests that go on.

use graph::route::{HostRewrite, PathRewrite};
use headers::{Headers, Known};

use crate::conditions::path_of;

/// Writes the new path. `matched` is [`crate::Match::matched`]; `keep_original` puts the old one into
/// `x-envoy-original-path` (off where Envoy's headers are suppressed). Says whether there was a rewrite.
pub fn rewrite_path(
    request: &mut Headers,
    rewrite: &PathRewrite,
    matched: usize,
    keep_original: bool,
) -> bool {
    let Some(old) = request.get(Known::Path) else {
        return false;
    };
    let mut new = Vec::new();
    match rewrite {
        PathRewrite::None => return false,
        PathRewrite::Prefix(prefix) => replace_prefix(old, matched, prefix, &mut new),
        PathRewrite::Regex(regex, with) => replace_matches(old, regex, with, &mut new),
    }
    if keep_original {
        let old = old.to_vec();
        request.set(Known::XEnvoyOriginalPath, &old);
    }
    request.set(Known::Path, &new);
    true
}

pub(crate) fn replace_prefix(path: &[u8], matched: usize, with: &[u8], new: &mut Vec<u8>) {
    new.extend_from_slice(with);
    new.extend_from_slice(path.get(matched..).unwrap_or_default());
}

/// Replaces in the path alone: the query stays.
pub(crate) fn replace_matches(
    path: &[u8],
    regex: &regex::bytes::Regex,
    with: &[u8],
    new: &mut Vec<u8>,
) {
    let only = path_of(path);
    new.extend_from_slice(&regex.replace_all(only, with));
    new.extend_from_slice(path.get(only.len()..).unwrap_or_default());
}

/// Writes the new authority. `hostname` is the chosen endpoint's name, for a rewrite to that; `keep_original` puts the
/// old one into `x-envoy-original-host` (off where Envoy's headers are suppressed). Says whether there was a rewrite.
pub fn rewrite_host(
    request: &mut Headers,
    rewrite: &HostRewrite,
    hostname: Option<&str>,
    keep_original: bool,
) -> bool {
    let new = match rewrite {
        HostRewrite::None => None,
        HostRewrite::Literal(host) => Some(&**host),
        HostRewrite::Auto => hostname.map(str::as_bytes),
        HostRewrite::Header(name) => request.find(name),
    };
    let Some(new) = new.filter(|host| !host.is_empty()).map(<[u8]>::to_vec) else {
        return false;
    };
    if keep_original && let Some(old) = request.get(Known::Authority).map(<[u8]>::to_vec) {
        request.set(Known::XEnvoyOriginalHost, &old);
    }
    request.set(Known::Authority, &new);
    true
}
