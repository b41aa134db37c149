//! Configuration and secrets for one proxy, over two Unix sockets: what an agent serves its proxy.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agent::certificate::state::State as Certificate;
use envoy_types::pb::envoy::config::core::v3::Node;
use tokio::sync::watch;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::metadata::MetadataMap;
use translate::{Change, Proxy, Snapshot, Translator};
use xds::configuration::{Configuration, Report};
use xds::server::AggregatedDiscovery;
use xds::session::{Answer, Subscription};
use xds::{Resource, TypeUrl, Version};

use super::{Identity, Place};
use crate::failure::{Doing, Failure};

/// The servers of one proxy. They end with it.
pub(crate) struct ControlPlane {
    served: Arc<Served>,
    pub(crate) configuration: PathBuf,
    pub(crate) secrets: PathBuf,
    end: CancellationToken,
    // Kept: secrets are served for as long as there is an issuer.
    _issuer: watch::Sender<Certificate>,
}

impl ControlPlane {
    /// Serves a world to the proxy at `place`, on sockets in `directory`.
    pub(crate) fn start(
        snapshot: Snapshot,
        place: Place,
        identity: &Identity,
        directory: &Path,
    ) -> Result<Self, Failure> {
        let (configuration, secrets) = (directory.join("XDS"), directory.join("SDS"));
        let end = CancellationToken::new();
        let (issuer, state) = watch::channel(Certificate::Fresh(identity.issued.clone()));
        let listener = agent::sds::server::bind(&secrets).doing("the socket for secrets")?;
        tokio::spawn(agent::sds::server::serve(listener, state, end.clone()));
        let served = Arc::new(Served {
            snapshot: watch::Sender::new(Arc::new(snapshot)),
            changes: watch::Sender::new(0),
            translator: Translator::new(),
            place,
            fitted: Mutex::default(),
            accepted: AtomicU64::new(0),
            refusals: Mutex::default(),
        });
        let listener =
            agent::sds::server::bind(&configuration).doing("the socket for configuration")?;
        let service = AggregatedDiscovery::new(served.clone(), "bench", end.clone());
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming_shutdown(
                    UnixListenerStream::new(listener),
                    end.clone().cancelled_owned(),
                ),
        );
        Ok(ControlPlane {
            served,
            configuration,
            secrets,
            end,
            _issuer: issuer,
        })
    }

    /// Whoever changes what is served.
    pub(crate) fn publisher(&self) -> Publisher {
        Publisher(self.served.clone())
    }

    /// What the proxy refused, in its words.
    pub(crate) fn refusals(&self) -> Vec<String> {
        self.served.refusals().clone()
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

/// Changes the world that a proxy is served.
pub(crate) struct Publisher(Arc<Served>);

impl Publisher {
    /// The proxy gets what these change.
    pub(crate) fn publish(&self, changes: &[Change]) {
        let next = self.0.snapshot.borrow().with(changes);
        self.0.snapshot.send_replace(Arc::new(next));
        self.0.changes.send_modify(|n| *n += 1);
    }

    /// Responses that the proxy accepted.
    pub(crate) fn accepted(&self) -> u64 {
        self.0.accepted.load(Ordering::Relaxed)
    }
}

/// What resources became at the place, by what they were.
type Fitted = HashMap<(TypeUrl, Version), Option<Arc<Resource>>>;

struct Served {
    snapshot: watch::Sender<Arc<Snapshot>>,
    changes: watch::Sender<u64>,
    translator: Translator,
    place: Place,
    fitted: Mutex<Fitted>,
    accepted: AtomicU64,
    refusals: Mutex<Vec<String>>,
}

impl Served {
    fn refusals(&self) -> MutexGuard<'_, Vec<String>> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fit(&self, resource: &Arc<Resource>) -> Option<Arc<Resource>> {
        let changes =
            resource.type_url == TypeUrl::Listener || resource.name.starts_with("inbound|");
        if !changes {
            return Some(resource.clone());
        }
        let mut fitted = self.fitted.lock().unwrap_or_else(PoisonError::into_inner);
        fitted
            .entry((resource.type_url, resource.version))
            .or_insert_with(|| self.place.fit(resource).map(Arc::new))
            .clone()
    }
}

impl Configuration for Served {
    type Credential = ();
    type Client = Proxy;

    async fn authenticate(&self, _: &tonic::Extensions, _: &MetadataMap) -> Result<(), Status> {
        Ok(())
    }

    fn admit(&self, (): (), node: &Node, _: Arc<dyn Report>) -> Result<Proxy, Status> {
        Proxy::from_node(node).map_err(|error| Status::invalid_argument(error.to_string()))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn resources(
        &self,
        client: &Proxy,
        kind: TypeUrl,
        subscription: &Subscription,
    ) -> Vec<Arc<Resource>> {
        let snapshot = self.snapshot.borrow().clone();
        let mut found = Vec::new();
        if subscription.wildcard {
            let all = translate::Subscription::Wildcard;
            found = self.translator.resources(&snapshot, client, kind, all);
        } else if !subscription.names.is_empty() {
            let names: Vec<Arc<str>> = subscription.names.iter().cloned().collect();
            let named = translate::Subscription::Names(&names);
            found = self.translator.resources(&snapshot, client, kind, named);
        }
        found.iter().filter_map(|r| self.fit(r)).collect()
    }

    fn sent(&self, _: &Proxy, _: TypeUrl, _: usize, _: usize) {}

    fn answered(&self, _: &Proxy, kind: TypeUrl, answer: &Answer) {
        match answer {
            Answer::Nacked { error, .. } => {
                self.refusals().push(format!("{}: {error}", kind.short()));
            }
            _ => {
                self.accepted.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn pushing(&self, _: &Proxy) {}

    fn pushed(&self, _: &Proxy) {}
}
