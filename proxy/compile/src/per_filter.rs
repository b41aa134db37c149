//! What routes configure of HTTP filters.

use std::collections::HashMap;
use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::RuntimeFractionalPercent;
use envoy_types::pb::envoy::config::route::v3::FilterConfig;
use envoy_types::pb::envoy::extensions::filters::common::fault::v3::{
    FaultDelay, fault_delay::FaultDelaySecifier,
};
use envoy_types::pb::envoy::extensions::filters::http::cors::v3::CorsPolicy;
use envoy_types::pb::envoy::extensions::filters::http::fault::v3::{
    FaultAbort, HttpFault, fault_abort::ErrorType,
};
use envoy_types::pb::google::protobuf::Any;
use graph::policy::{Abort, Cors, Fault};

use crate::place::{Compiled, Place, take};
use crate::route::header_conditions;
use crate::text;
use crate::value::{bool_or, duration, per_million, type_name, unpack};

const FAULT: &str = "envoy.extensions.filters.http.fault.v3.HTTPFault";
const CORS: &str = "envoy.extensions.filters.http.cors.v3.CorsPolicy";
const WRAPPED: &str = "envoy.config.route.v3.FilterConfig";

/// What a level of routes configures; the most specific level counts.
#[derive(Clone, Default)]
pub(crate) struct PerFilter {
    pub(crate) fault: Option<Arc<Fault>>,
    pub(crate) cors: Option<Arc<Cors>>,
}

impl PerFilter {
    /// These, with what a more specific level says in their place.
    pub(crate) fn with(
        mut self,
        place: &Place<'_>,
        given: &HashMap<String, Any>,
    ) -> Compiled<Self> {
        for (name, any) in given {
            self.one(&place.key("typed_per_filter_config", name), name, any)?;
        }
        Ok(self)
    }

    fn one(&mut self, place: &Place<'_>, name: &str, any: &Any) -> Compiled<()> {
        if type_name(any) != WRAPPED {
            return self.set(place, any, false);
        }
        let wrapped: FilterConfig = unpack(place, any)?;
        take!(place, &wrapped, FilterConfig { config, is_optional, disabled } refuse {} note {} inert {});
        if *disabled {
            match name {
                "envoy.filters.http.fault" => self.fault = Some(Arc::default()),
                "envoy.filters.http.cors" => self.cors = None,
                _ => place.warn(
                    "disabled",
                    "the filter is not known here and does nothing anyhow",
                ),
            }
            return Ok(());
        }
        match config {
            Some(config) => self.set(place, config, *is_optional),
            None => Err(place.refuse("config", "is required unless the filter is disabled")),
        }
    }

    fn set(&mut self, place: &Place<'_>, any: &Any, optional: bool) -> Compiled<()> {
        match type_name(any) {
            FAULT => self.fault = Some(Arc::new(fault(place, &unpack(place, any)?)?)),
            CORS => self.cors = cors(place, &unpack(place, any)?)?.map(Arc::new),
            other if optional => {
                place.warn("", format!("`{other}` is not supported and has no effect"))
            }
            other => {
                return Err(place.refuse(
                    "",
                    format!("`{other}` is not supported; leave it out or mark it is_optional"),
                ));
            }
        }
        Ok(())
    }
}

/// Compiles faults.
pub(crate) fn fault(place: &Place<'_>, given: &HttpFault) -> Compiled<Fault> {
    take!(place, given, HttpFault { delay, abort, upstream_cluster, headers, downstream_nodes, max_active_faults }
    refuse {} note { response_rate_limit, filter_metadata } inert {
        delay_percent_runtime, abort_percent_runtime, delay_duration_runtime, abort_http_status_runtime,
        max_active_faults_runtime, response_rate_limit_percent_runtime, abort_grpc_status_runtime,
        disable_downstream_cluster_stats,
    });
    // A fault for some requests only must not hit all.
    place.must_be_unset("upstream_cluster", upstream_cluster)?;
    place.must_be_unset("downstream_nodes", downstream_nodes)?;
    place.should_be_unset("max_active_faults", max_active_faults);
    Ok(Fault {
        delay: match delay {
            None => None,
            Some(given) => self::delay(&place.field("delay"), given)?,
        },
        abort: match abort {
            None => None,
            Some(given) => self::abort(&place.field("abort"), given)?,
        },
        headers: header_conditions(place, "headers", headers)?,
    })
}

