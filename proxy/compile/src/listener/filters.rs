//! Listener filters: what is found out about a connection before its chain is chosen.

use std::ops::Range;

use envoy_types::pb::envoy::config::listener::v3::{
    ListenerFilter, ListenerFilterChainMatchPredicate as Predicate, listener_filter::ConfigType,
    listener_filter_chain_match_predicate::Rule,
};
use envoy_types::pb::envoy::extensions::filters::listener::{
    http_inspector::v3::HttpInspector, original_dst::v3::OriginalDst,
    original_src::v3::OriginalSrc, tls_inspector::v3::TlsInspector,
};
use envoy_types::pb::envoy::r#type::v3::Int32Range;
use graph::listener::DisabledPorts;

use crate::place::{Compiled, Place, take};
use crate::value::{type_name, unpack};

#[derive(Default)]
pub(super) struct Found {
    pub(super) original_dst: bool,
    pub(super) original_source_mark: Option<u32>,
    pub(super) tls_inspector: Option<DisabledPorts>,
    pub(super) http_inspector: Option<DisabledPorts>,
}

pub(super) fn compile(place: &Place<'_>, filters: &[ListenerFilter]) -> Compiled<Found> {
    let mut found = Found::default();
    for filter in filters {
        let inside = place.key("listener_filters", &filter.name);
        take!(inside, filter, ListenerFilter { filter_disabled, config_type } refuse {} note {} inert { name });
        let any = match inside.required("typed_config", config_type)? {
            ConfigType::TypedConfig(any) => any,
            ConfigType::ConfigDiscovery(_) => {
                return Err(inside.refuse("config_discovery", "is not supported; use typed_config"));
            }
        };
        let config = inside.field("typed_config");
        let disabled = || -> Compiled<DisabledPorts> {
            Ok(DisabledPorts(match filter_disabled {
                None => Vec::new(),
                Some(predicate) => ports(&inside.field("filter_disabled"), predicate)?,
            }))
        };
        match type_name(any) {
            "envoy.extensions.filters.listener.original_dst.v3.OriginalDst" => {
                let OriginalDst {} = unpack(&config, any)?;
                inside.must_be_unset("filter_disabled", filter_disabled)?;
                found.original_dst = true;
            }
            "envoy.extensions.filters.listener.original_src.v3.OriginalSrc" => {
                let given: OriginalSrc = unpack(&config, any)?;
                take!(config, &given, OriginalSrc { mark } refuse { bind_port } note {} inert {});
                inside.must_be_unset("filter_disabled", filter_disabled)?;
                found.original_source_mark = Some(*mark);
            }
            "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector" => {
                let given: TlsInspector = unpack(&config, any)?;
                take!(config, &given, TlsInspector {} refuse {}
                    note { max_client_hello_size, close_connection_on_client_hello_parsing_errors }
                    inert { enable_ja3_fingerprinting, enable_ja4_fingerprinting, initial_read_buffer_size });
                found.tls_inspector = Some(disabled()?);
            }
            "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector" => {
                let HttpInspector {} = unpack(&config, any)?;
                found.http_inspector = Some(disabled()?);
            }
            other => {
                return Err(inside.refuse("typed_config", format!("`{other}` is not supported; use original_dst, original_src, tls_inspector or http_inspector")));
            }
        }
    }
    Ok(found)
}

/// All ports, and one beyond.
const ALL: Range<u32> = 0..65_536;

/// The destination ports for which a predicate holds: sorted ranges that do not touch.
fn ports(place: &Place<'_>, predicate: &Predicate) -> Compiled<Vec<Range<u32>>> {
    let Predicate { rule } = predicate;
    Ok(match place.required("rule", rule)? {
        Rule::AnyMatch(_) => vec![ALL],
        Rule::DestinationPortRange(Int32Range { start, end }) => {
            let bound = |n: i32| u32::try_from(n).unwrap_or(0).min(ALL.end);
            union(std::iter::once(bound(*start)..bound(*end)))
        }
        Rule::NotMatch(inner) => complement(&ports(place, inner)?),
        Rule::OrMatch(set) => {
            let each = set.rules.iter().map(|rule| ports(place, rule));
            union(each.collect::<Compiled<Vec<_>>>()?.into_iter().flatten())
        }
        Rule::AndMatch(set) => {
            let none = |rule| ports(place, rule).map(|p| complement(&p));
            let each = set.rules.iter().map(none);
            complement(&union(
                each.collect::<Compiled<Vec<_>>>()?.into_iter().flatten(),
            ))
        }
    })
}

fn union(ranges: impl IntoIterator<Item = Range<u32>>) -> Vec<Range<u32>> {
    let mut all: Vec<Range<u32>> = ranges.into_iter().filter(|r| !r.is_empty()).collect();
    all.sort_by_key(|r| r.start);
    let mut joined: Vec<Range<u32>> = Vec::with_capacity(all.len());
    for range in all {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// The ports outside of sorted ranges that do not touch.
fn complement(ranges: &[Range<u32>]) -> Vec<Range<u32>> {
    let mut outside = Vec::with_capacity(ranges.len() + 1);
    let mut at = ALL.start;
    for range in ranges {
        outside.push(at..range.start);
        at = range.end;
    }
    outside.push(at..ALL.end);
    outside.retain(|r| !r.is_empty());
    outside
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::single_range_in_vec_init)]
    use envoy_types::pb::envoy::config::listener::v3::listener_filter_chain_match_predicate::MatchSet;

    use super::*;
    use crate::place::Notes;

    fn range(start: i32, end: i32) -> Predicate {
        Predicate {
            rule: Some(Rule::DestinationPortRange(Int32Range { start, end })),
        }
    }

    fn set(rules: &[Predicate]) -> MatchSet {
        MatchSet {
            rules: rules.to_vec(),
        }
    }

    #[test]
    fn a_predicate_is_the_set_of_its_ports() {
        let notes = Notes::default();
        let place = Place::root(&notes);
        let of = |rule| ports(&place, &Predicate { rule: Some(rule) }).unwrap();
        assert_eq!(
            of(Rule::OrMatch(set(&[
                range(80, 81),
                range(90, 95),
                range(81, 82)
            ]))),
            [80..82, 90..95]
        );
        assert_eq!(
            of(Rule::AndMatch(set(&[range(80, 90), range(85, 95)]))),
            [85..90]
        );
        assert_eq!(
            of(Rule::NotMatch(Box::new(range(80, 90)))),
            [0..80, 90..65_536]
        );
        assert_eq!(of(Rule::AnyMatch(true)), [ALL]);
        assert_eq!(of(Rule::AndMatch(set(&[range(80, 81), range(90, 91)]))), []);
        assert_eq!(
            of(Rule::DestinationPortRange(Int32Range {
                start: -5,
                end: i32::MAX
            })),
            [ALL]
        );
        assert!(ports(&place, &Predicate { rule: None }).is_err());
    }
}
