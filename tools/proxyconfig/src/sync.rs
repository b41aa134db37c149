//! `proxy-status`: whether proxies have what their pilots sent them, by `/debug/syncz`.

mod client_config;
mod tables;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::dump::{DumpError, list, text};
pub use client_config::json;
pub use tables::{refusals, table, wide_table};

/// The types that Istio's proxies ask for, by their short names, in the order that its tools show them.
const SHORT: [(&str, &str); 6] = [
    ("envoy.config.cluster.v3.Cluster", "CDS"),
    ("envoy.config.listener.v3.Listener", "LDS"),
    ("envoy.config.endpoint.v3.ClusterLoadAssignment", "EDS"),
    ("envoy.config.route.v3.RouteConfiguration", "RDS"),
    ("envoy.config.core.v3.TypedExtensionConfig", "ECDS"),
    ("envoy.extensions.transport_sockets.tls.v3.Secret", "SDS"),
];
/// Columns that the wide table has in any case, by type.
const ALWAYS: [&str; 5] = ["CDS", "LDS", "EDS", "RDS", "ECDS"];

/// What became of a type's resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The proxy asked, and was sent nothing yet.
    NotSent,
    /// The proxy uses what was sent last.
    Synced,
    /// The proxy has not answered to what was sent last.
    Stale,
    /// The proxy refused something, and goes on with what it had.
    Error,
}

impl Status {
    /// As it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::NotSent => "NOT SENT",
            Status::Synced => "SYNCED",
            Status::Stale => "STALE",
            Status::Error => "ERROR",
        }
    }
}

/// One type of one proxy.
#[derive(Debug, Clone, PartialEq)]
pub struct OfType {
    /// Its URL.
    pub type_url: String,
    /// What became of it.
    pub status: Status,
    /// When something was sent last.
    pub sent: Option<OffsetDateTime>,
    /// The proxy's words of refusal.
    pub error: Option<String>,
    /// Each resource with its version and what became of it (`acked`, `rejected`, ...), where the pilot says so.
    pub resources: Vec<Value>,
}

impl OfType {
    /// `CDS`, `LDS`, ...; the URL of a type without a short name.
    pub fn short(&self) -> &str {
        let name = bare(&self.type_url);
        let known = SHORT.iter().find(|(known, _)| *known == name);
        known.map_or(name, |(_, short)| short)
    }

    fn refused(&self) -> impl Iterator<Item = &str> {
        let rejected = |resource: &&Value| text(resource, "/status") == "rejected";
        self.resources
            .iter()
            .filter(rejected)
            .map(|resource| text(resource, "/name"))
    }
}

fn bare(type_url: &str) -> &str {
    type_url.rsplit('/').next().unwrap_or(type_url)
}

/// One proxy.
#[derive(Debug, Clone, PartialEq)]
pub struct Proxy {
    /// `POD.NAMESPACE`.
    pub name: String,
    /// Its cluster.
    pub cluster: String,
    /// The pilot it is connected to.
    pub pilot: String,
    /// The version of Istio that it says it has.
    pub version: String,
    /// `sidecar`, `router`, ...
    pub kind: String,
    /// The types it asked for, as [`SHORT`] orders them.
    pub types: Vec<OfType>,
}

impl Proxy {
    /// Its namespace.
    pub fn namespace(&self) -> &str {
        self.name
            .rsplit_once('.')
            .map_or("", |(_, namespace)| namespace)
    }
}

/// The proxies of a pilot's `/debug/syncz`, Istio's or ours.
///
/// # Errors
/// Where it is no list in JSON.
pub fn read(page: &str, pilot: &str) -> Result<Vec<Proxy>, DumpError> {
    let entries: Vec<Value> = serde_json::from_str(page)?;
    Ok(entries.iter().map(|entry| proxy(entry, pilot)).collect())
}

fn proxy(entry: &Value, pilot: &str) -> Proxy {
    let none = Map::new();
    let resources = entry.get("resources").and_then(Value::as_object);
    let mut types: Vec<OfType> = resources
        .unwrap_or(&none)
        .iter()
        .map(|(type_url, answers)| of_type(entry, type_url, answers))
        .collect();
    let place = |one: &OfType| {
        let known = SHORT
            .iter()
            .position(|(known, _)| *known == bare(&one.type_url));
        (known.unwrap_or(SHORT.len()), one.type_url.clone())
    };
    types.sort_by_key(place);
    Proxy {
        name: text(entry, "/proxy").to_owned(),
        cluster: text(entry, "/cluster_id").to_owned(),
        pilot: pilot.to_owned(),
        version: text(entry, "/istio_version").to_owned(),
        kind: text(entry, "/proxy_type").to_owned(),
        types,
    }
}

fn of_type(entry: &Value, type_url: &str, answers: &Value) -> OfType {
    let error = match text(answers, "/lastError") {
        "" => None,
        words => Some(words.to_owned()),
    };
    let status = match (text(answers, "/sent"), text(answers, "/acked")) {
        _ if error.is_some() => Status::Error,
        ("", _) => Status::NotSent,
        (sent, acked) if sent == acked => Status::Synced,
        _ => Status::Stale,
    };
    let report = list(entry, "/types").find(|one| text(one, "/type") == type_url);
    OfType {
        type_url: type_url.to_owned(),
        status,
        sent: OffsetDateTime::parse(text(answers, "/sentTime"), &Rfc3339).ok(),
        error,
        resources: report.map_or_else(Vec::new, |report| {
            list(report, "/resources").cloned().collect()
        }),
    }
}
