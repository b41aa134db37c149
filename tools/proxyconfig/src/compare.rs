//! `proxy-status POD`: what the pilot has for a proxy beside what the proxy has.

use serde_json::{Value, json};
use similar::TextDiff;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use crate::dump::{ConfigDump, DumpError, list, text};

/// Lines that are the same around those that are not.
const CONTEXT: usize = 7;

/// What the pilot has beside what the proxy has, in istioctl's words: of clusters, listeners and routes each whether they
/// match, else how they differ.
///
/// # Errors
/// Where a dump lacks a part.
pub fn report(pilot: &ConfigDump, proxy: &ConfigDump) -> Result<String, DumpError> {
    let mut report = String::new();
    for kind in [Kind::Clusters, Kind::Listeners, Kind::Routes] {
        let (ours, theirs) = (kind.whole(pilot)?, kind.whole(proxy)?);
        let diff = TextDiff::from_lines(&ours, &theirs);
        let name = kind.name();
        let loaded = match kind {
            Kind::Routes => last_loaded(proxy)?.unwrap_or_default(),
            _ => String::new(),
        };
        if ours == theirs {
            report.push_str(&format!("{name} Match{loaded}\n"));
            continue;
        }
        let diff = diff
            .unified_diff()
            .context_radius(CONTEXT)
            .header(&format!("Istiod {name}"), &format!("Envoy {name}"))
            .to_string();
        report.push_str(&format!("{name} Don't Match{loaded}\n{diff}\n"));
    }
    Ok(report)
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Clusters,
    Listeners,
    Routes,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Clusters => "Clusters",
            Kind::Listeners => "Listeners",
            Kind::Routes => "Routes",
        }
    }

    /// What the control plane gave, by name, without versions and times, as text.
    fn whole(self, dump: &ConfigDump) -> Result<String, DumpError> {
        let (part, items, item, shown) = match self {
            Kind::Clusters => (
                "ClustersConfigDump",
                "/dynamic_active_clusters",
                "/cluster",
                "dynamicActiveClusters",
            ),
            Kind::Listeners => (
                "ListenersConfigDump",
                "/dynamic_listeners",
                "/active_state/listener",
                "dynamicListeners",
            ),
            Kind::Routes => (
                "RoutesConfigDump",
                "/dynamic_route_configs",
                "/route_config",
                "dynamicRouteConfigs",
            ),
        };
        let mut all: Vec<&Value> = list(dump.part(part)?, items)
            .filter_map(|state| state.pointer(item))
            .collect();
        all.sort_by_key(|one| text(one, "/name"));
        let all: Vec<Value> = all.into_iter().map(in_order).collect();
        Ok(format!("{:#}\n", json!({shown: all})))
    }
}

/// The same value with the fields of every object in the order of their names.
fn in_order(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let fields = fields
                .into_iter()
                .map(|(name, value)| (name.clone(), in_order(value)));
            Value::Object(fields.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(in_order).collect()),
        plain => plain.clone(),
    }
}

/// ` (RDS last loaded at Mon, 02 Jan 2006 15:04:05 UTC)`, where the proxy says so.
fn last_loaded(proxy: &ConfigDump) -> Result<Option<String>, DumpError> {
    let part = proxy.part("RoutesConfigDump")?;
    let times = list(part, "/dynamic_route_configs")
        .filter_map(|route| OffsetDateTime::parse(text(route, "/last_updated"), &Rfc3339).ok());
    let rfc1123 = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] UTC"
    );
    let shown = times.max().and_then(|last| last.format(&rfc1123).ok());
    Ok(shown.map(|last| format!(" (RDS last loaded at {last})")))
}