fn delay(place: &Place<'_>, given: &FaultDelay) -> Compiled<Option<(std::time::Duration, u32)>> {
    take!(place, given, FaultDelay { percentage, fault_delay_secifier } refuse {} note {} inert {});
    let share = match percentage {
        None => 0,
        Some(given) => per_million(place, "percentage", given)?,
    };
    Ok(match fault_delay_secifier {
        Some(FaultDelaySecifier::FixedDelay(given)) => {
            duration(place, "fixed_delay", &Some(*given))?.map(|d| (d, share))
        }
        Some(FaultDelaySecifier::HeaderDelay(_)) => {
            place.warn(
                "header_delay",
                "is not supported and has no effect; use fixed_delay",
            );
            None
        }
        None => None,
    }
    .filter(|(d, share)| !d.is_zero() && *share > 0))
}

fn abort(place: &Place<'_>, given: &FaultAbort) -> Compiled<Option<(Abort, u32)>> {
    take!(place, given, FaultAbort { percentage, error_type } refuse {} note { response_body } inert {});
    let share = match percentage {
        None => 0,
        Some(given) => per_million(place, "percentage", given)?,
    };
    let kind = match error_type {
        Some(ErrorType::HttpStatus(status)) => match u16::try_from(*status) {
            Ok(status @ 200..=599) => Some(Abort::Http(status)),
            _ => {
                return Err(place.refuse(
                    "http_status",
                    format!("{status} is not between 200 and 599"),
                ));
            }
        },
        Some(ErrorType::GrpcStatus(status)) => Some(Abort::Grpc(*status)),
        Some(ErrorType::HeaderAbort(_)) => {
            place.warn(
                "header_abort",
                "is not supported and has no effect; use http_status or grpc_status",
            );
            None
        }
        None => None,
    };
    Ok(kind
        .map(|kind| (kind, share))
        .filter(|(_, share)| *share > 0))
}

/// Compiles a policy; `None` where it is switched off.
fn cors(place: &Place<'_>, given: &CorsPolicy) -> Compiled<Option<Cors>> {
    take!(place, given, CorsPolicy {
        allow_origin_string_match, allow_methods, allow_headers, expose_headers, max_age, allow_credentials,
        filter_enabled, forward_not_matching_preflights,
    } refuse {} note { allow_private_network_access } inert { shadow_enabled });
    if let Some(RuntimeFractionalPercent {
        default_value: Some(share),
        runtime_key: _,
    }) = filter_enabled
    {
        match per_million(place, "filter_enabled", share)? {
            0 => return Ok(None),
            1_000_000 => {}
            _ => place.warn("filter_enabled", "is taken for 100 percent"),
        }
    }
    let mut allow_origins = Vec::with_capacity(allow_origin_string_match.len());
    for (index, matcher) in allow_origin_string_match.iter().enumerate() {
        allow_origins.push(text::matcher(
            &place.item("allow_origin_string_match", index),
            "",
            matcher,
        )?);
    }
    Ok(Some(Cors {
        allow_origins,
        allow_methods: allow_methods.as_str().into(),
        allow_headers: allow_headers.as_str().into(),
        expose_headers: expose_headers.as_str().into(),
        max_age: max_age.as_str().into(),
        allow_credentials: bool_or(allow_credentials, false),
        forward_not_matching_preflights: bool_or(forward_not_matching_preflights, true),
    }))
}
