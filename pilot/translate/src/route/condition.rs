//! What a request must look like for a route.

use envoy_types::pb::envoy::config::route::v3::{
    HeaderMatcher, QueryParameterMatcher, RouteMatch, header_matcher::HeaderMatchSpecifier,
    query_parameter_matcher::QueryParameterMatchSpecifier, route_match::PathSpecifier,
};
use envoy_types::pb::envoy::r#type::matcher::v3::{
    RegexMatcher, StringMatcher, string_matcher::MatchPattern,
};
use resources::istio::virtual_service::{HttpMatchRequest, StringMatch};

use super::header;
use crate::wire::bool_value;

/// Nothing where a condition cannot be said to a proxy: the route is then left out, for without
/// the condition it would take requests that it is not meant for.
pub(super) fn route_match(on: &HttpMatchRequest) -> Option<RouteMatch> {
    let path = path(on.uri.as_ref())?;
    let mut headers = Vec::new();
    for (name, condition) in [
        (":scheme", &on.scheme),
        (":method", &on.method),
        (":authority", &on.authority),
    ] {
        if let Some(condition) = condition {
            headers.push(header_matcher(name, condition)?);
        }
    }
    for (name, condition) in &on.headers {
        headers.push(header_matcher(name, condition)?);
    }
    for (name, condition) in &on.without_headers {
        let matcher = header_matcher(name, condition)?;
        let present = matches!(
            matcher.header_match_specifier,
            Some(HeaderMatchSpecifier::PresentMatch(_))
        );
        headers.push(HeaderMatcher {
            invert_match: true,
            treat_missing_header_as_empty: !present,
            ..matcher
        });
    }
    let mut query_parameters = Vec::new();
    for (name, condition) in &on.query_params {
        query_parameters.push(query(name, condition)?);
    }
    Some(RouteMatch {
        path_specifier: Some(path),
        case_sensitive: on.ignore_uri_case.then(|| bool_value(false)).flatten(),
        headers,
        query_parameters,
        ..Default::default()
    })
}

/// Whether every request matches.
pub(super) fn is_everything(on: &RouteMatch) -> bool {
    on.path_specifier == Some(PathSpecifier::Prefix("/".to_owned()))
        && on.headers.is_empty()
        && on.query_parameters.is_empty()
}

fn path(uri: Option<&StringMatch>) -> Option<PathSpecifier> {
    let Some(uri) = uri else {
        return Some(PathSpecifier::Prefix("/".to_owned()));
    };
    Some(match (&uri.exact, &uri.prefix, &uri.regex) {
        (Some(exact), ..) => PathSpecifier::Path(exact.clone()),
        (_, Some(prefix), _) if !prefix.is_empty() => PathSpecifier::Prefix(prefix.clone()),
        (_, _, Some(regex)) => PathSpecifier::SafeRegex(expression(regex)?),
        _ => PathSpecifier::Prefix("/".to_owned()),
    })
}

fn header_matcher(name: &str, condition: &StringMatch) -> Option<HeaderMatcher> {
    if !header::is_name(name) {
        return None;
    }
    let specifier = match pattern(condition)? {
        None => HeaderMatchSpecifier::PresentMatch(true),
        Some(pattern) => HeaderMatchSpecifier::StringMatch(StringMatcher {
            match_pattern: Some(pattern),
            ..Default::default()
        }),
    };
    Some(HeaderMatcher {
        name: name.to_owned(),
        header_match_specifier: Some(specifier),
        ..Default::default()
    })
}

fn query(name: &str, condition: &StringMatch) -> Option<QueryParameterMatcher> {
    if name.is_empty() || name.len() > 1024 {
        return None;
    }
    let specifier = match pattern(condition)? {
        None => QueryParameterMatchSpecifier::PresentMatch(true),
        Some(pattern) => QueryParameterMatchSpecifier::StringMatch(StringMatcher {
            match_pattern: Some(pattern),
            ..Default::default()
        }),
    };
    Some(QueryParameterMatcher {
        name: name.to_owned(),
        query_parameter_match_specifier: Some(specifier),
    })
}

/// `Some(None)` is "present"; `None` a condition that proxies would refuse.
#[expect(clippy::option_option, reason = "presence and refusal are two answers")]
fn pattern(condition: &StringMatch) -> Option<Option<MatchPattern>> {
    Some(
        match (&condition.exact, &condition.prefix, &condition.regex) {
            (Some(exact), ..) => Some(MatchPattern::Exact(exact.clone())),
            (_, Some(prefix), _) if !prefix.is_empty() => {
                Some(MatchPattern::Prefix(prefix.clone()))
            }
            (_, _, Some(regex)) if !regex.is_empty() => {
                Some(MatchPattern::SafeRegex(expression(regex)?))
            }
            _ => None,
        },
    )
}

/// One expression that a proxy refuses makes it refuse the whole configuration, so that it is
/// looked at here. RE2, which proxies use, has no more than this syntax has.
pub(super) fn expression(regex: &str) -> Option<RegexMatcher> {
    let fits = !regex.is_empty()
        && regex.len() <= MAX_EXPRESSION
        && regex_syntax::Parser::new().parse(regex).is_ok();
    fits.then(|| RegexMatcher {
        regex: regex.to_owned(),
        ..Default::default()
    })
}

const MAX_EXPRESSION: usize = 8192;
