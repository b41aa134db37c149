//! A VirtualService, and which of its routes lead to pods of a service.

use local::object::{integer, list, namespace, text};
use serde_json::Value;

use super::destination_rule::Subsets;
use super::made_by::is_service;
use super::page::Page;

/// What routes are checked against.
pub(super) struct To<'a> {
    pub(super) service: &'a Value,
    pub(super) subsets: &'a Subsets,
    /// The rule that says which subsets there are, by the name it is shown under.
    pub(super) rule: Option<String>,
}

/// What a route is for the pods: what to say of it.
enum Route {
    Leads(Vec<String>),
    /// It does not lead to them, and why.
    Passes(Vec<String>),
}

pub(super) fn describe(page: &mut Page, indent: usize, object: &Value, to: &To<'_>) {
    let (one, two) = (indent + 3, indent + 6);
    let shown = page.name(object);
    page.line(indent, format!("VirtualService: {shown}"));
    let (http, tls, tcp) = (
        list(object, "/spec/http"),
        list(object, "/spec/tls"),
        list(object, "/spec/tcp"),
    );
    let within = namespace(object);
    let of_http = http.iter().map(|route| of_http(route, within, to));
    let routes = of_http.chain(tcp.iter().map(|route| of_tcp(route, within, to)));
    let (mut matches, mut facts, mut notes) = (0, 0, Vec::new());
    for route in routes {
        match route {
            Route::Leads(lines) => {
                matches += 1;
                facts += lines.len();
                lines.iter().for_each(|line| page.line(one, line));
            }
            Route::Passes(why) => notes.extend(why),
        }
    }
    let counts = [(http.len(), "HTTP"), (tcp.len(), "TCP")];
    let all = http.len() + tls.len() + tcp.len();
    if matches == 0 {
        for (number, kind) in counts.iter().filter(|(number, _)| *number > 0) {
            page.line(
                one,
                format!(
                    "WARNING: No destinations match pod subsets (checked {number} {kind} routes)"
                ),
            );
        }
        notes.iter().for_each(|note| page.line(two, note));
    } else if matches < all {
        page.line(
            one,
            format!(
                "{} additional destination(s) that will not reach this pod",
                all - matches
            ),
        );
        if facts == 0 {
            notes.iter().for_each(|note| page.line(two, note));
        }
    } else if facts == 0 {
        for (number, kind) in counts.iter().filter(|(number, _)| *number > 0) {
            page.line(one, format!("{number} {kind} route(s)"));
        }
    }
}

fn of_http(route: &Value, within: &str, to: &To<'_>) -> Route {
    let (mut facts, mut notes, mut leads) = (Vec::new(), Vec::new(), false);
    for destination in list(route, "/route") {
        let host = text(destination, "/destination/host");
        let subset = text(destination, "/destination/subset");
        let weight = integer(destination, "/weight").unwrap_or(0);
        if !is_service(to.service, host, within) {
            facts.push(match subset {
                "" => format!("Route to host \"{host}\" with weight {weight}%"),
                _ => format!("Route to {host} with invalid config"),
            });
            continue;
        }
        if let Some(note) = unreachable(route, subset, to) {
            notes.push(note);
            continue;
        }
        leads = true;
        if weight > 0 {
            let of = match subset {
                "" => String::new(),
                subset => format!(" subset \"{subset}\""),
            };
            facts.push(format!(
                "Route to host \"{host}\"{of} with weight {weight}%"
            ));
        }
    }
    if !leads {
        if !notes.is_empty() {
            facts.extend(notes);
        }
        return Route::Passes(facts);
    }
    let fault = route.get("fault");
    let mut conditions: Vec<String> = fault
        .map(|fault| format!("Fault injection {fault}"))
        .into_iter()
        .collect();
    conditions.extend(list(route, "/match").iter().map(condition));
    if !conditions.is_empty() {
        facts.push(conditions.join(", "));
    }
    Route::Leads(facts)
}

/// Why a subset of the service is not that of the pods.
fn unreachable(route: &Value, subset: &str, to: &To<'_>) -> Option<String> {
    let has = |subsets: &[String]| subsets.iter().any(|one| one == subset);
    if subset.is_empty() || has(&to.subsets.matching) {
        return None;
    }
    if has(&to.subsets.others) {
        let conditions: Vec<String> = list(route, "/match").iter().map(condition).collect();
        let conditions = match conditions.is_empty() {
            true => "everything".to_owned(),
            false => conditions.join(", "),
        };
        return Some(format!(
            "Route to non-matching subset {subset} for ({conditions})"
        ));
    }
    Some(match &to.rule {
        None => {
            format!("Warning: Route to subset {subset} but NO DESTINATION RULE defining subsets!")
        }
        Some(rule) => {
            format!("Warning: Route to UNKNOWN subset {subset}; check DestinationRule {rule}")
        }
    })
}

fn of_tcp(route: &Value, within: &str, to: &To<'_>) -> Route {
    let leads = list(route, "/route").iter().any(|destination| {
        let host = text(destination, "/destination/host");
        is_service(to.service, host, within)
    });
    match leads {
        true => {
            let conditions = list(route, "/match").iter();
            Route::Leads(conditions.map(Value::to_string).collect())
        }
        false => Route::Passes(Vec::new()),
    }
}

/// Path and headers of a condition.
fn condition(on: &Value) -> String {
    let mut text = "Match: ".to_owned();
    if let Some(uri) = on.get("uri") {
        text.push_str(&string_match(uri));
        if on.get("ignoreUriCase") == Some(&Value::Bool(true)) {
            text.push_str(" uncased");
        }
    }
    let headers = on.get("headers").and_then(Value::as_object);
    let headers: Vec<String> = headers
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={}", string_match(value)))
        .collect();
    if !headers.is_empty() {
        text.push_str(&format!(" when headers are {}", headers.join("; ")));
    }
    text.trim().to_owned()
}

fn string_match(value: &Value) -> String {
    match (
        text(value, "/exact"),
        text(value, "/prefix"),
        text(value, "/regex"),
    ) {
        ("", "", "") => String::new(),
        ("", "", regex) => format!("regex:{regex:?}"),
        ("", prefix, _) => format!("{prefix}*"),
        (exact, ..) => exact.to_owned(),
    }
}
