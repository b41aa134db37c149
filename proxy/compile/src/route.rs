//! Route tables.

mod action;
mod encoded;
mod hash;
mod matching;
mod mutation;
mod redirect;
mod retry;
mod target;

use std::sync::Arc;

use bytes::Bytes;
use envoy_types::pb::envoy::config::route::v3::{
    Route as RouteMessage, RouteConfiguration, VirtualHost as HostMessage, route,
    route_action::RequestMirrorPolicy, virtual_host::TlsRequirementType,
};
use graph::domains::{Domains, Taken};
use graph::policy::Retry;
use graph::route::{Action, Mirror, Route, RouteTable, VirtualHost};

pub(crate) use matching::header_conditions;

use crate::compiler::decode;
use crate::intern::Interner;
use crate::per_filter::PerFilter;
use crate::place::{Compiled, Place, take};
use crate::value::{bool_or, known, u32_or};

/// Envoy's default (`max_direct_response_body_size_bytes`).
const MAX_BODY: u32 = 4096;

/// What routes take from above where they say nothing themselves.
#[derive(Clone, Default)]
struct Inherited {
    filters: PerFilter,
    retry: Option<Arc<Retry>>,
    mirrors: Arc<[Mirror]>,
    max_body: usize,
}

/// Compiles an encoded route table; `named` says whether its name is the right one.
pub(crate) fn compile_encoded(
    place: &Place<'_>,
    body: &Bytes,
    named: impl FnOnce(&str) -> Compiled<()>,
    names: &mut Interner,
) -> Compiled<RouteTable> {
    let parts =
        encoded::parts(body).map_err(|e| place.refuse("", format!("cannot be decoded: {e}")))?;
    let message: RouteConfiguration = decode(place, &parts.rest.into())?;
    named(&message.name)?;
    let mut building = Building::begin(place, &message, names)?;
    for host in &parts.hosts {
        building.host(place, &decode(place, host)?, names)?;
    }
    building.finish(place)
}

/// Compiles a route table. Clusters need not be there: requests to one that is not are answered 503 (or 404).
pub(crate) fn compile(
    place: &Place<'_>,
    message: &RouteConfiguration,
    names: &mut Interner,
) -> Compiled<RouteTable> {
    let mut building = Building::begin(place, message, names)?;
    for given in &message.virtual_hosts {
        building.host(place, given, names)?;
    }
    building.finish(place)
}

/// A route table to which virtual hosts are added.
struct Building {
    table: RouteTable,
    inherited: Inherited,
}

impl Building {
    /// One without virtual hosts, whatever the message has.
    fn begin(
        place: &Place<'_>,
        message: &RouteConfiguration,
        names: &mut Interner,
    ) -> Compiled<Building> {
        take!(place, message, RouteConfiguration {
        name, response_headers_to_add, response_headers_to_remove, request_headers_to_add,
        request_headers_to_remove, most_specific_header_mutations_wins, max_direct_response_body_size_bytes,
        request_mirror_policies, ignore_port_in_host_matching, typed_per_filter_config, validate_clusters,
    } refuse {
        vhds, internal_only_headers, cluster_specifier_plugins, vhost_header, ignore_path_parameters_in_path_matching,
        route_specifiers,
    } note {} inert { metadata, virtual_hosts });
        if bool_or(validate_clusters, false) {
            place.warn(
                "validate_clusters",
                "routes to clusters that are not there are taken, and answer 503 until they come",
            );
        }
        let inherited = Inherited {
            filters: PerFilter::default().with(place, typed_per_filter_config)?,
            retry: None,
            mirrors: target::mirrors(place, request_mirror_policies, names)?.into(),
            max_body: u32_or(max_direct_response_body_size_bytes, MAX_BODY) as usize,
        };
        let table = RouteTable {
            name: name.as_str().into(),
            ignore_port: *ignore_port_in_host_matching,
            request: mutation::compile(
                place,
                "request",
                request_headers_to_add,
                request_headers_to_remove,
            )?,
            response: mutation::compile(
                place,
                "response",
                response_headers_to_add,
                response_headers_to_remove,
            )?,
            most_specific_wins: *most_specific_header_mutations_wins,
            exact: Domains::default(),
            suffixes: Vec::new(),
            prefixes: Vec::new(),
            default: None,
        };
        Ok(Building { table, inherited })
    }

    fn host(
        &mut self,
        place: &Place<'_>,
        given: &HostMessage,
        names: &mut Interner,
    ) -> Compiled<()> {
        let inside = place.key("virtual_hosts", &given.name);
        let host = Arc::new(virtual_host(&inside, given, &self.inherited, names)?);
        for domain in &given.domains {
            enter(&inside, &mut self.table, domain, &host)?;
        }
        Ok(())
    }

    fn finish(self, place: &Place<'_>) -> Compiled<RouteTable> {
        let mut table = self.table;
        let longest = |a: &(Box<[u8]>, _), b: &(Box<[u8]>, _)| b.0.len().cmp(&a.0.len());
        table.suffixes.sort_by(longest);
        table.prefixes.sort_by(longest);
        for pairs in [&table.suffixes, &table.prefixes] {
            unique(place, pairs)?;
        }
        table.exact.shrink_to_fit();
        Ok(table)
    }
}

