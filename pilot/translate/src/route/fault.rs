//! Per-route settings of filters: injected faults and cross-origin policies.

use std::collections::HashMap;

use envoy_types::pb::envoy::config::core::v3::RuntimeFractionalPercent;
use envoy_types::pb::envoy::extensions::filters::common::fault::v3::{
    FaultDelay, fault_delay::FaultDelaySecifier,
};
use envoy_types::pb::envoy::extensions::filters::http::cors::v3::CorsPolicy as EnvoyCors;
use envoy_types::pb::envoy::extensions::filters::http::fault::v3::{
    FaultAbort, HttpFault, fault_abort::ErrorType,
};
use envoy_types::pb::envoy::r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern};
use envoy_types::pb::envoy::r#type::v3::{FractionalPercent, fractional_percent::DenominatorType};
use envoy_types::pb::google::protobuf::Any;
use resources::istio::Percent;
use resources::istio::virtual_service::{
    CorsPolicy, HttpFaultInjection, HttpRoute, StringMatch, UnmatchedPreflights,
};

use super::condition::expression;
use crate::wire::{any, bool_value, duration};

/// Settings by filter name.
pub(super) fn per_filter(http: &HttpRoute) -> HashMap<String, Any> {
    let mut filters = HashMap::new();
    if let Some(injected) = http.fault.as_ref().and_then(fault) {
        filters.insert("envoy.filters.http.fault".to_owned(), any(&injected));
    }
    if let Some(policy) = &http.cors_policy {
        filters.insert("envoy.filters.http.cors".to_owned(), any(&cors(policy)));
    }
    filters
}

/// A share in millionths; none given is everything.
pub(super) fn share(percent: Option<Percent>) -> FractionalPercent {
    match percent {
        None => FractionalPercent {
            numerator: 100,
            denominator: DenominatorType::Hundred.into(),
        },
        Some(percent) => {
            let millionths = (percent.value.clamp(0.0, 100.0) * 10_000.0).round();
            FractionalPercent {
                numerator: millionths as u32,
                denominator: DenominatorType::Million.into(),
            }
        }
    }
}

pub(super) fn runtime_share(percent: Option<Percent>) -> RuntimeFractionalPercent {
    RuntimeFractionalPercent {
        default_value: Some(share(percent)),
        ..Default::default()
    }
}

fn fault(injected: &HttpFaultInjection) -> Option<HttpFault> {
    let delay = injected.delay.as_ref().and_then(|delay| {
        let fixed = delay.fixed_delay.filter(|d| !d.0.is_zero())?;
        let percent = delay.percentage.or(delay.percent.map(|p| Percent {
            value: f64::from(p),
        }));
        Some(FaultDelay {
            percentage: Some(share(percent)),
            fault_delay_secifier: duration(fixed.0).map(FaultDelaySecifier::FixedDelay),
        })
    });
    let abort = injected.abort.as_ref().and_then(|abort| {
        let kind = match (abort.http_status, &abort.grpc_status) {
            (Some(status), _) => {
                ErrorType::HttpStatus(Some(status).filter(|s| (200..600).contains(s))?)
            }
            (None, Some(status)) => ErrorType::GrpcStatus(grpc_status(status)?),
            (None, None) => return None,
        };
        Some(FaultAbort {
            percentage: Some(share(abort.percentage)),
            error_type: Some(kind),
            ..Default::default()
        })
    });
    (delay.is_some() || abort.is_some()).then(|| HttpFault {
        delay,
        abort,
        ..Default::default()
    })
}

/// The names of gRPC's statuses, by number.
const STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

pub(crate) fn grpc_status(text: &str) -> Option<u32> {
    let number = text.parse().ok().or_else(|| {
        STATUSES
            .iter()
            .position(|s| *s == text)
            .and_then(|n| u32::try_from(n).ok())
    })?;
    (number <= 16).then_some(number)
}

fn cors(policy: &CorsPolicy) -> EnvoyCors {
    let exact = policy.allow_origin.iter().map(|origin| {
        let pattern = if origin == "*" {
            MatchPattern::SafeRegex(any_text())
        } else {
            MatchPattern::Exact(origin.clone())
        };
        StringMatcher {
            match_pattern: Some(pattern),
            ..Default::default()
        }
    });
    let origins = policy.allow_origins.iter().filter_map(origin);
    let list = |names: &[String]| names.join(",");
    EnvoyCors {
        allow_origin_string_match: exact.chain(origins).collect(),
        allow_methods: list(&policy.allow_methods),
        allow_headers: list(&policy.allow_headers),
        expose_headers: list(&policy.expose_headers),
        max_age: policy
            .max_age
            .map(|d| d.0.as_secs().to_string())
            .unwrap_or_default(),
        allow_credentials: policy.allow_credentials.and_then(bool_value),
        filter_enabled: Some(runtime_share(None)),
        forward_not_matching_preflights: bool_value(
            policy.unmatched_preflights != Some(UnmatchedPreflights::Ignore),
        ),
        ..Default::default()
    }
}

fn any_text() -> envoy_types::pb::envoy::r#type::matcher::v3::RegexMatcher {
    envoy_types::pb::envoy::r#type::matcher::v3::RegexMatcher {
        regex: ".*".to_owned(),
        ..Default::default()
    }
}

fn origin(condition: &StringMatch) -> Option<StringMatcher> {
    let pattern = match (&condition.exact, &condition.prefix, &condition.regex) {
        (Some(exact), ..) if exact == "*" => MatchPattern::SafeRegex(any_text()),
        (Some(exact), ..) => MatchPattern::Exact(exact.clone()),
        (_, Some(prefix), _) if !prefix.is_empty() => MatchPattern::Prefix(prefix.clone()),
        (_, _, Some(regex)) => MatchPattern::SafeRegex(expression(regex)?),
        _ => return None,
    };
    Some(StringMatcher {
        match_pattern: Some(pattern),
        ..Default::default()
    })
}
