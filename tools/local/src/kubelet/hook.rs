//! Life-cycle hooks: postStart and preStop.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::pod::Pod;
use super::probe::{Question, check, http_question, port};
use super::runtime::Running;
use crate::object::{integer, list, text};

/// No hook takes longer than the longest grace period that makes sense.
const LONGEST: Duration = Duration::from_secs(3600);

/// Runs a hook to its end.
///
/// # Errors
/// Why it failed.
pub async fn run(
    pod: &Pod,
    container: &Value,
    hook: &Value,
    running: &Arc<dyn Running>,
    ip: IpAddr,
) -> Result<(), String> {
    if let Some(sleep) = hook.get("sleep") {
        let seconds = integer(sleep, "/seconds").unwrap_or(0).clamp(0, 3600);
        tokio::time::sleep(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))).await;
        return Ok(());
    }
    let question = if let Some(http) = hook.get("httpGet") {
        http_question(container, http)?
    } else if let Some(tcp) = hook.get("tcpSocket") {
        Question::Tcp {
            host: Some(text(tcp, "/host").to_owned()).filter(|host| !host.is_empty()),
            port: port(container, tcp.get("port"))?,
        }
    } else {
        let command = list(hook, "/exec/command")
            .iter()
            .filter_map(|word| word.as_str().map(str::to_owned))
            .collect();
        Question::Exec(command)
    };
    check::ask(&question, LONGEST, pod.node.runtime.as_ref(), running, ip).await
}
