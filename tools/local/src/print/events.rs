//! The columns of `get events`, which begin with no name.

use serde_json::Value;
use time::OffsetDateTime;

use crate::object::{age, integer, name, namespace, text};

pub(super) fn rows(
    events: &[Value],
    with_namespace: bool,
    wide: bool,
    now: OffsetDateTime,
) -> Vec<Vec<String>> {
    let headings: &[&str] = if wide {
        &[
            "LAST SEEN",
            "TYPE",
            "REASON",
            "OBJECT",
            "SUBOBJECT",
            "SOURCE",
            "MESSAGE",
            "FIRST SEEN",
            "COUNT",
            "NAME",
        ]
    } else {
        &["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    };
    let first = with_namespace.then_some("NAMESPACE");
    let mut rows = vec![
        first
            .iter()
            .chain(headings)
            .map(|heading| (*heading).to_owned())
            .collect(),
    ];
    for event in events {
        let mut row = Vec::new();
        if with_namespace {
            row.push(namespace(event).to_owned());
        }
        let field = |pointer: &str| text(event, pointer).to_owned();
        let since = |pointer: &str| age::since(text(event, pointer), now);
        row.push(since("/lastTimestamp"));
        row.push(field("/type"));
        row.push(field("/reason"));
        row.push(format!(
            "{}/{}",
            text(event, "/involvedObject/kind").to_ascii_lowercase(),
            text(event, "/involvedObject/name")
        ));
        let message = text(event, "/message").trim().replace('\n', " ");
        if wide {
            row.push(field("/involvedObject/fieldPath"));
            row.push(match text(event, "/source/host") {
                "" => field("/source/component"),
                host => format!("{}, {host}", text(event, "/source/component")),
            });
            row.push(message);
            row.push(since("/firstTimestamp"));
            row.push(integer(event, "/count").unwrap_or(1).to_string());
            row.push(name(event).to_owned());
        } else {
            row.push(message);
        }
        rows.push(row);
    }
    rows
}
