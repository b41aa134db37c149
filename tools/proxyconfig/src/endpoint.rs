//! `proxy-config endpoint`.

use serde_json::Value;

use crate::dump::{DumpError, list, text};
use crate::table::Table;

/// Which endpoints are shown; upper and lower case are the same.
#[derive(Debug, Clone, Default)]
pub struct EndpointFilter {
    /// Its address.
    pub address: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// The whole name of its cluster.
    pub cluster: Option<String>,
    /// `healthy`, `unhealthy`, `draining`, ...
    pub status: Option<String>,
}

/// What `/clusters?format=json` answered.
#[derive(Debug, Clone)]
pub struct Clusters(Value);

impl Clusters {
    /// Reads what `/clusters?format=json` answered.
    ///
    /// # Errors
    /// Where it is no JSON.
    pub fn parse(text: &str) -> Result<Self, DumpError> {
        Ok(Clusters(serde_json::from_str(text)?))
    }

    /// The clusters with an endpoint that a filter takes, whole.
    pub fn select(&self, filter: &EndpointFilter) -> Vec<&Value> {
        list(&self.0, "/cluster_statuses")
            .filter(|cluster| {
                list(cluster, "/host_statuses")
                    .any(|host| filter.takes_endpoint(&Endpoint::of(cluster, host)))
            })
            .collect()
    }

    /// A line for each endpoint that a filter takes, by address, port and cluster.
    pub fn table(&self, filter: &EndpointFilter) -> String {
        let mut endpoints: Vec<Endpoint<'_>> = list(&self.0, "/cluster_statuses")
            .flat_map(|cluster| {
                list(cluster, "/host_statuses").map(move |host| Endpoint::of(cluster, host))
            })
            .filter(|endpoint| filter.takes_endpoint(endpoint))
            .collect();
        endpoints.sort_by_key(|e| (e.address, e.port, e.cluster));
        let mut table = Table::new(&["ENDPOINT", "STATUS", "OUTLIER CHECK", "CLUSTER"], 5);
        for endpoint in endpoints {
            table.line([
                endpoint.place(),
                endpoint.status.to_owned(),
                if endpoint.ejected { "FAILED" } else { "OK" }.to_owned(),
                endpoint.cluster.to_owned(),
            ]);
        }
        table.text()
    }
}

struct Endpoint<'a> {
    address: &'a str,
    /// None of a socket in the file system.
    port: Option<u64>,
    status: &'a str,
    ejected: bool,
    cluster: &'a str,
}

impl<'a> Endpoint<'a> {
    fn of(cluster: &'a Value, host: &'a Value) -> Self {
        let port = host.pointer("/address/socket_address/port_value");
        let (address, port) = match text(host, "/address/pipe/path") {
            "" => (
                text(host, "/address/socket_address/address"),
                Some(port.and_then(Value::as_u64).unwrap_or(0)),
            ),
            path => (path, None),
        };
        let status = match text(host, "/health_status/eds_health_status") {
            "" => "UNKNOWN",
            status => status,
        };
        let failed = host.pointer("/health_status/failed_outlier_check");
        Endpoint {
            address,
            port,
            status,
            ejected: failed.and_then(Value::as_bool).unwrap_or_default(),
            cluster: text(cluster, "/name"),
        }
    }

    fn place(&self) -> String {
        match self.port {
            Some(port) if self.address.contains(':') => format!("[{}]:{port}", self.address),
            Some(port) => format!("{}:{port}", self.address),
            None => format!("unix://{}", self.address),
        }
    }
}

impl EndpointFilter {
    fn takes_endpoint(&self, endpoint: &Endpoint<'_>) -> bool {
        self.takes(
            endpoint.address,
            endpoint.port,
            endpoint.cluster,
            endpoint.status,
        )
    }

    pub(crate) fn takes(
        &self,
        address: &str,
        port: Option<u64>,
        cluster: &str,
        status: &str,
    ) -> bool {
        let is = |wanted: &Option<String>, text: &str| {
            wanted
                .as_ref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(text))
        };
        is(&self.address, address)
            && is(&self.cluster, cluster)
            && is(&self.status, status)
            && self
                .port
                .is_none_or(|wanted| port == Some(u64::from(wanted)))
    }
}
