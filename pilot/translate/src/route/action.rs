//! What is done with a request that a route took.

use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source::Specifier};
use envoy_types::pb::envoy::config::route::v3::{
    DirectResponseAction, RedirectAction, RouteAction, WeightedCluster,
    redirect_action::{PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier},
    route::Action,
    route_action::{
        ClusterSpecifier, HashPolicy, HostRewriteSpecifier, MaxStreamDuration, RequestMirrorPolicy,
        hash_policy,
    },
    weighted_cluster::{ClusterWeight, cluster_weight},
};
use envoy_types::pb::envoy::r#type::matcher::v3::RegexMatchAndSubstitute;
use resources::istio::Percent;
use resources::istio::virtual_service::{
    DerivePort, Destination, HttpDirectResponse, HttpRedirect, HttpRoute, HttpRouteDestination,
};

use super::condition::expression;
use super::{fault, header, retry};
use crate::cluster::policy::{Blocks, Rule};
use crate::model::host;
use crate::names::Upstream;
use crate::proxy::ProxyClass;
use crate::snapshot::reads::Reads;
use crate::wire::{duration, u32_value};

/// The action of an HTTP route; nothing for one that takes its routes from elsewhere.
pub(super) fn action(
    http: &HttpRoute,
    namespace: &str,
    port: u16,
    class: &ProxyClass,
    reads: &mut Reads<'_>,
) -> Option<Action> {
    if let Some(redirect) = &http.redirect {
        return Some(Action::Redirect(redirection(redirect, port)));
    }
    if let Some(response) = &http.direct_response {
        return Some(Action::DirectResponse(direct_response(response)));
    }
    let first = http.route.first()?;
    let names = Names { namespace, port };
    let hash = names.hash(&first.destination, class, reads);
    let timeout = duration(http.timeout.map_or(Duration::ZERO, |t| t.0));
    let mut action = RouteAction {
        timeout,
        retry_policy: retry::asked(http.retries.as_ref(), hash.is_empty()),
        hash_policy: hash,
        request_mirror_policies: mirrors(http, &names, reads),
        ..Default::default()
    };
    cap_grpc_timeout(&mut action);
    rewrite(http, &mut action);
    let weighted: Vec<&HttpRouteDestination> = http.route.iter().filter(|d| d.weight > 0).collect();
    action.cluster_specifier = Some(match weighted.as_slice() {
        [] | [_] if weighted.first().copied().unwrap_or(first).headers.is_none() => {
            let only = weighted.first().copied().unwrap_or(first);
            ClusterSpecifier::Cluster(names.cluster(&only.destination, reads))
        }
        [] => ClusterSpecifier::WeightedClusters(WeightedCluster {
            clusters: vec![names.weighted(first, 1, reads)],
            ..Default::default()
        }),
        many => ClusterSpecifier::WeightedClusters(WeightedCluster {
            clusters: many
                .iter()
                .map(|d| names.weighted(d, d.weight, reads))
                .collect(),
            ..Default::default()
        }),
    });
    Some(Action::Route(action))
}

/// A caller's `grpc-timeout` counts up to the route's own timeout, or wholly where there is none.
/// Istio says so by a field that Envoy calls deprecated but whose successor limits streams, not
/// requests.
#[expect(deprecated, reason = "the successor means something else")]
pub(super) fn cap_grpc_timeout(action: &mut RouteAction) {
    action.max_grpc_timeout = action.timeout;
}

/// The same for gRPC libraries, which know the successor alone.
#[expect(deprecated, reason = "it is taken out here")]
pub(crate) fn limit_grpc_calls(action: &mut RouteAction) {
    action.max_grpc_timeout = None;
    let limit = action.timeout.filter(|t| t.seconds > 0 || t.nanos > 0);
    action.max_stream_duration = limit.map(|limit| MaxStreamDuration {
        max_stream_duration: Some(limit),
        ..Default::default()
    });
}

