//! Endpoints as the control plane gave them: part of `proxy-config all`.

use serde_json::Value;

use crate::cluster::Name;
use crate::dump::{ConfigDump, list, text};
use crate::endpoint::EndpointFilter;
use crate::table::{Listing, Table};

/// A line for each endpoint that a filter takes, by cluster. A dump that was made without endpoints has none.
pub fn table(dump: &ConfigDump, filter: &EndpointFilter, listing: Listing) -> String {
    let mut table = Table::new(&["NAME", "STATUS", "LOCALITY", "CLUSTER"], 5);
    let mut assignments = dump.assignments();
    assignments.sort_by(|a, b| {
        let name = |assignment| Name::parse(text(assignment, "/cluster_name"));
        name(a).cmp(&name(b))
    });
    for assignment in assignments {
        let cluster = text(assignment, "/cluster_name");
        for locality in list(assignment, "/endpoints") {
            for endpoint in list(locality, "/lb_endpoints") {
                let address = Address::of(endpoint);
                let status = match text(endpoint, "/health_status") {
                    "" => "UNKNOWN",
                    status => status,
                };
                if filter.takes(&address.host, address.port, cluster, status) {
                    let name = listing.name("endpoint", &address.shown());
                    let status = status.to_owned();
                    table.line([name, status, place(locality), cluster.to_owned()]);
                }
            }
        }
    }
    table.text()
}

struct Address {
    host: String,
    /// None of a socket in the file system or within the proxy.
    port: Option<u64>,
}

impl Address {
    fn of(endpoint: &Value) -> Self {
        let at = |pointer: &str| text(endpoint, &format!("/endpoint/address/{pointer}"));
        let (pipe, internal) = (
            at("pipe/path"),
            at("envoy_internal_address/server_listener_name"),
        );
        if !pipe.is_empty() {
            return Address {
                host: pipe.to_owned(),
                port: None,
            };
        }
        if !internal.is_empty() {
            let id = at("envoy_internal_address/endpoint_id");
            return Address {
                host: format!("envoy://{internal}/{id}"),
                port: None,
            };
        }
        let port = endpoint.pointer("/endpoint/address/socket_address/port_value");
        Address {
            host: at("socket_address/address").to_owned(),
            port: Some(port.and_then(Value::as_u64).unwrap_or(0)),
        }
    }

    fn shown(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }
}

/// `region/zone/subzone`, as far as there is one.
fn place(locality: &Value) -> String {
    let parts = ["region", "zone", "sub_zone"];
    let parts = parts.map(|part| text(locality, &format!("/locality/{part}")));
    let known: Vec<&str> = parts
        .into_iter()
        .take_while(|part| !part.is_empty())
        .collect();
    known.join("/")
}