fn enter(
    place: &Place<'_>,
    table: &mut RouteTable,
    domain: &str,
    host: &Arc<VirtualHost>,
) -> Compiled<()> {
    let lower = domain.to_ascii_lowercase();
    let twice = || {
        place.refuse(
            "domains",
            format!("`{domain}` is a domain of two virtual hosts; keep it in one"),
        )
    };
    if lower == "*" {
        return match table.default.replace(host.clone()) {
            None => Ok(()),
            Some(_) => Err(twice()),
        };
    }
    match (lower.strip_prefix('*'), lower.strip_suffix('*')) {
        (Some(suffix), _) if !suffix.contains('*') => table
            .suffixes
            .push((suffix.as_bytes().into(), host.clone())),
        (None, Some(prefix)) if !prefix.contains('*') => table
            .prefixes
            .push((prefix.as_bytes().into(), host.clone())),
        _ if lower.contains('*') || lower.is_empty() => {
            return Err(place.refuse(
                "domains",
                format!("`{domain}` is not a name with at most one `*`, at its beginning or end"),
            ));
        }
        _ => table
            .exact
            .insert(lower.as_bytes(), host)
            .map_err(|Taken| twice())?,
    }
    Ok(())
}

fn unique(place: &Place<'_>, pairs: &[(Box<[u8]>, Arc<VirtualHost>)]) -> Compiled<()> {
    let mut seen = std::collections::HashSet::with_capacity(pairs.len());
    match pairs.iter().find(|(pattern, _)| !seen.insert(pattern)) {
        None => Ok(()),
        Some((_, host)) => {
            let inside = place.key("virtual_hosts", &host.name);
            Err(inside.refuse(
                "domains",
                "has a pattern that another virtual host has too; keep it in one",
            ))
        }
    }
}

fn virtual_host(
    place: &Place<'_>,
    message: &HostMessage,
    above: &Inherited,
    names: &mut Interner,
) -> Compiled<VirtualHost> {
    take!(place, message, HostMessage {
        name, domains, routes, require_tls, request_headers_to_add, request_headers_to_remove, response_headers_to_add,
        response_headers_to_remove, typed_per_filter_config, include_request_attempt_count, retry_policy,
        request_mirror_policies,
    } refuse { matcher, retry_policy_typed_config, route_specifiers } note {
        cors, include_attempt_count_in_response, hedge_policy, include_is_timeout_retry_header,
        per_request_buffer_limit_bytes, request_body_buffer_limit, rate_limits,
    } inert { virtual_clusters, metadata });
    if domains.is_empty() {
        return Err(place.refuse("domains", "is required; name at least one"));
    }
    let mut inherited = above.clone();
    inherited.filters = inherited.filters.with(place, typed_per_filter_config)?;
    if let Some(policy) = retry_policy {
        inherited.retry = retry::compile(&place.field("retry_policy"), policy)?
            .map(|retry| names.same.retries.same(Arc::new(retry)));
    }
    if !request_mirror_policies.is_empty() {
        inherited.mirrors = target::mirrors(place, request_mirror_policies, names)?.into();
    }
    let mut compiled = Vec::with_capacity(routes.len());
    for (index, given) in routes.iter().enumerate() {
        compiled.push(Arc::new(route(
            &place.item("routes", index),
            given,
            &inherited,
            names,
        )?));
    }
    Ok(VirtualHost {
        name: name.as_str().into(),
        routes: compiled,
        request: mutation::compile(
            place,
            "request",
            request_headers_to_add,
            request_headers_to_remove,
        )?,
        response: mutation::compile(
            place,
            "response",
            response_headers_to_add,
            response_headers_to_remove,
        )?,
        require_tls: match known(place, "require_tls", *require_tls)? {
            TlsRequirementType::None => false,
            TlsRequirementType::All => true,
            TlsRequirementType::ExternalOnly => {
                return Err(place.refuse("require_tls", "EXTERNAL_ONLY is not supported; use ALL"));
            }
        },
        include_attempt_count: *include_request_attempt_count,
    })
}

fn route(
    place: &Place<'_>,
    message: &RouteMessage,
    above: &Inherited,
    names: &mut Interner,
) -> Compiled<Route> {
    take!(place, message, RouteMessage {
        name, r#match, typed_per_filter_config, request_headers_to_add, request_headers_to_remove,
        response_headers_to_add, response_headers_to_remove, action,
    } refuse { route_specifiers } note { tracing, per_request_buffer_limit_bytes, request_body_buffer_limit } inert { metadata, decorator, stat_prefix });
    let action = match place.required("action", action)? {
        route::Action::Route(given) => Action::Forward(Box::new(action::forward(
            &place.field("route"),
            given,
            above,
            names,
        )?)),
        route::Action::Redirect(given) => Action::Redirect(Box::new(redirect::compile(
            &place.field("redirect"),
            given,
        )?)),
        route::Action::DirectResponse(given) => {
            action::respond(&place.field("direct_response"), given, above.max_body)?
        }
        route::Action::FilterAction(_) | route::Action::NonForwardingAction(_) => {
            return Err(place.refuse(
                "action",
                "is not supported; use route, redirect or direct_response",
            ));
        }
    };
    let filters = above.filters.clone().with(place, typed_per_filter_config)?;
    let on = matching::compile(&place.field("match"), place.required("match", r#match)?)?;
    Ok(Route {
        name: names.same.texts.same(name.as_str().into()),
        on: names.same.conditions.same(Arc::new(on)),
        action,
        request: mutation::compile(
            place,
            "request",
            request_headers_to_add,
            request_headers_to_remove,
        )?,
        response: mutation::compile(
            place,
            "response",
            response_headers_to_add,
            response_headers_to_remove,
        )?,
        fault: filters.fault,
        cors: filters.cors,
    })
}

/// Policies of mirroring, for the places that have them.
type Mirrors = [RequestMirrorPolicy];
