//! The route of a request.

use std::sync::Arc;

use graph::route::{Route, RouteTable, VirtualHost};
use headers::{Headers, Known};

use crate::conditions::{Subject, holds};

/// What is known of a request besides its headers.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// One number at random for the request: fractions of routes and shares of clusters are drawn by it.
    pub random: u64,
    /// The client showed a certificate.
    pub client_certificate: bool,
}

/// A route that applies to a request.
#[derive(Debug, Clone, Copy)]
pub struct Match<'t> {
    /// The virtual host that it stands in.
    pub virtual_host: &'t Arc<VirtualHost>,
    /// The route.
    pub route: &'t Arc<Route>,
    /// Bytes at the path's beginning that the route's condition covers and a prefix rewrite replaces.
    pub matched: usize,
}

/// The route of a request, in the virtual host of its authority. A request that [`needs_https`] has no use for it.
#[must_use]
pub fn route<'t>(table: &'t RouteTable, request: &Headers, facts: &Facts) -> Option<Match<'t>> {
    let host = virtual_host(table, request.get(Known::Authority)?)?;
    route_in(host, request, facts)
}

/// The first route of a virtual host that applies.
#[must_use]
pub fn route_in<'t>(
    virtual_host: &'t Arc<VirtualHost>,
    request: &Headers,
    facts: &Facts,
) -> Option<Match<'t>> {
    let subject = Subject::of(request);
    virtual_host.routes.iter().find_map(|route| {
        Some(Match {
            virtual_host,
            route,
            matched: holds(&route.on, &subject, facts)?,
        })
    })
}

/// Whether the virtual host answers this request by a redirect to https: it demands TLS and the request, as
/// `x-forwarded-proto` says, came without.
#[must_use]
pub fn needs_https(virtual_host: &VirtualHost, request: &Headers) -> bool {
    virtual_host.require_tls && request.get(Known::XForwardedProto) != Some(b"https")
}

/// The virtual host of an authority: the exact domain, else the longest suffix, else the longest prefix, else the
/// one of `*`. Case does not count.
#[must_use]
pub fn virtual_host<'t>(table: &'t RouteTable, authority: &[u8]) -> Option<&'t Arc<VirtualHost>> {
    if table.exact.is_empty() && table.suffixes.is_empty() && table.prefixes.is_empty() {
        return table.default.as_ref();
    }
    let host = match port_start(authority) {
        Some(at) if table.ignore_port => authority.get(..at).unwrap_or(authority),
        _ => authority,
    };
    if !host.iter().any(u8::is_ascii_uppercase) {
        return find(table, host);
    }
    let mut short = [0u8; 256];
    match short.get_mut(..host.len()) {
        Some(lower) => {
            lower.copy_from_slice(host);
            lower.make_ascii_lowercase();
            find(table, lower)
        }
        None => find(table, &host.to_ascii_lowercase()),
    }
}

fn find<'t>(table: &'t RouteTable, host: &[u8]) -> Option<&'t Arc<VirtualHost>> {
    let suffix =
        |(suffix, _): &&(Box<[u8]>, _)| host.len() > suffix.len() && host.ends_with(suffix);
    let prefix =
        |(prefix, _): &&(Box<[u8]>, _)| host.len() > prefix.len() && host.starts_with(prefix);
    table
        .exact
        .get(host)
        .or_else(|| table.suffixes.iter().find(suffix).map(|(_, v)| v))
        .or_else(|| table.prefixes.iter().find(prefix).map(|(_, v)| v))
        .or(table.default.as_ref())
}

/// Where `:port` begins in an authority: at the last colon, unless it stands inside brackets. What follows it is not
/// looked at.
fn port_start(authority: &[u8]) -> Option<usize> {
    let at = authority.iter().rposition(|b| *b == b':')?;
    let bracket = authority.iter().rposition(|b| *b == b']');
    bracket.is_none_or(|end| end < at).then_some(at)
}
