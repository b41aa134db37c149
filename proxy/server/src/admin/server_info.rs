//! `/server_info` (`envoy.admin.v3.ServerInfo`).

use std::time::SystemTime;

use axum::response::Response;
use serde_json::{Value, json};

use super::{Admin, answer};
use crate::command_line::Arguments;

/// Revision, version, state of the sources, kind of build and cryptography, in the form that Envoy's has.
fn version() -> String {
    let build = if cfg!(debug_assertions) {
        "DEBUG"
    } else {
        "RELEASE"
    };
    format!(
        "lateen/{}/Distribution/{build}/AWS-LC",
        env!("CARGO_PKG_VERSION")
    )
}

pub(crate) fn page(admin: &Admin) -> Response {
    let uptime = SystemTime::now()
        .duration_since(admin.started)
        .unwrap_or_default();
    let uptime = format!("{}s", uptime.as_secs());
    answer::json(&json!({
        "version": version(),
        "state": admin.state().name(),
        "uptime_current_epoch": uptime,
        "uptime_all_epochs": uptime,
        "hot_restart_version": "disabled",
        "command_line_options": admin.options,
        "node": node(&admin.bootstrap),
    }))
}

/// The bootstrap's node, with who answers.
pub(crate) fn node(bootstrap: &Value) -> Value {
    let mut node = bootstrap["node"].clone();
    if let Some(fields) = node.as_object_mut() {
        let number = |text: &str| text.parse::<u32>().unwrap_or_default();
        fields.insert("user_agent_name".to_owned(), "lateen".into());
        fields.insert(
            "user_agent_build_version".to_owned(),
            json!({
                "version": {
                    "major_number": number(env!("CARGO_PKG_VERSION_MAJOR")),
                    "minor_number": number(env!("CARGO_PKG_VERSION_MINOR")),
                    "patch": number(env!("CARGO_PKG_VERSION_PATCH")),
                },
            }),
        );
    }
    node
}

/// The command line (`envoy.admin.v3.CommandLineOptions`), those options that there are.
pub(crate) fn options(arguments: &Arguments) -> Value {
    json!({
        "concurrency": arguments.workers(),
        "config_path": arguments.config_path,
        "allow_unknown_static_fields": arguments.allow_unknown_static_fields,
        "local_address_ip_version": arguments.local_address_ip_version,
        "log_level": arguments.log_level,
        "component_log_level": arguments.component_log_level.as_deref().unwrap_or_default(),
        "file_flush_interval": milliseconds(arguments.file_flush_interval_msec),
        "drain_time": format!("{}s", arguments.drain_time_s),
        "drain_strategy": match arguments.drain_strategy.as_str() {
            "immediate" => "Immediate",
            _ => "Gradual",
        },
        "mode": "Serve",
        "disable_hot_restart": arguments.disable_hot_restart,
        "restart_epoch": 0,
    })
}

fn milliseconds(of: u64) -> String {
    match of % 1000 {
        0 => format!("{}s", of / 1000),
        rest => format!("{}.{rest:03}s", of / 1000),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use clap::Parser;

    use super::*;

    #[test]
    fn the_command_line_is_shown_in_envoys_words() {
        let line = "envoy -c b.json --concurrency 3 --drain-strategy immediate --file-flush-interval-msec 1500 \
            --drain-time-s 45";
        let shown = options(&Arguments::try_parse_from(line.split_whitespace()).unwrap());
        assert_eq!(shown["concurrency"], 3);
        assert_eq!(shown["config_path"], "b.json");
        assert_eq!(shown["drain_strategy"], "Immediate");
        assert_eq!(shown["drain_time"], "45s");
        assert_eq!(shown["file_flush_interval"], "1.500s");
    }

    #[test]
    fn the_node_says_who_answers() {
        let shown = node(&json!({"node": {"id": "x"}}));
        assert_eq!(
            (&shown["id"], &shown["user_agent_name"]),
            (&json!("x"), &json!("lateen"))
        );
    }
}
