//! Where resources that others refer to come from.

use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::{
    AggregatedConfigSource, ConfigSource, config_source::ConfigSourceSpecifier,
};

use crate::place::{Compiled, Place, take};
use crate::value::duration_or;

/// Envoy's default (`ConfigSource.initial_fetch_timeout`).
const PATIENCE: Duration = Duration::from_secs(15);

/// How long to wait for a resource of the aggregated stream; zero: for ever.
pub(crate) fn patience(
    place: &Place<'_>,
    field: &str,
    source: &Option<ConfigSource>,
) -> Compiled<Duration> {
    let inside = place.field(field);
    let given = place.required(field, source)?;
    take!(inside, given, ConfigSource { initial_fetch_timeout, config_source_specifier }
        refuse { authorities } note {} inert { resource_api_version });
    match config_source_specifier {
        Some(
            ConfigSourceSpecifier::Ads(AggregatedConfigSource {}) | ConfigSourceSpecifier::Self_(_),
        ) => {}
        _ => {
            return Err(inside.refuse(
                "config_source_specifier",
                "is not the aggregated stream; use ads",
            ));
        }
    }
    duration_or(
        &inside,
        "initial_fetch_timeout",
        initial_fetch_timeout,
        PATIENCE,
    )
}

/// Where a secret comes from, and how long to wait for it; zero: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SecretSource {
    pub(crate) aggregated: bool,
    pub(crate) patience: Duration,
}

/// The source of a secret: the aggregated stream, or a service of secrets (the agent's, whatever its cluster's name).
pub(crate) fn secret(
    place: &Place<'_>,
    field: &str,
    source: &Option<ConfigSource>,
) -> Compiled<SecretSource> {
    let inside = place.field(field);
    let given = place.required(field, source)?;
    take!(inside, given, ConfigSource { initial_fetch_timeout, config_source_specifier }
        refuse { authorities } note {} inert { resource_api_version });
    let aggregated = match config_source_specifier {
        Some(
            ConfigSourceSpecifier::Ads(AggregatedConfigSource {}) | ConfigSourceSpecifier::Self_(_),
        ) => true,
        Some(ConfigSourceSpecifier::ApiConfigSource(_)) => false,
        _ => {
            return Err(inside.refuse(
                "config_source_specifier",
                "is not a service; use ads or api_config_source",
            ));
        }
    };
    Ok(SecretSource {
        aggregated,
        patience: duration_or(
            &inside,
            "initial_fetch_timeout",
            initial_fetch_timeout,
            PATIENCE,
        )?,
    })
}
