//! `proxy-config listener`.

use serde_json::Value;

use crate::dump::{ConfigDump, DumpError, list, text, texts};
use crate::route::condition;
use crate::table::{Listing, Table};

const HTTP: &str = "envoy.filters.network.http_connection_manager";
const TCP: &str = "envoy.filters.network.tcp_proxy";
const BLACK_HOLE: &str = "BlackHoleCluster";

/// Lists of protocols that Istio's filter chains match, by the names that they are known by.
const PROTOCOLS: [(&str, &[&str]); 4] = [
    (
        "App: HTTP TLS",
        &[
            "http/1.0",
            "http/1.1",
            "h2c",
            "istio-http/1.0",
            "istio-http/1.1",
            "istio-h2",
        ],
    ),
    (
        "App: Istio HTTP Plain",
        &["istio", "istio-http/1.0", "istio-http/1.1", "istio-h2"],
    ),
    ("App: TCP TLS", &["istio-peer-exchange", "istio"]),
    ("App: HTTP", &["http/1.0", "http/1.1", "h2c"]),
];

/// Which listeners are shown; upper and lower case are the same.
#[derive(Debug, Clone, Default)]
pub struct ListenerFilter {
    /// One of its addresses.
    pub address: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// `HTTP`, `TCP`, `HTTP+TCP` or `UNKNOWN`.
    pub kind: Option<String>,
}

impl ListenerFilter {
    fn takes(&self, listener: &Value) -> bool {
        let address = self.address.as_ref().is_none_or(|wanted| {
            let mut all = addresses(listener).into_iter();
            all.any(|address| address.eq_ignore_ascii_case(wanted))
        });
        let kind = self.kind.as_ref();
        address
            && self
                .port
                .is_none_or(|wanted| port(listener) == u64::from(wanted))
            && kind.is_none_or(|wanted| wanted.eq_ignore_ascii_case(kind_of(listener)))
    }
}

/// The listeners that a filter takes, by port and address.
///
/// # Errors
/// Where the dump has no listeners.
pub fn select<'a>(
    dump: &'a ConfigDump,
    filter: &ListenerFilter,
) -> Result<Vec<&'a Value>, DumpError> {
    let mut listeners = dump.listeners()?;
    listeners.retain(|listener| filter.takes(listener));
    listeners.sort_by_key(|listener| (port(listener), addresses(listener), kind_of(listener)));
    Ok(listeners)
}

/// A line for each filter chain of each listener.
pub fn table(listeners: &[&Value], listing: Listing) -> String {
    let heading = listing.heading(&["ADDRESSES", "PORT", "MATCH", "DESTINATION"]);
    let mut table = Table::new(&heading, 1);
    for listener in listeners {
        let mut lines: Vec<(String, String)> = chains(listener)
            .map(|chain| (destination(chain), conditions(chain)))
            .collect();
        lines.sort_by(|a, b| b.0.cmp(&a.0));
        for (destination, conditions) in lines {
            let cells = [
                addresses(listener).join(","),
                port(listener).to_string(),
                conditions,
                destination,
            ];
            let first = listing.cell("listener", text(listener, "/name"));
            table.line(first.into_iter().chain(cells));
        }
    }
    table.text()
}

/// A line for each listener.
pub fn short_table(listeners: &[&Value], listing: Listing) -> String {
    let heading = listing.heading(&["ADDRESSES", "PORT", "TYPE"]);
    let mut table = Table::new(&heading, 1);
    for listener in listeners {
        let cells = [
            addresses(listener).join(","),
            port(listener).to_string(),
            kind_of(listener).to_owned(),
        ];
        let first = listing.cell("listener", text(listener, "/name"));
        table.line(first.into_iter().chain(cells));
    }
    table.text()
}

fn addresses(listener: &Value) -> Vec<&str> {
    let first = text(listener, "/address/socket_address/address");
    let more = list(listener, "/additional_addresses")
        .map(|more| text(more, "/address/socket_address/address"));
    std::iter::once(first)
        .chain(more)
        .filter(|address| !address.is_empty())
        .collect()
}

fn port(listener: &Value) -> u64 {
    let port = listener.pointer("/address/socket_address/port_value");
    port.and_then(Value::as_u64).unwrap_or(0)
}

fn chains(listener: &Value) -> impl Iterator<Item = &Value> {
    list(listener, "/filter_chains").chain(listener.get("default_filter_chain"))
}