/// How destinations are named from where a route stands.
struct Names<'n> {
    namespace: &'n str,
    port: u16,
}

impl Names<'_> {
    /// The cluster of a destination, whether or not there is such a one: requests to one that is
    /// not there are answered with 503.
    fn cluster(&self, to: &Destination, reads: &mut Reads<'_>) -> String {
        let host = host::resolve(&to.host, self.namespace, &reads.settings().domain);
        let port = self.destination_port(to, &host, reads);
        Upstream::new(port, &to.subset, &host).cluster()
    }

    /// As written; else the service's only port; else the port that was called.
    fn destination_port(&self, to: &Destination, host: &str, reads: &mut Reads<'_>) -> u16 {
        if let Some(port) = to.port {
            return port.number;
        }
        match reads.service_at(host).map(|s| s.ports.as_slice()) {
            Some([only]) => only.number,
            _ => self.port,
        }
    }

    fn weighted(
        &self,
        to: &HttpRouteDestination,
        weight: u32,
        reads: &mut Reads<'_>,
    ) -> ClusterWeight {
        let headers = to.headers.as_ref();
        let request = headers.and_then(|h| h.request.as_ref());
        let (request_headers_to_add, request_headers_to_remove) = header::operations(request);
        let (response_headers_to_add, response_headers_to_remove) =
            header::operations(headers.and_then(|h| h.response.as_ref()));
        ClusterWeight {
            name: self.cluster(&to.destination, reads),
            weight: u32_value(weight),
            request_headers_to_add,
            request_headers_to_remove,
            response_headers_to_add,
            response_headers_to_remove,
            host_rewrite_specifier: header::authority(request)
                .map(|host| cluster_weight::HostRewriteSpecifier::HostRewriteLiteral(host.clone())),
            ..Default::default()
        }
    }

    fn hash(&self, to: &Destination, class: &ProxyClass, reads: &mut Reads<'_>) -> Vec<HashPolicy> {
        let host = host::resolve(&to.host, self.namespace, &reads.settings().domain);
        let Some(service) = reads.service_at(&host) else {
            return Vec::new();
        };
        let port = self.destination_port(to, &host, reads);
        let rule = Rule::of(service, class, reads);
        hash_policies(&rule.policy(&to.subset, port))
    }
}

/// What of a request a consistent hash is made of.
pub(super) fn hash_policies(blocks: &Blocks<'_>) -> Vec<HashPolicy> {
    let Some(hash) = blocks.consistent_hash() else {
        return Vec::new();
    };
    let specifier = if let Some(name) = hash
        .http_header_name
        .as_ref()
        .filter(|n| header::is_name(n))
    {
        hash_policy::PolicySpecifier::Header(hash_policy::Header {
            header_name: name.clone(),
            ..Default::default()
        })
    } else if let Some(cookie) = hash.http_cookie.as_ref().filter(|c| !c.name.is_empty()) {
        hash_policy::PolicySpecifier::Cookie(hash_policy::Cookie {
            name: cookie.name.clone(),
            path: cookie.path.clone(),
            ttl: cookie.ttl.and_then(|t| duration(t.0)),
            ..Default::default()
        })
    } else if hash.use_source_ip == Some(true) {
        hash_policy::PolicySpecifier::ConnectionProperties(hash_policy::ConnectionProperties {
            source_ip: true,
        })
    } else if let Some(name) = hash
        .http_query_parameter_name
        .as_ref()
        .filter(|n| !n.is_empty())
    {
        hash_policy::PolicySpecifier::QueryParameter(hash_policy::QueryParameter {
            name: name.clone(),
        })
    } else {
        return Vec::new();
    };
    vec![HashPolicy {
        policy_specifier: Some(specifier),
        ..Default::default()
    }]
}

