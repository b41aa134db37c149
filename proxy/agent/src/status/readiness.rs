//! Whether the pod can take traffic through its proxy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use crate::certificate::state::State;
use crate::envoy::admin::Admin;
use crate::grpc::GrpcBootstrap;

/// How long a question that comes before the pod was ever ready waits for that: less than a probe's least
/// timeout of a second. A pod then counts as ready when it is, rather than a probe's period later.
const FIRST_WAIT: Duration = Duration::from_millis(700);
const LOOK: Duration = Duration::from_millis(25);

/// What readiness depends on.
#[derive(Debug, Clone)]
pub struct Readiness {
    /// The certificate, unless another agent serves the workload's secrets.
    pub certificate: Option<watch::Receiver<State>>,
    /// The proxy; none beside an application that speaks xDS itself.
    pub proxy: Option<Admin>,
    /// What such an application starts from.
    pub grpc: Option<GrpcBootstrap>,
    /// Set once the pod was ready for the first time.
    pub has_been_ready: Arc<AtomicBool>,
}

impl Readiness {
    /// As [`Readiness::check`]; while the pod has never been ready, it is given a moment to become so.
    ///
    /// # Errors
    /// One sentence that says what is missing.
    pub async fn check_or_wait(&self) -> Result<(), String> {
        let deadline = tokio::time::Instant::now() + FIRST_WAIT;
        loop {
            let checked = self.check().await;
            let known = self.has_been_ready.load(Ordering::Relaxed);
            if checked.is_ok() {
                self.has_been_ready.store(true, Ordering::Relaxed);
            }
            if checked.is_ok() || known || tokio::time::Instant::now() >= deadline {
                return checked;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ready means: a valid certificate is there, and the proxy is live and has its configuration, or the application
    /// has what it starts from.
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
        if let Some(grpc) = &self.grpc {
            grpc.check()?;
        }
        match &self.proxy {
            Some(proxy) => proxy.ready().await.map_err(|e| e.to_string()),
            None => Ok(()),
        }
    }
}