/// The clusters that a filter of bytes leads to.
fn tcp_clusters(filter: &Value) -> Vec<&str> {
    match text(filter, "/typed_config/cluster") {
        "" => list(filter, "/typed_config/weighted_clusters/clusters")
            .map(|cluster| text(cluster, "/name"))
            .collect(),
        cluster => vec![cluster],
    }
}

fn kind_of(listener: &Value) -> &'static str {
    let (mut http, mut tcp) = (false, false);
    for filter in chains(listener).flat_map(|chain| list(chain, "/filters")) {
        match text(filter, "/name") {
            HTTP => http = true,
            TCP => tcp |= !tcp_clusters(filter).contains(&BLACK_HOLE),
            _ => {}
        }
    }
    match (http, tcp) {
        (true, true) => "HTTP+TCP",
        (true, false) => "HTTP",
        (false, true) => "TCP",
        (false, false) => "UNKNOWN",
    }
}

/// What a connection has to be for a chain.
fn conditions(chain: &Value) -> String {
    let mut all = Vec::new();
    let names = texts(chain, "/filter_chain_match/server_names");
    if !names.is_empty() {
        all.push(format!("SNI: {}", names.join(",")));
    }
    let transport = text(chain, "/filter_chain_match/transport_protocol");
    if !transport.is_empty() {
        all.push(format!("Trans: {transport}"));
    }
    let protocols = texts(chain, "/filter_chain_match/application_protocols");
    if !protocols.is_empty() {
        let known = PROTOCOLS.iter().find(|(_, list)| *list == protocols);
        all.push(match known {
            Some((name, _)) => (*name).to_owned(),
            None => format!("App: {}", protocols.join(",")),
        });
    }
    let port = chain
        .pointer("/filter_chain_match/destination_port")
        .and_then(Value::as_u64)
        .map(|port| format!(":{port}"));
    let ranges: Vec<String> = list(chain, "/filter_chain_match/prefix_ranges")
        .map(|range| {
            let length = range.get("prefix_len").and_then(Value::as_u64).unwrap_or(0);
            format!("{}/{length}", text(range, "/address_prefix"))
        })
        .collect();
    match (ranges.is_empty(), port) {
        (false, port) => all.push(format!(
            "Addr: {}{}",
            ranges.join(","),
            port.unwrap_or_default()
        )),
        (true, Some(port)) => all.push(format!("Addr: *{port}")),
        (true, None) => {}
    }
    match all.is_empty() {
        true => "ALL".to_owned(),
        false => all.join("; "),
    }
}

/// Where a chain leads.
fn destination(chain: &Value) -> String {
    for filter in list(chain, "/filters") {
        match text(filter, "/name") {
            HTTP => {
                let routes = text(filter, "/typed_config/rds/route_config_name");
                return match filter.pointer("/typed_config/route_config") {
                    Some(inline) => inline_routes(inline),
                    None if routes.is_empty() => "HTTP".to_owned(),
                    None => format!("Route: {routes}"),
                };
            }
            TCP => {
                let clusters = tcp_clusters(filter);
                if !clusters.contains(&BLACK_HOLE) {
                    return named(&clusters.join(","));
                }
            }
            _ => {}
        }
    }
    "Non-HTTP/Non-TCP".to_owned()
}

/// A cluster; those that are everywhere, as `PassthroughCluster`, say by their names what they are.
fn named(cluster: &str) -> String {
    match cluster.contains("Cluster") {
        true => cluster.to_owned(),
        false => format!("Cluster: {cluster}"),
    }
}

/// Routes within a listener: where all of them lead to one cluster, that one.
fn inline_routes(routes: &Value) -> String {
    let hosts: Vec<&Value> = list(routes, "/virtual_hosts").collect();
    if let [host] = hosts.as_slice()
        && texts(host, "/domains") == ["*"]
        && let [route] = list(host, "/routes").collect::<Vec<_>>().as_slice()
        && text(route, "/match/prefix") == "/"
        && let cluster = text(route, "/route/cluster")
        && !cluster.is_empty()
    {
        return named(cluster);
    }
    let hosts: Vec<String> = hosts
        .into_iter()
        .map(|host| {
            let conditions: Vec<String> = list(host, "/routes").map(condition).collect();
            let conditions = conditions.join(", ");
            match texts(host, "/domains").as_slice() {
                ["*"] => conditions,
                domains => format!("{} {conditions}", domains.join("/")),
            }
        })
        .collect();
    format!("Inline Route: {}", hosts.join("; "))
}
