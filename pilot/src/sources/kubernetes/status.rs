//! How the informers fare: what is still waited for, and what the log and the metrics say of it.

use std::time::Duration;

use tokio::time::Instant;

use super::Cluster;
use super::kinds::Kind;
use crate::metrics;

/// How often the log may have something new to say.
const LOOK: Duration = Duration::from_secs(2);
/// How long something must fail to be told: a watch that broke is mostly back at once.
const WORTH_TELLING: Duration = Duration::from_secs(3);
/// How often the log says what is waited for before anything is served.
const WAITING: Duration = Duration::from_secs(10);
/// How often it says that kinds fail while what is known of them is served.
const FAILING: Duration = Duration::from_secs(60);
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
    /// Whether the kind was there when the API server last said.
    is_installed: bool,
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
            is_installed: false,
        };
        Self((0..kinds).map(|_| asked()).collect())
    }

    /// Whether all were answered.
    pub(super) fn is_synced(&self) -> bool {
        self.0.iter().all(|status| status.is_synced)
    }

    /// One fares like this now. Of failures the log is told by [`report`], all at once: when an API
    /// server goes, every kind fails, and each for another reason at every attempt.
    pub(super) fn set(&mut self, number: usize, kind: &Kind, state: State) {
        let Some(status) = self.0.get_mut(number) else {
            return;
        };
        match &state {
            State::Failing(why) => tracing::debug!("{} cannot be followed: {why}", kind.kind),
            State::Followed if status.is_synced && !status.is_installed => {
                tracing::info!("{} is installed now and followed", kind.kind);
            }
            State::NotInstalled if status.is_installed => {
                tracing::warn!("{} is not installed any more", kind.kind);
            }
            _ => {}
        }
        if matches!(state, State::Followed | State::NotInstalled) {
            status.is_installed = state == State::Followed;
        }
        status.is_synced |= matches!(state, State::Followed | State::NotInstalled);
        metrics::follows(kind.kind, state == State::Followed);
        status.state = state;
    }

    /// What is waited for; empty if nothing is.
    pub(super) fn waits_for(&self, kinds: &[Kind]) -> String {
        self.named(kinds, |status| !status.is_synced)
    }

    /// What cannot be followed now, though it could; empty if everything is.
    fn failing(&self, kinds: &[Kind]) -> String {
        self.named(kinds, |status| {
            status.is_synced && matches!(status.state, State::Failing(_))
        })
    }

    fn named(&self, kinds: &[Kind], which: impl Fn(&Status) -> bool) -> String {
        let all = || self.0.iter().zip(kinds).filter(|(status, _)| which(status));
        let mut named: Vec<String> = all()
            .take(MOST_NAMED)
            .map(|(status, kind)| match &status.state {
                State::Failing(why) => format!("{} ({why})", kind.kind),
                _ => format!("{} (no answer yet)", kind.kind),
            })
            .collect();
        let more = all().count().saturating_sub(MOST_NAMED);
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

/// What the log is to be told.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// Nothing is served, because of this.
    Waits(String),
    /// What is known is served, but changes of this do not arrive.
    Fails(String),
    /// Everything arrives again.
    IsBack,
}

/// What the log was told last.
#[derive(Debug, Default)]
struct Reporter {
    since: Option<Instant>,
    told: Option<Instant>,
}

impl Reporter {
    /// What to tell now, for what is waited for and what fails.
    fn look(&mut self, now: Instant, waits_for: String, failing: String) -> Option<Told> {
        if waits_for.is_empty() && failing.is_empty() {
            self.since = None;
            return self.told.take().map(|_| Told::IsBack);
        }
        let since = *self.since.get_or_insert(now);
        let (pause, told) = if waits_for.is_empty() {
            (FAILING, Told::Fails(failing))
        } else {
            (WAITING, Told::Waits(waits_for))
        };
        let is_due = match self.told {
            None => now.duration_since(since) >= WORTH_TELLING,
            Some(told) => now.duration_since(told) >= pause,
        };
        if !is_due {
            return None;
        }
        self.told = Some(now);
        Some(told)
    }
}

/// Tells the log what is in the way. Never ends by itself.
pub(super) async fn report(cluster: &Cluster) {
    let mut reporter = Reporter::default();
    loop {
        tokio::time::sleep(LOOK).await;
        let (waits_for, failing) = {
            let statuses = cluster.statuses();
            let kinds = &cluster.kinds;
            (statuses.waits_for(kinds), statuses.failing(kinds))
        };
        match reporter.look(Instant::now(), waits_for, failing) {
            None => {}
            Some(Told::Waits(kinds)) => {
                tracing::warn!("nothing is served to proxies yet: waiting for {kinds}");
            }
            Some(Told::Fails(kinds)) => tracing::warn!(
                "cannot be followed and is tried again, while what is known of it stays in use: {kinds}"
            ),
            Some(Told::IsBack) => tracing::info!("every kind is followed again"),
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
    fn an_outage_is_told_once_a_minute_and_when_it_ends_and_a_moment_not_at_all() {
        let began = Instant::now();
        let mut reporter = Reporter::default();
        let mut told = Vec::new();
        for second in (0..150).step_by(2) {
            let is_failing = matches!(second, 4 | 10..=100);
            let failing = if is_failing {
                format!("Pod ({second})")
            } else {
                String::new()
            };
            let now = began + Duration::from_secs(second);
            told.extend(reporter.look(now, String::new(), failing));
        }
        let fails = |at: u64| Told::Fails(format!("Pod ({at})"));
        assert_eq!(told, [fails(14), fails(74), Told::IsBack]);
    }

    #[test]
    fn what_is_waited_for_is_told_every_ten_seconds() {
        let began = Instant::now();
        let mut reporter = Reporter::default();
        let looks = (0..30).step_by(2).filter(|second| {
            let now = began + Duration::from_secs(*second);
            reporter
                .look(now, "Pod".to_owned(), String::new())
                .is_some()
        });
        assert_eq!(looks.collect::<Vec<_>>(), [4, 14, 24]);
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
