//! `proxy-config cluster`.

use serde_json::Value;

use crate::dump::{ConfigDump, DumpError, made_of, text};
use crate::table::{Listing, Table};

/// Which clusters are shown: each field that is there has to be found in the cluster's name.
#[derive(Debug, Clone, Default)]
pub struct ClusterFilter {
    /// A part of the service's name.
    pub fqdn: Option<String>,
    /// The service's port.
    pub port: Option<u16>,
    /// The subset of a DestinationRule.
    pub subset: Option<String>,
    /// `inbound` or `outbound`.
    pub direction: Option<String>,
}

/// A cluster's name in its parts: `outbound|9080|v1|reviews.default.svc.cluster.local`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name<'a> {
    fqdn: &'a str,
    subset: &'a str,
    port: u16,
    direction: &'a str,
}

impl<'a> Name<'a> {
    pub(crate) fn parse(name: &'a str) -> Self {
        match name.split('|').collect::<Vec<_>>().as_slice() {
            [direction, port, subset, fqdn] => Name {
                fqdn,
                subset,
                port: port.parse().unwrap_or(0),
                direction,
            },
            _ => Name {
                fqdn: name,
                subset: "",
                port: 0,
                direction: "",
            },
        }
    }
}

impl ClusterFilter {
    fn takes(&self, name: &str) -> bool {
        let has = |part: &Option<String>| part.as_ref().is_none_or(|part| name.contains(part));
        let port = self
            .port
            .is_none_or(|port| name.contains(&format!("|{port}|")));
        has(&self.fqdn) && has(&self.subset) && has(&self.direction) && port
    }
}

/// The clusters that a filter takes, by service, subset, port and direction.
///
/// # Errors
/// Where the dump has no clusters.
pub fn select<'a>(
    dump: &'a ConfigDump,
    filter: &ClusterFilter,
) -> Result<Vec<&'a Value>, DumpError> {
    let mut clusters = dump.clusters()?;
    clusters.retain(|cluster| filter.takes(text(cluster, "/name")));
    clusters.sort_by(|a, b| Name::parse(text(a, "/name")).cmp(&Name::parse(text(b, "/name"))));
    Ok(clusters)
}

/// A line for each cluster.
pub fn table(clusters: &[&Value], listing: Listing) -> String {
    let heading = listing.heading(&[
        "SERVICE FQDN",
        "PORT",
        "SUBSET",
        "DIRECTION",
        "TYPE",
        "DESTINATION RULE",
    ]);
    let mut table = Table::new(&heading, 5);
    for cluster in clusters {
        let name = Name::parse(text(cluster, "/name"));
        let dash = |text: &str| if text.is_empty() { "-" } else { text }.to_owned();
        let port = match name.port {
            0 => "-".to_owned(),
            port => port.to_string(),
        };
        // A type that is not there is protobuf's first, STATIC; an own type of cluster has a name instead.
        let kind = match (text(cluster, "/type"), text(cluster, "/cluster_type/name")) {
            ("", "") => "STATIC",
            ("", own) => own,
            (kind, _) => kind,
        };
        let cells = [
            name.fqdn.to_owned(),
            port,
            dash(name.subset),
            dash(name.direction),
            kind.to_owned(),
            made_of(cluster),
        ];
        let first = listing.cell("cluster", text(cluster, "/name"));
        table.line(first.into_iter().chain(cells));
    }
    table.text()
}