fn rewrite(http: &HttpRoute, action: &mut RouteAction) {
    let of_headers = header::authority(http.headers.as_ref().and_then(|h| h.request.as_ref()));
    let mut authority = of_headers.cloned();
    if let Some(rewrite) = &http.rewrite {
        if !rewrite.authority.is_empty() {
            authority = Some(rewrite.authority.clone());
        }
        if !rewrite.uri.is_empty() {
            action.prefix_rewrite.clone_from(&rewrite.uri);
        } else if let Some(regex) = &rewrite.uri_regex_rewrite
            && let Some(pattern) = expression(&regex.pattern)
        {
            action.regex_rewrite = Some(RegexMatchAndSubstitute {
                pattern: Some(pattern),
                substitution: regex.rewrite.clone(),
            });
        }
    }
    action.host_rewrite_specifier = authority
        .filter(|a| header::is_value(a))
        .map(HostRewriteSpecifier::HostRewriteLiteral);
}

fn mirrors(http: &HttpRoute, names: &Names<'_>, reads: &mut Reads<'_>) -> Vec<RequestMirrorPolicy> {
    let old = http
        .mirror_percentage
        .or(http.mirror_percent.map(|p| Percent {
            value: f64::from(p),
        }));
    let all = http
        .mirror
        .iter()
        .map(|to| (to, old))
        .chain(http.mirrors.iter().map(|m| (&m.destination, m.percentage)));
    all.filter(|(to, percent)| !to.host.is_empty() && percent.is_none_or(|p| p.value > 0.0))
        .map(|(to, percent)| RequestMirrorPolicy {
            cluster: names.cluster(to, reads),
            runtime_fraction: Some(fault::runtime_share(percent)),
            ..Default::default()
        })
        .collect()
}

fn redirection(redirect: &HttpRedirect, port: u16) -> RedirectAction {
    let code = match redirect.redirect_code {
        302 => RedirectResponseCode::Found,
        303 => RedirectResponseCode::SeeOther,
        307 => RedirectResponseCode::TemporaryRedirect,
        308 => RedirectResponseCode::PermanentRedirect,
        _ => RedirectResponseCode::MovedPermanently,
    };
    let port_redirect = match redirect.derive_port {
        Some(DerivePort::FromRequestPort) => port.into(),
        Some(DerivePort::FromProtocolDefault) if redirect.scheme == "https" => 443,
        Some(DerivePort::FromProtocolDefault) if redirect.scheme == "http" => 80,
        _ => redirect.port.map(u32::from).unwrap_or_default(),
    };
    let safe = |text: &String| (!text.is_empty() && header::is_value(text)).then(|| text.clone());
    let path = match (safe(&redirect.uri), safe(&redirect.prefix_rewrite)) {
        (Some(uri), _) => match uri.strip_prefix("%PREFIX()%") {
            Some(rest) => Some(PathRewriteSpecifier::PrefixRewrite(rest.to_owned())),
            None => Some(PathRewriteSpecifier::PathRedirect(uri)),
        },
        (None, Some(prefix)) => Some(PathRewriteSpecifier::PrefixRewrite(prefix)),
        (None, None) => None,
    };
    RedirectAction {
        host_redirect: safe(&redirect.authority).unwrap_or_default(),
        port_redirect,
        response_code: code.into(),
        scheme_rewrite_specifier: safe(&redirect.scheme)
            .map(SchemeRewriteSpecifier::SchemeRedirect),
        path_rewrite_specifier: path,
        ..Default::default()
    }
}

fn direct_response(response: &HttpDirectResponse) -> DirectResponseAction {
    let body = response
        .body
        .as_ref()
        .and_then(|b| b.string.clone())
        .filter(|b| b.len() <= super::MAX_BODY as usize);
    DirectResponseAction {
        // A status out of range is reported by the check; 500 is what Envoy would send for a fault.
        status: if (200..600).contains(&response.status) {
            response.status
        } else {
            500
        },
        body: body.map(|text| DataSource {
            specifier: Some(Specifier::InlineString(text)),
            ..Default::default()
        }),
        ..Default::default()
    }
}
