//! `proxy-config all`.

use clap::Args;
use proxyconfig::cluster::ClusterFilter;
use proxyconfig::dump::ConfigDump;
use proxyconfig::endpoint::EndpointFilter;
use proxyconfig::listener::ListenerFilter;
use proxyconfig::{Listing, assignment, bootstrap, cluster, listener, route, secret};
use time::OffsetDateTime;

use super::of_dump;
use crate::failure::Failure;

/// What of everything is shown.
#[derive(Debug, Clone, Args)]
pub(super) struct AllArgs {
    /// Say of each table what it is
    #[arg(long)]
    with_headers: bool,
    /// A line for each filter chain and each route
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    verbose: bool,
    /// Clusters: a part of the service's name
    #[arg(long)]
    fqdn: Option<String>,
    /// Clusters: inbound or outbound
    #[arg(long)]
    direction: Option<String>,
    /// Clusters: the subset of a DestinationRule
    #[arg(long)]
    subset: Option<String>,
    /// Clusters, listeners and endpoints: the port
    #[arg(long)]
    port: Option<u16>,
    /// Listeners and endpoints: the address
    #[arg(long)]
    address: Option<String>,
    /// Listeners: HTTP, TCP, HTTP+TCP or UNKNOWN
    #[arg(long = "type")]
    kind: Option<String>,
    /// Routes: the route configuration's name
    #[arg(long)]
    name: Option<String>,
}

/// All tables, one after the other.
pub(super) fn tables(dump: &ConfigDump, args: AllArgs) -> Result<String, Failure> {
    let clusters = ClusterFilter {
        fqdn: args.fqdn,
        port: args.port,
        subset: args.subset,
        direction: args.direction,
    };
    let listeners = ListenerFilter {
        address: args.address.clone(),
        port: args.port,
        kind: args.kind,
    };
    let endpoints = EndpointFilter {
        address: args.address,
        port: args.port,
        ..EndpointFilter::default()
    };
    let all = Listing::Together;
    let clusters = cluster::select(dump, &clusters).map_err(of_dump)?;
    let listeners = listener::select(dump, &listeners).map_err(of_dump)?;
    let routes = route::select(dump, args.name.as_deref()).map_err(of_dump)?;
    let listeners = match args.verbose {
        true => listener::table(&listeners, all),
        false => listener::short_table(&listeners, all),
    };
    let routes = match args.verbose {
        true => route::table(&routes, all),
        false => route::short_table(&routes, all),
    };
    let now = OffsetDateTime::now_utc();
    let tables = [
        ("BOOTSTRAP", bootstrap::summary(dump).map_err(of_dump)?),
        ("CLUSTER", cluster::table(&clusters, all)),
        ("LISTENER", listeners),
        ("ROUTE", routes),
        ("SECRET", secret::table(dump, now, all).map_err(of_dump)?),
        ("ENDPOINTS", assignment::table(dump, &endpoints, all)),
    ];
    let tables = tables.map(|(what, table)| match args.with_headers {
        true => format!("------ {what} INFO ------\n\n{table}"),
        false => table,
    });
    Ok(tables.join("\n"))
}
