//! Keeps a valid certificate at hand: asks until there is one, renews it in time, and says to all
//! who watch how that stands.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::Issued;
use super::issuer::{IssueError, Issuer};
use super::schedule;
use super::state::State;
use crate::jitter::{self, Backoff};

/// The first wait after a failed attempt, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));
/// The wall clock is looked at this often: timers do not run while a machine is suspended.
const CLOCK: Duration = Duration::from_secs(30);

/// Runs for the life of the agent. `grace` is the part of a certificate's lifetime that is left when its renewal begins
/// (`SECRET_GRACE_PERIOD_RATIO`, 0.5).
pub async fn keep(issuer: Issuer, grace: f64, state: watch::Sender<State>) {
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    let mut renew_at = SystemTime::UNIX_EPOCH;
    // One that is valid later, of an authority whose clock is ahead: it would be refused now by every peer.
    let mut early: Option<Issued> = None;
    loop {
        while let Ok(left) = renew_at.duration_since(SystemTime::now()) {
            tokio::time::sleep(left.min(CLOCK)).await;
        }
        let begun = early.take_if(|issued| issued.validity.not_before <= SystemTime::now());
        let answer = match begun {
            Some(issued) => Ok(issued),
            None => ask(&issuer, &state).await,
        };
        let problem = match answer {
            Ok(issued) if issued.validity.not_before <= SystemTime::now() => {
                early = None;
                backoff.reset();
                let not_after = issued.validity.not_after;
                renew_at = schedule::renewal(SystemTime::now(), not_after, grace, jitter::unit());
                tracing::info!(
                    certificate = issued.fingerprint,
                    "a certificate for {} was issued",
                    issuer.id
                );
                state.send_replace(State::Fresh(Arc::new(issued)));
                report_expiry(not_after);
                continue;
            }
            Ok(issued) => {
                let problem = clock_is_ahead(&issued, SystemTime::now());
                early.get_or_insert(issued);
                problem
            }
            Err(error) => {
                metrics::counter!("istio_agent_num_failed_outgoing_requests", "request_type" => "csr").increment(1);
                error.to_string()
            }
        };
        let was = state.borrow().clone();
        let now = was.failed(problem, SystemTime::now());
        tracing::warn!("{now}");
        state.send_replace(now);
        wait(&state, backoff.next(jitter::unit())).await;
    }
}

async fn ask(issuer: &Issuer, state: &watch::Sender<State>) -> Result<Issued, IssueError> {
    let current = state.borrow().clone().at(SystemTime::now());
    metrics::counter!("istio_agent_num_outgoing_requests", "request_type" => "csr").increment(1);
    issuer.issue(current.usable().map(AsRef::as_ref)).await
}

/// Why a certificate is not used yet.
fn clock_is_ahead(issued: &Issued, now: SystemTime) -> String {
    let begin = issued.validity.not_before;
    let ahead = begin.duration_since(now).unwrap_or_default().as_secs();
    format!(
        "the certificate authority sent a certificate that is valid in {ahead} s only; compare the clocks of this node and the authority's"
    )
}

/// Waits for `time`; if the certificate ends meanwhile, says so at once.
async fn wait(state: &watch::Sender<State>, time: Duration) {
    let end = state.borrow().usable().and_then(|issued| {
        issued
            .validity
            .not_after
            .duration_since(SystemTime::now())
            .ok()
    });
    match end.filter(|end| *end < time) {
        None => tokio::time::sleep(time).await,
        Some(end) => {
            tokio::time::sleep(end).await;
            let expired = state.borrow().clone().at(SystemTime::now());
            tracing::error!("{expired}");
            state.send_replace(expired);
            tokio::time::sleep(time.saturating_sub(end)).await;
        }
    }
}

fn report_expiry(not_after: SystemTime) {
    let left = not_after
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    metrics::gauge!("istio_agent_cert_expiry_timestamp", "resource_name" => "default")
        .set(left.as_secs_f64());
}
