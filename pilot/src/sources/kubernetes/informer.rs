//! One kind followed: listed, then watched, and listed anew after any failure.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::api::ApiResource;
use kube::core::GroupVersionKind;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::time::Instant;

use super::Cluster;
use super::kinds::Kind;
use super::read::{self, read};
use super::received::Received;
use super::status::State;
use crate::metrics;

/// How long a watch lasts until it is resumed. A connection that died without a word is noticed a
/// little later. Each kind adds a few seconds, so that they do not all end at once.
const WATCH_SECONDS: u32 = 90;
/// The pause after a first failure; doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause of a kind that is not installed, which is how late it is found once it is. There may be many such
/// kinds, and for good.
const LONGEST_ABSENCE: Duration = Duration::from_secs(15);
/// What went well for so long ends a row of failures: a list alone does not, where watching is refused.
const STEADY: Duration = Duration::from_secs(10);
/// How long the API server must deny that there is a kind whose objects are known: while it starts it
/// may do so of every kind that comes with a definition.
const DENIED: Duration = Duration::from_secs(60);

/// Why following has to begin anew.
#[derive(Debug)]
enum End {
    /// The API server has no such kind in this version.
    NotServed(String),
    /// Anything else.
    Failed(String),
}

/// Follows a kind for ever.
pub(super) async fn run(cluster: Arc<Cluster>, number: usize, client: Client) {
    let Some(kind) = cluster.kind(number).cloned() else {
        return;
    };
    let mut informer = Informer {
        cluster,
        number,
        kind,
        client,
        pause: FIRST_PAUSE,
        longest_pause: LONGEST_PAUSE,
        denied: None,
        version: 0,
    };
    loop {
        let began = Instant::now();
        let end = informer.follow().await;
        if began.elapsed() > STEADY {
            informer.pause = FIRST_PAUSE;
        }
        if informer.ended(end) {
            tokio::time::sleep(informer.pause).await;
            informer.pause = (informer.pause * 2).min(informer.longest_pause);
        }
    }
}

struct Informer {
    cluster: Arc<Cluster>,
    number: usize,
    kind: Kind,
    client: Client,
    pause: Duration,
    longest_pause: Duration,
    /// Since when the API server has said that there is no such kind.
    denied: Option<Instant>,
    /// Which of the kind's versions is asked for.
    version: usize,
}

impl Informer {
    /// Lists and watches until something fails.
    async fn follow(&mut self) -> End {
        let version = self
            .kind
            .versions
            .get(self.version)
            .copied()
            .unwrap_or("v1");
        let mut events = pin!(watcher::watcher(self.api(version), self.config()));
        let mut listed = Vec::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(object)) => listed.push(read(&self.kind, version, object)),
                Ok(Event::InitDone) => {
                    let items = std::mem::take(&mut listed);
                    self.cluster.learn(|cache| cache.listed(self.number, items));
                    self.synced();
                }
                Ok(Event::Apply(object)) => {
                    let item = read(&self.kind, version, object);
                    self.cluster.learn(|cache| cache.applied(self.number, item));
                    self.counted("update");
                }
                Ok(Event::Delete(object)) => {
                    if let Some(key) = read::key(&self.kind, &object) {
                        self.cluster.learn(|cache| cache.deleted(self.number, &key));
                    }
                    self.counted("delete");
                }
                Err(error) => return end(&error),
            }
        }
        End::Failed("the watch ended".to_owned())
    }

    fn api(&self, version: &str) -> Api<Received> {
        let kind = GroupVersionKind::gvk(self.kind.group, version, self.kind.kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, self.kind.plural);
        match &self.kind.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    fn config(&self) -> watcher::Config {
        let apart = u32::try_from(self.number).unwrap_or_default() % 30;
        let config = watcher::Config::default().timeout(WATCH_SECONDS + apart);
        match self.kind.fields {
            Some(fields) => config.fields(fields),
            None => config,
        }
    }

    fn synced(&mut self) {
        self.longest_pause = LONGEST_PAUSE;
        self.denied = None;
        self.cluster.fares(self.number, State::Followed);
        self.count();
    }

    /// Whether to pause before the next attempt.
    fn ended(&mut self, end: End) -> bool {
        match end {
            End::Failed(why) => {
                self.denied = None;
                self.longest_pause = LONGEST_PAUSE;
                self.pause = self.pause.min(LONGEST_PAUSE);
                metrics::source_failed(self.kind.kind);
                self.cluster.fares(self.number, State::Failing(why));
            }
            End::NotServed(why) => {
                self.version += 1;
                if self.version < self.kind.versions.len() {
                    return false;
                }
                self.version = 0;
                self.not_served(why);
            }
        }
        true
    }

    /// No version is served: the kind is not installed, and what was known of it is gone if the API
    /// server stands by that.
    fn not_served(&mut self, why: String) {
        let since = *self.denied.get_or_insert_with(Instant::now);
        let known = self.cluster.cache().len(self.number);
        if known > 0 && since.elapsed() < DENIED {
            self.cluster.fares(self.number, State::Failing(why));
            return;
        }
        self.cluster
            .learn(|cache| cache.listed(self.number, Vec::new()));
        self.longest_pause = LONGEST_ABSENCE;
        self.cluster.fares(self.number, State::NotInstalled);
        self.count();
    }

    fn counted(&self, event: &'static str) {
        metrics::source_event(self.kind.kind, self.kind.is_custom, event);
        self.count();
    }

    fn count(&self) {
        metrics::source_objects(self.kind.kind, self.cluster.cache().len(self.number));
    }
}

/// What a failure means. The API server's own words name the verb and the kind where a role is
/// missing.
fn end(error: &watcher::Error) -> End {
    use watcher::Error as E;
    let failure = match error {
        E::InitialListFailed(error) | E::WatchStartFailed(error) | E::WatchFailed(error) => error,
        E::WatchError(status) if status.code == 410 => {
            return End::Failed("the API server no longer knows where the watch was".to_owned());
        }
        E::WatchError(status) => {
            return End::Failed(format!("{}: {}", status.code, status.message));
        }
        E::NoResourceVersion => return End::Failed("an answer has no resourceVersion".to_owned()),
    };
    match failure {
        kube::Error::Api(status) if status.code == 404 => End::NotServed(status.message.clone()),
        kube::Error::Api(status) => End::Failed(format!("{}: {}", status.code, status.message)),
        other => End::Failed(process::error::with_causes(other)),
    }
}
