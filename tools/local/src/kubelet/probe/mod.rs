//! Probes: what to ask a container, how often, and what the answers add up to.

pub mod check;
mod tls;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::object::{integer, list, text};

/// How a container is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// GET; 200 to 399 is a yes.
    Http {
        /// `scheme: HTTPS`; no certificate is checked.
        tls: bool,
        /// `host`, else the pod's address.
        host: Option<String>,
        /// Port number.
        port: u16,
        /// Path with query, beginning with `/`.
        path: String,
        /// `httpHeaders`.
        headers: Vec<(String, String)>,
    },
    /// A connection that opens is a yes.
    Tcp {
        /// `host`, else the pod's address.
        host: Option<String>,
        /// Port number.
        port: u16,
    },
    /// `grpc.health.v1.Health/Check`; SERVING is a yes.
    Grpc {
        /// Port number.
        port: u16,
        /// Service asked for; empty for the server.
        service: String,
    },
    /// A program in the container; exit status 0 is a yes.
    Exec(Vec<String>),
}

/// One probe of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// How it is asked.
    pub question: Question,
    /// Time after the start before the first question.
    pub initial_delay: Duration,
    /// Time between questions.
    pub period: Duration,
    /// Time for an answer.
    pub timeout: Duration,
    /// Yeses in a row that turn it.
    pub success_threshold: u32,
    /// Noes in a row that turn it.
    pub failure_threshold: u32,
}

impl Probe {
    /// Reads `kind` (`startupProbe`, `readinessProbe`, `livenessProbe`) of `container`. None when there
    /// is none.
    ///
    /// # Errors
    /// Names what cannot be asked, such as a port name that the container does not declare.
    pub fn of(container: &Value, kind: &str) -> Result<Option<Self>, String> {
        let Some(probe) = container.get(kind).filter(|probe| probe.is_object()) else {
            return Ok(None);
        };
        let question = question(container, probe).map_err(|problem| {
            format!(
                "{kind} of container {:?}: {problem}",
                text(container, "/name")
            )
        })?;
        let number = |field: &str, default: u64, least: u64| {
            integer(probe, &format!("/{field}"))
                .and_then(|n| u64::try_from(n).ok())
                .unwrap_or(default)
                .clamp(least, 86_400)
        };
        let count = |field: &str, default| u32::try_from(number(field, default, 1)).unwrap_or(1);
        Ok(Some(Self {
            question,
            initial_delay: Duration::from_secs(number("initialDelaySeconds", 0, 0)),
            period: Duration::from_secs(number("periodSeconds", 10, 1)),
            timeout: Duration::from_secs(number("timeoutSeconds", 1, 1)),
            success_threshold: count("successThreshold", 1),
            failure_threshold: count("failureThreshold", 3),
        }))
    }
}

/// The port that a probe or a hook means, by number or by a declared name.
///
/// # Errors
/// When the container declares no such port.
pub fn port(container: &Value, value: Option<&Value>) -> Result<u16, String> {
    let number = |n: u64| u16::try_from(n).map_err(|_| format!("port {n} is above 65535"));
    match value {
        Some(Value::Number(n)) => number(n.as_u64().unwrap_or(u64::MAX)),
        Some(Value::String(name)) => match name.parse() {
            Ok(port) => Ok(port),
            Err(_) => list(container, "/ports")
                .iter()
                .find(|declared| text(declared, "/name") == name)
                .and_then(|declared| integer(declared, "/containerPort"))
                .and_then(|port| u16::try_from(port).ok())
                .ok_or_else(|| format!("port {name:?} is not declared by the container")),
        },
        _ => Err("port is missing".to_owned()),
    }
}

