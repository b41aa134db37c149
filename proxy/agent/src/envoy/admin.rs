//! Envoy's admin interface, as far as the agent uses it.

use std::time::Duration;

use bytes::Bytes;
use http::Method;

use crate::bootstrap::Ports;
use crate::envoy::readiness::{self, NotReady};
use crate::fetch::{self, FetchError, Fetched, Limits};

/// Admin answers are short; a full stats dump is never asked for here.
const LIMITS: Limits = Limits {
    body: 1 << 20,
    time: Duration::from_secs(2),
};

/// The admin interface of the proxy on loopback.
#[derive(Debug, Clone)]
pub struct Admin {
    address: String,
    own_listeners: [u16; 2],
}

/// Why a question to the admin interface has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Nobody answers.
    #[error("the proxy's admin interface: {0}")]
    Unreachable(#[from] FetchError),
    /// The answer is an error.
    #[error("the proxy's admin interface answered {0} to {1}")]
    Refused(http::StatusCode, String),
}

/// Why the proxy is not ready.
#[derive(Debug, thiserror::Error)]
pub enum Unready {
    /// It does not answer (yet).
    #[error(transparent)]
    Silent(#[from] AdminError),
    /// It says so.
    #[error("{0}")]
    Reason(NotReady),
}

impl Admin {
    /// The interface on the admin port of 127.0.0.1.
    pub fn new(ports: Ports) -> Self {
        Self {
            address: format!("127.0.0.1:{}", ports.admin),
            own_listeners: [ports.readiness, ports.prometheus],
        }
    }

    /// Whether the proxy is live and configured.
    ///
    /// # Errors
    /// [`Unready`] says what is missing.
    pub async fn ready(&self) -> Result<(), Unready> {
        let filter = readiness::FILTER.replace('\\', "%5C");
        let filter = filter.replace('^', "%5E").replace('|', "%7C");
        let stats = self
            .ask(Method::GET, &format!("/stats?usedonly&filter={filter}"))
            .await?;
        readiness::judge(&stats.text()).map_err(Unready::Reason)
    }

    /// Stops taking new connections and asks the open ones to finish: GOAWAY and
    /// `connection: close` spread over the drain time. `exit` lets Envoy close its listeners at
    /// the end of that time; without it they stay open for what still comes.
    ///
    /// # Errors
    /// [`AdminError`] when the proxy does not do so.
    pub async fn drain(&self, exit: bool) -> Result<(), AdminError> {
        let keep = if exit { "" } else { "&skip_exit" };
        self.ask(
            Method::POST,
            &format!("/drain_listeners?inboundonly&graceful{keep}"),
        )
        .await
        .map(drop)
    }

    /// How many downstream connections are open on the listeners, the admin interface and the
    /// agent's own static listeners left out.
    ///
    /// # Errors
    /// [`AdminError`] when the proxy does not answer.
    pub async fn active_connections(&self) -> Result<u64, AdminError> {
        let stats = self
            .ask(Method::GET, "/stats?usedonly&filter=downstream_cx_active$")
            .await?;
        Ok(active_connections(&stats.text(), self.own_listeners))
    }

    async fn ask(&self, method: Method, path: &str) -> Result<Fetched, AdminError> {
        let request = fetch::request(method, &self.address, path, Bytes::new());
        let answer = fetch::plain(self.address.as_str(), request, LIMITS).await?;
        if answer.status.is_success() {
            Ok(answer)
        } else {
            Err(AdminError::Refused(answer.status, path.to_owned()))
        }
    }
}

/// Adds up the connections of listeners (`listener.<address>.downstream_cx_active`): each
/// connection is counted by its listener once, and again by managers and workers.
fn active_connections(stats: &str, own: [u16; 2]) -> u64 {
    stats
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| {
            name.strip_prefix("listener.")
                .and_then(|rest| rest.strip_suffix(".downstream_cx_active"))
                .is_some_and(|address| {
                    address != "admin"
                        && !address.starts_with("admin.")
                        && !address.contains(".worker_")
                        && !own
                            .iter()
                            .any(|port| address.ends_with(&format!("_{port}")))
                })
        })
        .filter_map(|(_, value)| value.trim().parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::active_connections;

    #[test]
    fn each_connection_of_the_application_is_counted_once() {
        let stats = "http.inbound_0.0.0.0_8080;.downstream_cx_active: 2\n\
            listener.0.0.0.0_15006.downstream_cx_active: 2\n\
            listener.0.0.0.0_15006.worker_0.downstream_cx_active: 2\n\
            listener.0.0.0.0_15001.downstream_cx_active: 1\n\
            listener.0.0.0.0_15021.downstream_cx_active: 1\n\
            listener.admin.downstream_cx_active: 1\n";
        assert_eq!(active_connections(stats, [15021, 15090]), 3);
        assert_eq!(active_connections("", [15021, 15090]), 0);
    }
}
