//! How the informers fare: what is still waited for, and what the log and the metrics say of it.

use std::time::Duration;

use super::Cluster;
use super::kinds::Kind;
use crate::metrics;

/// How often the log says what is waited for.
const REPORT: Duration = Duration::from_secs(10);
/// The most kinds that one line names with their reasons.
const MOST_NAMED: usize = 3;

/// How one informer fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// The API server was asked and has not answered yet.
    Asked,
    /// The kind was listed and is watched; every change arrives.
    Followed,
    /// The API server has no such kind; it is asked again and again. As if there were no objects.
    NotInstalled,
    /// Asking failed, for this reason, and is tried again; what is known stays in use.
    Failing(String),
}

#[derive(Debug)]
struct Status {
    state: State,
    /// Whether the API server ever told all there is of the kind.
    is_synced: bool,
}

/// How all informers fare.
#[derive(Debug)]
pub(super) struct Statuses(Vec<Status>);

impl Statuses {
    /// So many informers that have no answer yet.
    pub(super) fn new(kinds: usize) -> Self {
        let asked = || Status {
            state: State::Asked,
            is_synced: false,
        };
        Self((0..kinds).map(|_| asked()).collect())
    }

    /// Whether all were answered.
    pub(super) fn is_synced(&self) -> bool {
        self.0.iter().all(|status| status.is_synced)
    }

    /// One fares like this now. What is news is logged, repeated failures are not.
    pub(super) fn set(&mut self, number: usize, kind: &Kind, state: State) {
        let Some(status) = self.0.get_mut(number) else {
            return;
        };
        match (&status.state, &state) {
            (State::Failing(before), State::Failing(now)) if before == now => {}
            (_, State::Failing(why)) if status.is_synced => {
                tracing::warn!(
                    "{} cannot be followed and is tried again; what is known of it stays in use: {why}",
                    kind.kind
                );
            }
            (_, State::Failing(why)) => {
                tracing::warn!("{} cannot be listed and is tried again: {why}", kind.kind);
            }
            (State::Failing(_), State::Followed) => {
                tracing::info!("{} is followed again", kind.kind)
            }
            (State::NotInstalled, State::Followed) => {
                tracing::info!("{} is installed now and followed", kind.kind);
            }
            (State::Followed, State::NotInstalled) => {
                tracing::warn!("{} is not installed any more", kind.kind);
            }
            _ => {}
        }
        status.is_synced |= matches!(state, State::Followed | State::NotInstalled);
        metrics::follows(kind.kind, state == State::Followed);
        status.state = state;
    }

    /// What is waited for; empty if nothing is.
    pub(super) fn waits_for(&self, kinds: &[Kind]) -> String {
        let waiting = || {
            let all = self.0.iter().zip(kinds);
            all.filter(|(status, _)| !status.is_synced)
        };
        let mut named: Vec<String> = waiting()
            .take(MOST_NAMED)
            .map(|(status, kind)| match &status.state {
                State::Failing(why) => format!("{} ({why})", kind.kind),
                _ => format!("{} (no answer yet)", kind.kind),
            })
            .collect();
        let more = waiting().count().saturating_sub(MOST_NAMED);
        if more > 0 {
            named.push(format!("{more} more kinds"));
        }
        named.join(", ")
    }

    /// What is followed once all were answered.
    pub(super) fn summary(&self, kinds: &[Kind]) -> String {
        let missing: Vec<_> = self
            .0
            .iter()
            .zip(kinds)
            .filter(|(status, _)| status.state == State::NotInstalled)
            .map(|(_, kind)| kind.kind)
            .collect();
        let followed = kinds.len().saturating_sub(missing.len());
        match missing.as_slice() {
            [] => format!("the cluster is read: {followed} kinds are followed"),
            names => format!(
                "the cluster is read: {followed} kinds are followed; not installed, and asked for again: {}",
                names.join(", ")
            ),
        }
    }
}

/// Says now and then what is waited for. Never ends by itself.
pub(super) async fn report(cluster: &Cluster) {
    loop {
        tokio::time::sleep(REPORT).await;
        let waiting = cluster.waits_for();
        if !waiting.is_empty() {
            tracing::warn!("nothing is served to proxies yet: waiting for {waiting}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::kinds::kinds;
    use super::*;

    #[test]
    fn what_is_waited_for_is_named_with_its_reason() {
        let kinds: Vec<_> = kinds("istio-system").into_iter().take(5).collect();
        let mut statuses = Statuses::new(5);
        let mut set = |number: usize, state| {
            if let Some(kind) = kinds.get(number) {
                statuses.set(number, kind, state);
            }
        };
        set(0, State::Followed);
        set(1, State::Failing("403: no".to_owned()));
        assert_eq!(
            statuses.waits_for(&kinds),
            "Node (403: no), ConfigMap (no answer yet), Secret (no answer yet), 1 more kinds"
        );
        assert!(!statuses.is_synced());
    }

    #[test]
    fn a_kind_that_was_synced_stays_so_while_it_fails() {
        let kinds: Vec<_> = kinds("istio-system").into_iter().take(1).collect();
        let mut statuses = Statuses::new(1);
        for state in [State::NotInstalled, State::Failing("gone".to_owned())] {
            for kind in &kinds {
                statuses.set(0, kind, state.clone());
            }
            assert!(statuses.is_synced());
        }
        assert_eq!(statuses.waits_for(&kinds), "");
    }
}
