//! `proxy-config route`.

use std::collections::HashSet;

use serde_json::Value;

use crate::dump::{ConfigDump, DumpError, list, made_of, text, texts};
use crate::table::{Listing, Table};

/// Domains of a virtual host that are shown; of the others, how many there are.
const SHOWN: usize = 2;

/// The route configurations of this name, or all: those named by a port first, in order; the others as they came.
///
/// # Errors
/// Where the dump has no routes.
pub fn select<'a>(dump: &'a ConfigDump, name: Option<&str>) -> Result<Vec<&'a Value>, DumpError> {
    let mut routes = dump.routes()?;
    routes.retain(|route| name.is_none_or(|name| text(route, "/name") == name));
    routes.sort_by_key(|route| {
        let port = text(route, "/name").parse::<u16>().ok();
        (port.is_none(), port)
    });
    Ok(routes)
}

/// A line for each route of each virtual host.
pub fn table(routes: &[&Value], listing: Listing) -> String {
    let heading = ["NAME", "VHOST NAME", "DOMAINS", "MATCH", "VIRTUAL SERVICE"];
    let mut table = Table::new(&heading, 5);
    for configuration in routes {
        let name = text(configuration, "/name");
        for host in list(configuration, "/virtual_hosts") {
            let mut line = |condition: String, made_of: String| {
                table.line([
                    listing.name("route", name),
                    text(host, "/name").to_owned(),
                    domains(host),
                    condition,
                    made_of,
                ]);
            };
            let mut any = false;
            for route in list(host, "/routes") {
                any = true;
                if text(route, "/route/cluster") != "PassthroughCluster" {
                    line(condition(route), made_of(route));
                }
            }
            if !any {
                line("/*".to_owned(), "404".to_owned());
            }
        }
    }
    table.text()
}

/// A line for each route configuration.
pub fn short_table(routes: &[&Value], listing: Listing) -> String {
    let mut table = Table::new(&["NAME", "VIRTUAL HOSTS"], 5);
    for route in routes {
        let hosts = list(route, "/virtual_hosts").count();
        let name = listing.name("route", text(route, "/name"));
        table.line([name, hosts.to_string()]);
    }
    table.text()
}

/// What a route's path has to be. Headers are not shown.
pub(crate) fn condition(route: &Value) -> String {
    let shown = [
        ("/match/prefix", "", "*"),
        ("/match/path_separated_prefix", "PathPrefix:", ""),
        ("/match/path", "", ""),
        ("/match/safe_regex/regex", "regex ", ""),
    ];
    let all: Vec<String> = shown
        .into_iter()
        .map(|(pointer, before, after)| (text(route, pointer), before, after))
        .filter(|(value, ..)| !value.is_empty())
        .map(|(value, before, after)| format!("{before}{value}{after}"))
        .collect();
    all.join(" ")
}

/// The shortest domains without their ports.
fn domains(host: &Value) -> String {
    let all = texts(host, "/domains");
    if let [only] = all.as_slice() {
        return (*only).to_owned();
    }
    // A port follows the last colon, unless that is within an IPv6 address.
    let plain: Vec<&str> = all
        .into_iter()
        .filter(|domain| !domain.contains(':') || domain.ends_with(']'))
        .collect();
    let known: HashSet<&str> = plain.iter().copied().collect();
    let longer = |domain: &str| {
        [".svc.cluster.local", ".svc", "."].iter().any(|end| {
            domain
                .strip_suffix(end)
                .is_some_and(|shorter| known.contains(shorter))
        })
    };
    let short: Vec<&str> = plain.into_iter().filter(|domain| !longer(domain)).collect();
    match short.get(..SHOWN) {
        Some(shown) if short.len() > SHOWN => {
            format!("{} + {} more...", shown.join(", "), short.len() - SHOWN)
        }
        _ => short.join(", "),
    }
}
