//! `/config_dump` (`envoy.admin.v3.ConfigDump`): the configuration as it came, beside it what of it has no effect here.

mod bootstrap;
mod clusters;
mod endpoints;
mod listeners;
mod resources;
mod routes;
mod secrets;
mod select;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests;

use std::sync::Arc;
use std::time::SystemTime;

use axum::http::StatusCode;
use axum::response::Response;
use control::View;
use graph::Graph;
use protojson::Schema;
use regex::Regex;
use serde_json::{Map, Value, json};
use xds::TypeUrl;

use super::parameters::Parameters;
use super::{Admin, answer};

/// What is shown, and of which time.
struct Source {
    schema: Schema,
    view: View,
    graph: Arc<Graph>,
    bootstrap: Value,
    started: SystemTime,
    names: Option<Regex>,
}

impl Source {
    /// Whether a resource of this name is asked for.
    fn wants(&self, name: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.is_match(name))
    }
}

/// One of the messages that the dump consists of.
struct Section {
    /// Its name in `envoy.admin.v3`.
    kind: &'static str,
    /// Fields that stand for themselves.
    single: Vec<(&'static str, Value)>,
    lists: Vec<List>,
}

/// A repeated field.
struct List {
    name: &'static str,
    /// The message that its items are, in `envoy.admin.v3`.
    kind: &'static str,
    items: Vec<Value>,
}

/// The list of what has no effect.
const NOT_HONOURED: &str = "not_honoured";

pub(crate) fn page(admin: &Admin, parameters: &Parameters) -> Response {
    let names = match parameters.get("name_regex").filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => match Regex::new(text) {
            Ok(names) => Some(names),
            Err(error) => {
                let words = format!(
                    "INVALID_ARGUMENT: Error while parsing name_regex from {text}: {error}"
                );
                return answer::refused(StatusCode::BAD_REQUEST, words);
            }
        },
    };
    let source = Source {
        schema: Schema::load(),
        view: admin.control.view(),
        graph: admin.control.graph.borrow().clone(),
        bootstrap: admin.bootstrap.clone(),
        started: admin.started,
        names,
    };
    let sections = sections(&source, parameters.has("include_eds"));
    let notes = not_honoured(&source);
    let chosen = match (parameters.get("resource"), parameters.get("mask")) {
        (Some(NOT_HONOURED), _) => Ok(json!({"configs": notes})),
        (Some(resource), mask) => select::list(sections, resource, mask),
        (None, Some(mask)) => select::masked(sections, mask),
        (None, None) => Ok(json!({
            "configs": sections.into_iter().map(Section::into_value).collect::<Vec<_>>(),
            NOT_HONOURED: notes,
        })),
    };
    match chosen {
        Ok(value) => answer::json(&value),
        Err(words) => answer::refused(StatusCode::BAD_REQUEST, words),
    }
}

fn sections(source: &Source, with_endpoints: bool) -> Vec<Section> {
    let listeners = listeners::section(source);
    let routes = routes::section(source, &listeners);
    let mut sections = vec![bootstrap::section(source), clusters::section(source)];
    if with_endpoints {
        sections.push(endpoints::section(source));
    }
    sections.extend([
        listeners,
        Section {
            kind: "ScopedRoutesConfigDump",
            single: Vec::new(),
            lists: Vec::new(),
        },
        routes,
        secrets::section(source),
    ]);
    sections
}

/// Fields that came and have no effect: Envoy has no place for them, and passing over them in silence would leave
/// whoever set them guessing.
fn not_honoured(source: &Source) -> Vec<Value> {
    let mut notes = Vec::new();
    for kind in [
        TypeUrl::Cluster,
        TypeUrl::Endpoints,
        TypeUrl::Listener,
        TypeUrl::Route,
        TypeUrl::Secret,
    ] {
        for (name, held) in source.view.of(kind).resources {
            if source.wants(&name) {
                notes.extend(held.warnings().iter().map(|(field, message)| {
                    json!({
                        "type_url": kind.as_str(), "name": *name, "field": field, "message": message,
                    })
                }));
            }
        }
    }
    notes
}

/// A type's name in an `Any`.
fn type_url(kind: &str) -> String {
    format!("type.googleapis.com/envoy.admin.v3.{kind}")
}

impl Section {
    fn into_value(self) -> Value {
        let mut object = Map::new();
        object.insert("@type".to_owned(), type_url(self.kind).into());
        for (name, value) in self.single {
            object.insert(name.to_owned(), value);
        }
        for list in self.lists {
            if !list.items.is_empty() {
                object.insert(list.name.to_owned(), list.items.into());
            }
        }
        object.into()
    }
}