fn question(container: &Value, probe: &Value) -> Result<Question, String> {
    if let Some(http) = probe.get("httpGet") {
        return http_question(container, http);
    }
    if let Some(tcp) = probe.get("tcpSocket") {
        return Ok(Question::Tcp {
            host: host(tcp),
            port: port(container, tcp.get("port"))?,
        });
    }
    if let Some(grpc) = probe.get("grpc") {
        return Ok(Question::Grpc {
            port: port(container, grpc.get("port"))?,
            service: text(grpc, "/service").to_owned(),
        });
    }
    if probe.get("exec").is_some() {
        let command = list(probe, "/exec/command")
            .iter()
            .filter_map(|word| word.as_str().map(str::to_owned))
            .collect();
        return Ok(Question::Exec(command));
    }
    Err("write one of httpGet, tcpSocket, grpc, exec".to_owned())
}

/// The question that an `httpGet` of a probe or a hook asks.
///
/// # Errors
/// Names the field that cannot be used.
pub fn http_question(container: &Value, http: &Value) -> Result<Question, String> {
    let tls = match text(http, "/scheme") {
        "" | "HTTP" | "http" => false,
        "HTTPS" | "https" => true,
        other => return Err(format!("scheme {other:?} is none of HTTP, HTTPS")),
    };
    let path = text(http, "/path");
    let path = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/{path}"),
    };
    let headers: BTreeMap<String, String> = list(http, "/httpHeaders")
        .iter()
        .map(|header| {
            (
                text(header, "/name").to_owned(),
                text(header, "/value").to_owned(),
            )
        })
        .collect();
    Ok(Question::Http {
        tls,
        host: host(http),
        port: port(container, http.get("port"))?,
        path,
        headers: headers.into_iter().collect(),
    })
}

fn host(action: &Value) -> Option<String> {
    Some(text(action, "/host"))
        .filter(|host| !host.is_empty())
        .map(str::to_owned)
}

/// Counts answers until enough in a row say the same.
#[derive(Debug, Clone)]
pub struct Verdict {
    success_threshold: u32,
    failure_threshold: u32,
    last: Option<bool>,
    in_a_row: u32,
}

impl Verdict {
    /// No answers yet.
    pub fn new(probe: &Probe) -> Self {
        Self {
            success_threshold: probe.success_threshold,
            failure_threshold: probe.failure_threshold,
            last: None,
            in_a_row: 0,
        }
    }

    /// Counts one answer; Some once a threshold is reached.
    pub fn observe(&mut self, yes: bool) -> Option<bool> {
        self.in_a_row = if self.last == Some(yes) {
            self.in_a_row.saturating_add(1)
        } else {
            1
        };
        self.last = Some(yes);
        let threshold = if yes {
            self.success_threshold
        } else {
            self.failure_threshold
        };
        (self.in_a_row >= threshold).then_some(yes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_probe_has_kubernetes_defaults_and_resolves_named_ports() {
        let container = json!({"name": "c", "ports": [{"name": "web", "containerPort": 8081}],
            "readinessProbe": {"httpGet": {"path": "ping", "port": "web"}, "failureThreshold": 5}});
        let probe = Probe::of(&container, "readinessProbe").unwrap().unwrap();
        assert_eq!(
            probe.question,
            Question::Http {
                tls: false,
                host: None,
                port: 8081,
                path: "/ping".into(),
                headers: vec![]
            }
        );
        assert_eq!(probe.period, Duration::from_secs(10));
        assert_eq!(probe.failure_threshold, 5);
        assert_eq!(Probe::of(&container, "livenessProbe"), Ok(None));
    }

    #[test]
    fn a_probe_that_cannot_be_asked_names_its_container_and_field() {
        let container = json!({"name": "c", "livenessProbe": {"tcpSocket": {"port": "nope"}}});
        let error = Probe::of(&container, "livenessProbe").unwrap_err();
        assert_eq!(
            error,
            r#"livenessProbe of container "c": port "nope" is not declared by the container"#
        );
    }

    #[test]
    fn a_verdict_needs_enough_equal_answers_in_a_row() {
        let container = json!({"p": {"exec": {"command": ["x"]}, "failureThreshold": 2}});
        let probe = Probe::of(&container, "p").unwrap().unwrap();
        let mut verdict = Verdict::new(&probe);
        let seen: Vec<_> = [false, true, false, false]
            .map(|answer| verdict.observe(answer))
            .into();
        assert_eq!(seen, [None, Some(true), None, Some(false)]);
    }
}
