//! A pilot with one gateway's resources, which a test may change.

use std::path::Path;
use std::sync::{Arc, Mutex};

use envoy_types::pb::envoy::config::core::v3::Node;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::metadata::MetadataMap;
use xds::configuration::{Configuration, Report};
use xds::server::AggregatedDiscovery;
use xds::session::{Answer, Subscription};
use xds::{Resource, TypeUrl};

/// What is served, and what was refused of it.
#[derive(Debug)]
pub struct Pilot {
    resources: watch::Sender<u64>,
    held: Mutex<Vec<Arc<Resource>>>,
    pub refusals: Mutex<Vec<String>>,
}

impl Pilot {
    pub fn new(resources: Vec<Resource>) -> Arc<Self> {
        Arc::new(Self {
            resources: watch::Sender::new(0),
            held: Mutex::new(resources.into_iter().map(Arc::new).collect()),
            refusals: Mutex::default(),
        })
    }

    /// Takes these in place of those of the same name.
    pub fn put(&self, resources: Vec<Resource>) {
        let mut held = self.held.lock().unwrap();
        for new in resources {
            held.retain(|old| (old.type_url, &old.name) != (new.type_url, &new.name));
            held.push(Arc::new(new));
        }
        self.resources.send_modify(|n| *n += 1);
    }

    pub fn remove(&self, type_url: TypeUrl, name: &str) {
        let mut held = self.held.lock().unwrap();
        held.retain(|old| (old.type_url, &*old.name) != (type_url, name));
        self.resources.send_modify(|n| *n += 1);
    }

    /// Serves on a socket of the file system, as an agent does.
    pub fn serve(self: &Arc<Self>, socket: &Path, shutdown: CancellationToken) {
        let listener = UnixListener::bind(socket).unwrap();
        let service = AggregatedDiscovery::new(self.clone(), "pilot", shutdown.clone());
        let server = tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming_shutdown(
                UnixListenerStream::new(listener),
                shutdown.cancelled_owned(),
            );
        tokio::spawn(server);
    }
}

/// Serves what the pilot has.
#[allow(clippy::result_large_err)]
impl Configuration for Pilot {
    type Credential = ();
    type Client = ();

    async fn authenticate(&self, _: &tonic::Extensions, _: &MetadataMap) -> Result<(), Status> {
        Ok(())
    }

    fn admit(&self, (): (), _: &Node, _: Arc<dyn Report>) -> Result<(), Status> {
        Ok(())
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.resources.subscribe()
    }

    fn resources(
        &self,
        (): &(),
        type_url: TypeUrl,
        subscription: &Subscription,
    ) -> Vec<Arc<Resource>> {
        let held = self.held.lock().unwrap();
        let wanted =
            |r: &&Arc<Resource>| subscription.wildcard || subscription.names.contains(&r.name);
        held.iter()
            .filter(|r| r.type_url == type_url)
            .filter(wanted)
            .cloned()
            .collect()
    }

    fn sent(&self, (): &(), _: TypeUrl, _: usize, _: usize) {}

    fn answered(&self, (): &(), _: TypeUrl, answer: &Answer) {
        if let Answer::Nacked { error, .. } = answer {
            self.refusals.lock().unwrap().push(error.clone());
        }
    }

    fn pushing(&self, (): &()) {}

    fn pushed(&self, (): &()) {}
}
