//! `/listeners` (`envoy.admin.v3.Listeners`).

use std::fmt::Write;
use std::net::SocketAddr;

use axum::http::StatusCode;
use axum::response::Response;
use graph::Graph;
use serde_json::{Map, Value, json};

use super::parameters::Parameters;
use super::{Admin, answer};

pub(crate) fn page(admin: &Admin, parameters: &Parameters) -> Response {
    let graph = admin.control.graph.borrow().clone();
    match parameters.get("format") {
        None | Some("text") => answer::text(text(&graph)),
        Some("json") => answer::json(&shown(&graph)),
        Some(_) => answer::refused(
            StatusCode::BAD_REQUEST,
            "usage: /listeners?format=(text|json)\n",
        ),
    }
}

fn text(graph: &Graph) -> String {
    let mut text = String::new();
    for listener in &graph.listeners {
        for address in &listener.addresses {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}::{address}", listener.name);
        }
    }
    text
}

fn shown(graph: &Graph) -> Value {
    let statuses = graph.listeners.iter().map(|listener| {
        let mut addresses = listener.addresses.iter().copied().map(socket);
        let mut status = Map::new();
        status.insert("name".to_owned(), (*listener.name).into());
        if let Some(first) = addresses.next() {
            status.insert("local_address".to_owned(), first);
        }
        let more: Vec<_> = addresses.collect();
        if !more.is_empty() {
            status.insert("additional_local_addresses".to_owned(), more.into());
        }
        Value::Object(status)
    });
    json!({"listener_statuses": statuses.collect::<Vec<_>>()})
}

/// An address as a `core.v3.Address`.
pub(crate) fn socket(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}
