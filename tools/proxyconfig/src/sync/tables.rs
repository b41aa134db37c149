//! What became of what proxies were sent, as tables.

use time::OffsetDateTime;

use super::{ALWAYS, OfType, Proxy, SHORT, Status, bare};
use crate::table::Table;

/// A line for each proxy, with the types that it asked for.
pub fn table(proxies: &[Proxy]) -> String {
    let heading = ["NAME", "CLUSTER", "ISTIOD", "VERSION", "SUBSCRIBED TYPES"];
    let mut table = Table::new(&heading, 5);
    for proxy in proxies {
        let types: Vec<&str> = proxy.types.iter().map(OfType::short).collect();
        let types = match types.len() {
            0 => "0".to_owned(),
            number => format!("{number} ({})", types.join(",")),
        };
        table.line([
            proxy.name.clone(),
            proxy.cluster.clone(),
            proxy.pilot.clone(),
            proxy.version.clone(),
            types,
        ]);
    }
    table.text()
}

/// A line for each proxy, with what became of each type. `age` says how long ago a time is.
pub fn wide_table(proxies: &[Proxy], age: impl Fn(OffsetDateTime) -> String) -> String {
    let seen = proxies.iter().flat_map(|proxy| &proxy.types);
    let mut types: Vec<(&str, &str)> = seen.map(|one| (bare(&one.type_url), one.short())).collect();
    types.extend(SHORT.iter().filter(|(_, short)| ALWAYS.contains(short)));
    types.sort_unstable();
    types.dedup();
    let shown = types.iter().map(|(_, short)| *short);
    let heading: Vec<&str> = ["NAME", "CLUSTER"]
        .into_iter()
        .chain(shown)
        .chain(["ISTIOD", "VERSION"])
        .collect();
    let mut table = Table::new(&heading, 5);
    for proxy in proxies {
        let status = |name: &str| {
            let one = proxy.types.iter().find(|one| bare(&one.type_url) == name);
            match one.map(|one| (one.status, one.sent)) {
                None => "IGNORED".to_owned(),
                Some((status, Some(sent))) if status != Status::NotSent => {
                    format!("{} ({})", status.as_str(), age(sent))
                }
                Some((status, _)) => status.as_str().to_owned(),
            }
        };
        let statuses = types.iter().map(|(name, _)| status(name));
        table.line(
            [proxy.name.clone(), proxy.cluster.clone()]
                .into_iter()
                .chain(statuses)
                .chain([proxy.pilot.clone(), proxy.version.clone()]),
        );
    }
    table.text()
}

/// A line for each type that a proxy refused something of: which resources, and its words. Empty where none did.
pub fn refusals(proxies: &[Proxy]) -> String {
    let mut lines = String::new();
    for proxy in proxies {
        for one in &proxy.types {
            let Some(error) = &one.error else { continue };
            let names: Vec<&str> = one.refused().collect();
            let names = match names.is_empty() {
                true => String::new(),
                false => format!(" of {}", names.join(", ")),
            };
            let error = error.trim().replace('\n', " ");
            let line = format!("{}: {} ERROR{names}: {error}\n", proxy.name, one.short());
            lines.push_str(&line);
        }
    }
    lines
}
