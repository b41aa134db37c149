//! What all pods of the node share.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::envoy::Envoy;
use super::image::Images;
use super::pod::Pod;
use super::runtime::Runtime;
use crate::store::Store;
use crate::token::Signer;

/// What a pod gets to end in when the whole mesh ends: nobody is left to be drained for.
pub const HURRIED_GRACE: Duration = Duration::from_secs(3);

/// The one node of the mesh.
pub struct Node {
    /// Its name.
    pub name: String,
    /// The objects.
    pub store: Arc<Store>,
    /// Runs containers.
    pub runtime: Arc<dyn Runtime>,
    /// Image archives by reference.
    pub images: Images,
    /// Mints service-account tokens.
    pub signer: Arc<Signer>,
    /// A stranger's Envoy for containers named istio-proxy.
    pub envoy: Option<Envoy>,
    /// Directory of pods' volumes and logs.
    pub pods_directory: PathBuf,
    /// What `hostPath` volumes see as the root.
    pub root: PathBuf,
    /// Where pods ask for names.
    pub dns: Ipv4Addr,
    /// The cluster's DNS domain.
    pub domain: String,
    pods: Mutex<BTreeMap<String, Arc<Pod>>>,
    hurried: CancellationToken,
}

/// What a [`Node`] is made of.
pub struct NodeParts {
    /// See [`Node::name`].
    pub name: String,
    /// See [`Node::store`].
    pub store: Arc<Store>,
    /// See [`Node::runtime`].
    pub runtime: Arc<dyn Runtime>,
    /// See [`Node::images`].
    pub images: Images,
    /// See [`Node::signer`].
    pub signer: Arc<Signer>,
    /// See [`Node::envoy`].
    pub envoy: Option<Envoy>,
    /// The mesh's state directory.
    pub state: PathBuf,
    /// See [`Node::domain`].
    pub domain: String,
}

impl Node {
    /// A node without pods.
    pub fn new(parts: NodeParts) -> Self {
        Self {
            name: parts.name,
            store: parts.store,
            dns: parts.runtime.host_ip(),
            runtime: parts.runtime,
            images: parts.images,
            signer: parts.signer,
            envoy: parts.envoy,
            pods_directory: parts.state.join("pods"),
            root: node_root(&parts.state),
            domain: parts.domain,
            pods: Mutex::default(),
            hurried: CancellationToken::new(),
        }
    }

    /// The node's address.
    pub fn host_ip(&self) -> IpAddr {
        IpAddr::V4(self.runtime.host_ip())
    }

    /// The running pod with this uid.
    pub fn pod(&self, uid: &str) -> Option<Arc<Pod>> {
        self.lock().get(uid).cloned()
    }

    /// All pods that this node runs.
    pub fn pods(&self) -> Vec<Arc<Pod>> {
        self.lock().values().cloned().collect()
    }

    pub(super) fn add(&self, pod: Arc<Pod>) {
        self.lock().insert(pod.uid().to_owned(), pod);
    }

    pub(super) fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// The whole mesh ends: pods get [`HURRIED_GRACE`] at most from now on.
    pub fn hurry(&self) {
        self.hurried.cancel();
    }

    /// Waits for so long, or until the whole mesh ends.
    pub(super) async fn linger(&self, time: Duration) {
        // Either end will do.
        let _ = tokio::time::timeout(time, self.hurried.cancelled()).await;
    }

    /// The grace period that a pod gets of what it asked for.
    pub(super) fn allowed_grace(&self, asked: Duration) -> Duration {
        if self.hurried.is_cancelled() {
            asked.min(HURRIED_GRACE)
        } else {
            asked
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Pod>>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The directory that stands for the node's root below a mesh's state directory.
pub fn node_root(state: &Path) -> PathBuf {
    state.join("node")
}
