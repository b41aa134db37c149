//! What a route does with a request.

use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source::Specifier};
use envoy_types::pb::envoy::config::route::v3::{
    DirectResponseAction, RouteAction,
    route_action::{
        ClusterNotFoundResponseCode, HostRewriteSpecifier, InternalRedirectAction,
        MaxStreamDuration, UpgradeConfig,
    },
};
use envoy_types::pb::google::protobuf::Duration as Length;
use graph::route::{Action, Forward, Forwarding, HostRewrite, Mirror, PathRewrite};

use super::{Inherited, hash, retry, target};
use crate::intern::Interner;
use crate::place::{Compiled, Place, take};
use crate::text;
use crate::value::{bool_or, duration, duration_or, known};

/// Envoy's default (`RouteAction.timeout`).
const TIMEOUT: Duration = Duration::from_secs(15);

pub(super) fn forward(
    place: &Place<'_>,
    given: &RouteAction,
    above: &Inherited,
    names: &mut Interner,
) -> Compiled<Forward> {
    take!(place, given, RouteAction {
        cluster_not_found_response_code, prefix_rewrite, regex_rewrite, timeout, idle_timeout, retry_policy,
        request_mirror_policies, max_grpc_timeout, upgrade_configs, internal_redirect_action, max_stream_duration,
        cluster_specifier, host_rewrite_specifier, hash_policy, grpc_timeout_offset,
    } refuse {
        metadata_match, path_rewrite_policy, path_rewrite, retry_policy_typed_config, internal_redirect_policy,
    } note {
        append_x_forwarded_host, flush_timeout, priority, cors, hedge_policy, rate_limits,
    } inert { early_data_policy, include_vh_rate_limits, max_internal_redirects });
    if *internal_redirect_action != InternalRedirectAction::PassThroughInternalRedirect as i32 {
        return Err(place.refuse("internal_redirect_action", "is not supported; leave it out"));
    }
    place.should_be_unset("grpc_timeout_offset", grpc_timeout_offset);
    let mirrors: Vec<Mirror> = match request_mirror_policies.is_empty() {
        true => above.mirrors.to_vec(),
        false => target::mirrors(place, request_mirror_policies, names)?,
    };
    let times = times(place, max_stream_duration, timeout, max_grpc_timeout)?;
    let target = target::compile(place, cluster_specifier, names)?;
    let how = Forwarding {
        cluster_not_found: match known(
            place,
            "cluster_not_found_response_code",
            *cluster_not_found_response_code,
        )? {
            ClusterNotFoundResponseCode::ServiceUnavailable => 503,
            ClusterNotFoundResponseCode::NotFound => 404,
            ClusterNotFoundResponseCode::InternalServerError => 500,
        },
        timeout: times.timeout,
        max_grpc_timeout: times.max_grpc_timeout,
        max_stream_duration: times.max_stream_duration,
        grpc_timeout_header_max: times.grpc_timeout_header_max,
        idle_timeout: duration(place, "idle_timeout", idle_timeout)?,
        retry: match retry_policy {
            None => above.retry.clone(),
            Some(policy) => retry::compile(&place.field("retry_policy"), policy)?
                .map(|retry| names.same.retries.same(Arc::new(retry))),
        },
        path: match (prefix_rewrite.is_empty(), regex_rewrite) {
            (true, None) => PathRewrite::None,
            (false, None) => PathRewrite::Prefix(prefix_rewrite.as_bytes().into()),
            (true, Some(rewrite)) => {
                let (pattern, by) = text::substitution(place, "regex_rewrite", rewrite)?;
                PathRewrite::Regex(pattern, by)
            }
            (false, Some(_)) => {
                return Err(place.refuse(
                    "regex_rewrite",
                    "cannot stand beside prefix_rewrite; keep one",
                ));
            }
        },
        host: host(place, host_rewrite_specifier)?,
        mirrors,
        hash: hash::compile(place, hash_policy)?,
        upgrades: upgrades(place, upgrade_configs)?,
    };
    Ok(Forward {
        target,
        how: names.same.forwarding.same(Arc::new(how)),
    })
}

