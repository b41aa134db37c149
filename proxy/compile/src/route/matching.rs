//! Conditions of routes.

use envoy_types::pb::envoy::config::route::v3::{
    HeaderMatcher, QueryParameterMatcher, RouteMatch as Message,
    header_matcher::HeaderMatchSpecifier,
    query_parameter_matcher::QueryParameterMatchSpecifier,
    route_match::{ConnectMatcher, GrpcRouteMatchOptions, PathSpecifier, TlsContextMatchOptions},
};
use envoy_types::pb::envoy::r#type::v3::Int64Range;
use graph::route::{Case, HeaderCondition, HeaderTest, PathMatch, QueryCondition, RouteMatch};
use graph::text::{TextMatch, TextMatcher};

use crate::place::{Compiled, Place, take};
use crate::text;
use crate::value::{bool_or, runtime_per_million};

pub(super) fn compile(place: &Place<'_>, message: &Message) -> Compiled<RouteMatch> {
    take!(place, message, Message {
        case_sensitive, runtime_fraction, headers, query_parameters, grpc, tls_context, path_specifier,
    } refuse { cookies, dynamic_metadata, filter_state } note {} inert {});
    let case = match bool_or(case_sensitive, true) {
        true => Case::Sensitive,
        false => Case::Insensitive,
    };
    Ok(RouteMatch {
        path: path(place, path_specifier, case)?,
        headers: header_conditions(place, "headers", headers)?,
        query: queries(place, query_parameters)?,
        grpc: grpc.as_ref().is_some_and(|GrpcRouteMatchOptions {}| true),
        fraction: match runtime_fraction {
            None => None,
            Some(given) => Some(runtime_per_million(place, "runtime_fraction", given)?),
        },
        client_certificate: client_certificate(place, tls_context)?,
    })
}

fn path(place: &Place<'_>, given: &Option<PathSpecifier>, case: Case) -> Compiled<PathMatch> {
    let bytes = |text: &str| -> Box<[u8]> {
        match case {
            Case::Sensitive => text.as_bytes().into(),
            Case::Insensitive => text.to_ascii_lowercase().into_bytes().into(),
        }
    };
    Ok(match place.required("path_specifier", given)? {
        PathSpecifier::Prefix(prefix) => PathMatch::Prefix(bytes(prefix), case),
        PathSpecifier::Path(path) => PathMatch::Exact(bytes(path), case),
        PathSpecifier::PathSeparatedPrefix(prefix) => {
            if prefix.is_empty() || prefix.ends_with('/') || prefix.contains(['?', '#']) {
                return Err(place.refuse(
                    "path_separated_prefix",
                    "must not be empty, end with `/` or have `?` or `#`",
                ));
            }
            PathMatch::SeparatedPrefix(bytes(prefix), case)
        }
        PathSpecifier::SafeRegex(regex) => {
            PathMatch::Regex(text::whole(place, "safe_regex", regex)?)
        }
        PathSpecifier::ConnectMatcher(ConnectMatcher {}) => PathMatch::Connect,
        PathSpecifier::PathMatchPolicy(_) => {
            return Err(place.refuse(
                "path_match_policy",
                "is not supported; use prefix, path or safe_regex",
            ));
        }
    })
}

/// Conditions on headers.
pub(crate) fn header_conditions(
    place: &Place<'_>,
    field: &str,
    given: &[HeaderMatcher],
) -> Compiled<Vec<HeaderCondition>> {
    let one = |(index, given)| header(&place.item(field, index), given);
    given.iter().enumerate().map(one).collect()
}

fn header(place: &Place<'_>, given: &HeaderMatcher) -> Compiled<HeaderCondition> {
    take!(place, given, HeaderMatcher { name, invert_match, treat_missing_header_as_empty, header_match_specifier }
        refuse {} note {} inert {});
    if name.is_empty() {
        return Err(place.refuse("name", "is required; name a header"));
    }
    let plain = |pattern| HeaderTest::Text(text::sensitive(pattern));
    let on =
        match header_match_specifier {
            None => HeaderTest::Present(true),
            Some(HeaderMatchSpecifier::PresentMatch(present)) => HeaderTest::Present(*present),
            Some(HeaderMatchSpecifier::ExactMatch(text)) if text.is_empty() => {
                HeaderTest::Present(true)
            }
            Some(HeaderMatchSpecifier::ExactMatch(text)) => {
                plain(TextMatch::Exact(text.as_bytes().into()))
            }
            Some(HeaderMatchSpecifier::PrefixMatch(text)) => {
                plain(TextMatch::Prefix(text.as_bytes().into()))
            }
            Some(HeaderMatchSpecifier::SuffixMatch(text)) => {
                plain(TextMatch::Suffix(text.as_bytes().into()))
            }
            Some(HeaderMatchSpecifier::ContainsMatch(text)) => {
                plain(TextMatch::Contains(text.as_bytes().into()))
            }
            Some(HeaderMatchSpecifier::SafeRegexMatch(regex)) => plain(TextMatch::Regex(
                text::whole(place, "safe_regex_match", regex)?,
            )),
            Some(HeaderMatchSpecifier::StringMatch(matcher)) => {
                HeaderTest::Text(text::matcher(place, "string_match", matcher)?)
            }
            Some(HeaderMatchSpecifier::RangeMatch(Int64Range { start, end })) => {
                HeaderTest::Range(*start, *end)
            }
        };
    Ok(HeaderCondition {
        name: name.to_ascii_lowercase().into_bytes().into(),
        on,
        invert: *invert_match,
        missing_as_empty: *treat_missing_header_as_empty,
    })
}

fn queries(place: &Place<'_>, given: &[QueryParameterMatcher]) -> Compiled<Vec<QueryCondition>> {
    let one = |(index, given): (usize, &QueryParameterMatcher)| -> Compiled<QueryCondition> {
        let place = place.item("query_parameters", index);
        take!(place, given, QueryParameterMatcher { name, query_parameter_match_specifier } refuse {} note {} inert {});
        let on: Option<TextMatcher> = match query_parameter_match_specifier {
            None | Some(QueryParameterMatchSpecifier::PresentMatch(true)) => None,
            Some(QueryParameterMatchSpecifier::StringMatch(matcher)) => {
                Some(text::matcher(&place, "string_match", matcher)?)
            }
            Some(QueryParameterMatchSpecifier::PresentMatch(false)) => {
                return Err(place.refuse(
                    "present_match",
                    "false is not supported; leave the parameter out",
                ));
            }
        };
        Ok(QueryCondition {
            name: name.as_bytes().into(),
            on,
        })
    };
    given.iter().enumerate().map(one).collect()
}

/// A certificate that was shown was also verified: there is no connection otherwise.
fn client_certificate(
    place: &Place<'_>,
    given: &Option<TlsContextMatchOptions>,
) -> Compiled<Option<bool>> {
    let Some(TlsContextMatchOptions {
        presented,
        validated,
    }) = given
    else {
        return Ok(None);
    };
    let presented = presented.as_ref().map(|v| v.value);
    let validated = validated.as_ref().map(|v| v.value);
    match (presented, validated) {
        (Some(a), Some(b)) if a != b => Err(place.refuse(
            "tls_context",
            "asks for a certificate that was shown and not verified, which never is",
        )),
        _ => Ok(presented.or(validated)),
    }
}
