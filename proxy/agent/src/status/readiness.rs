//! Whether the pod can take traffic through its proxy.

use std::time::SystemTime;

use tokio::sync::watch;

use crate::certificate::state::State;
use crate::envoy::admin::Admin;

/// What readiness depends on.
#[derive(Debug, Clone)]
pub struct Readiness {
    /// The certificate, unless another agent serves the workload's secrets.
    pub certificate: Option<watch::Receiver<State>>,
    /// The proxy.
    pub proxy: Admin,
}

impl Readiness {
    /// Ready means: a valid certificate is there, and the proxy is live and has its configuration.
    ///
    /// # Errors
    /// One sentence that says what is missing.
    pub async fn check(&self) -> Result<(), String> {
        if let Some(certificate) = &self.certificate {
            let state = certificate.borrow().clone().at(SystemTime::now());
            if state.usable().is_none() {
                return Err(state.to_string());
            }
        }
        self.proxy.ready().await.map_err(|e| e.to_string())
    }
}