/// The times of a route. `max_stream_duration` in any form takes the place of `timeout` and `max_grpc_timeout`.
struct Times {
    timeout: Duration,
    max_grpc_timeout: Option<Duration>,
    max_stream_duration: Option<Duration>,
    grpc_timeout_header_max: Option<Duration>,
}

fn times(
    place: &Place<'_>,
    given: &Option<MaxStreamDuration>,
    timeout: &Option<Length>,
    max_grpc_timeout: &Option<Length>,
) -> Compiled<Times> {
    let Some(given) = given else {
        return Ok(Times {
            timeout: duration_or(place, "timeout", timeout, TIMEOUT)?,
            max_grpc_timeout: duration(place, "max_grpc_timeout", max_grpc_timeout)?,
            max_stream_duration: None,
            grpc_timeout_header_max: None,
        });
    };
    let inside = place.field("max_stream_duration");
    take!(inside, given, MaxStreamDuration { max_stream_duration, grpc_timeout_header_max }
        refuse {} note { grpc_timeout_header_offset } inert {});
    Ok(Times {
        timeout: Duration::ZERO,
        max_grpc_timeout: None,
        max_stream_duration: duration(&inside, "max_stream_duration", max_stream_duration)?,
        grpc_timeout_header_max: duration(
            &inside,
            "grpc_timeout_header_max",
            grpc_timeout_header_max,
        )?,
    })
}

fn host(place: &Place<'_>, given: &Option<HostRewriteSpecifier>) -> Compiled<HostRewrite> {
    Ok(match given {
        None => HostRewrite::None,
        Some(HostRewriteSpecifier::HostRewriteLiteral(host)) => {
            HostRewrite::Literal(host.as_bytes().into())
        }
        Some(HostRewriteSpecifier::HostRewriteHeader(header)) => {
            HostRewrite::Header(header.to_ascii_lowercase().into_bytes().into())
        }
        Some(HostRewriteSpecifier::AutoHostRewrite(auto)) if auto.value => HostRewrite::Auto,
        Some(HostRewriteSpecifier::AutoHostRewrite(_)) => HostRewrite::None,
        Some(HostRewriteSpecifier::HostRewritePathRegex(_)) => {
            return Err(place.refuse(
                "host_rewrite_path_regex",
                "is not supported; use host_rewrite_literal or host_rewrite_header",
            ));
        }
        Some(HostRewriteSpecifier::HostRewrite(_)) => {
            return Err(place.refuse(
                "host_rewrite",
                "is not supported; use host_rewrite_literal or host_rewrite_header",
            ));
        }
    })
}

fn upgrades(place: &Place<'_>, given: &[UpgradeConfig]) -> Compiled<Vec<(Box<[u8]>, bool)>> {
    let one = |(index, given): (usize, &UpgradeConfig)| {
        let place = place.item("upgrade_configs", index);
        take!(place, given, UpgradeConfig { upgrade_type, enabled } refuse { connect_config } note {} inert {});
        let name = upgrade_type.to_ascii_lowercase().into_bytes().into();
        Ok((name, bool_or(enabled, true)))
    };
    given.iter().enumerate().map(one).collect()
}

pub(super) fn respond(
    place: &Place<'_>,
    given: &DirectResponseAction,
    max_body: usize,
) -> Compiled<Action> {
    take!(place, given, DirectResponseAction { status, body } refuse {} note { body_format } inert {});
    let status = match u16::try_from(*status) {
        Ok(status @ 200..=599) => status,
        _ => return Err(place.refuse("status", format!("{status} is not between 200 and 599"))),
    };
    let body: Arc<[u8]> = match body {
        None => Arc::default(),
        Some(DataSource {
            watched_directory: _,
            specifier,
        }) => match specifier {
            None => Arc::default(),
            Some(Specifier::InlineBytes(bytes)) => bytes.as_slice().into(),
            Some(Specifier::InlineString(text)) => text.as_bytes().into(),
            Some(Specifier::Filename(_) | Specifier::EnvironmentVariable(_)) => {
                return Err(place.refuse("body", "only inline bodies are supported"));
            }
        },
    };
    if body.len() > max_body {
        return Err(place.refuse("body", format!("has {} bytes, more than the {max_body} that are allowed (max_direct_response_body_size_bytes)", body.len())));
    }
    Ok(Action::Respond { status, body })
}
