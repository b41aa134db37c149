//! A mesh on this machine, as a value: start it, apply objects, look at them, stop it.

mod control_plane;
mod leftovers;
mod root_certificate;
mod state;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use thiserror::Error;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admission::{Admission, Caller};
use crate::controller::deployment::wanted;
use crate::dns::serve::Zone;
use crate::dns::upstream::Upstream;
use crate::kubelet::envoy::{Envoy, EnvoyError};
use crate::kubelet::image::Images;
use crate::kubelet::node::{Node, NodeParts, node_root};
use crate::kubelet::runtime::{Runtime, RuntimeError};
use crate::object::{integer, name};
use crate::runtime::Machine;
use crate::store::Store;
use crate::token::{Signer, TokenError};
use crate::{export, forwards, fronts, kubelet, reconcile};

pub use control_plane::{CONTROL_PLANE, GATEWAY, INJECTOR};
pub use leftovers::{Leftovers, clean};
pub use state::{DEFAULT_STATE, StateDirectory};

/// The cluster's DNS domain.
pub const DOMAIN: &str = "cluster.local";
/// The control plane's namespace.
pub const SYSTEM: &str = "istio-system";

/// How a mesh is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its name; several meshes differ by it.
    pub name: String,
    /// The directory of all meshes' state: [`DEFAULT_STATE`].
    pub state: PathBuf,
    /// Image archives.
    pub images: Images,
    /// An Envoy binary for sidecars.
    pub envoy: Option<PathBuf>,
    /// Whether the control plane of [`CONTROL_PLANE`], the injector and the gateway run.
    pub control_plane: bool,
    /// Install values and mesh config, as `KEY=VALUE`.
    pub set: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            state: PathBuf::from(DEFAULT_STATE),
            images: Images::default(),
            envoy: None,
            control_plane: true,
            set: Vec::new(),
        }
    }
}

/// Why a mesh cannot be started.
#[derive(Debug, Error)]
pub enum MeshError {
    /// Not root.
    #[error(
        "lateen local needs root: it makes network namespaces, mounts and processes of other users for the pods. Run: sudo lateen local up ..."
    )]
    NotRoot,
    /// One of that name runs already.
    #[error(
        "mesh {name:?} is already running (pid {pid}); stop it with: lateen local down --name {name}"
    )]
    Running {
        /// The mesh's name.
        name: String,
        /// Its daemon.
        pid: String,
    },
    /// A name that cannot be a directory's.
    #[error("mesh name {0:?} must be 1 to 40 lower case letters, digits and '-'")]
    Name(String),
    /// The state directory.
    #[error("{path}: {source}")]
    State {
        /// What was read or written.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The signing key.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// `--envoy`.
    #[error(transparent)]
    Envoy(#[from] EnvoyError),
    /// An install value or the mesh config.
    #[error(transparent)]
    Settings(#[from] injector::SettingsError),
    /// The machine.
    #[error("{0}")]
    Runtime(#[from] RuntimeError),
}

/// A running mesh.
pub struct Mesh {
    name: String,
    state: StateDirectory,
    store: Arc<Store>,
    node: Arc<Node>,
    admission: Admission,
    stop: CancellationToken,
    tasks: Mutex<JoinSet<()>>,
    /// Tasks that end in order when `stop` is cancelled, rather than being cut off.
    orderly: Mutex<JoinSet<()>>,
}

/// What became of one applied object.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Applied {
    /// `deployment.apps/x`; what was written when the object has no name.
    pub object: String,
    /// `created`, `configured` or `unchanged`; absent when it was refused.
    pub outcome: Option<String>,
    /// Why it was refused.
    pub error: Option<String>,
    /// What its author should know all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Mesh {
    /// Starts a mesh, removing first what a crashed one of that name left. Call
    /// [`crate::run_if_asked`] first in `main`.
    ///
    /// # Errors
    /// See [`MeshError`]. Nothing is left then.
    pub async fn start(options: Options) -> Result<Arc<Self>, MeshError> {
        if !nix::unistd::geteuid().is_root() {
            return Err(MeshError::NotRoot);
        }
        let envoy = options.envoy.as_deref().map(Envoy::find).transpose()?;
        let control_plane = match options.control_plane {
            true => control_plane::objects(&options.set)?,
            false => Vec::new(),
        };
        let state = StateDirectory::take(&options.state, &options.name)?;
        match Self::start_in(&options, &state, envoy).await {
            Ok(parts) => Ok(parts.into_mesh(options.name, state, control_plane).await),
            Err(error) => {
                state.remove();
                Err(error)
            }
        }
    }

    async fn start_in(
        options: &Options,
        state: &StateDirectory,
        envoy: Option<Envoy>,
    ) -> Result<Parts, MeshError> {
        let machine = Arc::new(Machine::create(state.path().join("images")).await?);
        let sockets = machine.dns_sockets().await?;
        let signer = Arc::new(Signer::generate()?);
        let root = node_root(state.path());
        state::write_jwks(&root, signer.jwks())?;
        state::make_directory(&root.join(export::DIRECTORY))?;
        let store = Arc::new(Store::default());
        let runtime: Arc<dyn Runtime> = machine;
        let node = Arc::new(Node::new(NodeParts {
            name: node_name(&options.name),
            store: Arc::clone(&store),
            runtime: Arc::clone(&runtime),
            images: options.images.clone(),
            signer,
            envoy,
            state: state.path().to_owned(),
            domain: DOMAIN.to_owned(),
        }));
        Ok(Parts {
            store,
            node,
            runtime,
            sockets,
        })
    }

    /// The mesh's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its state directory.
    pub fn directory(&self) -> &Path {
        self.state.path()
    }

    /// Its objects.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Its node.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Applies objects as `kubectl apply -n namespace` does; one that is refused stops no other.
    pub async fn apply(&self, objects: Vec<Value>, namespace: &str) -> Vec<Applied> {
        let mut results = Vec::with_capacity(objects.len());
        for object in objects {
            let applied = crate::apply::one(
                &self.store,
                object,
                namespace,
                &self.node.name,
                &self.admission,
            );
            results.push(applied.await);
        }
        results
    }

    /// The control plane's Deployments that are not available yet, as `ca: 0/1`; empty once all are.
    pub fn unready(&self) -> Vec<String> {
        self.store
            .view()
            .of_kind("apps", "Deployment")
            .filter(|(key, _)| key.namespace == SYSTEM)
            .filter_map(|(_, deployment)| {
                let available = integer(deployment, "/status/availableReplicas").unwrap_or(0);
                let wanted = wanted(deployment);
                (available < wanted).then(|| format!("{}: {available}/{wanted}", name(deployment)))
            })
            .collect()
    }

    /// Ends every pod and takes everything of the mesh off the machine. Further calls do nothing.
    pub async fn stop(&self) {
        self.node.hurry();
        self.stop.cancel();
        let mut orderly = std::mem::take(&mut *lock(&self.orderly));
        // A kubelet that panicked has nothing more to end; the sandbox ends its processes.
        while orderly.join_next().await.is_some() {}
        self.node.runtime.close().await;
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        tasks.shutdown().await;
        self.state.remove();
    }
}

fn lock(tasks: &Mutex<JoinSet<()>>) -> std::sync::MutexGuard<'_, JoinSet<()>> {
    tasks.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Parts {
    store: Arc<Store>,
    node: Arc<Node>,
    runtime: Arc<dyn Runtime>,
    sockets: (tokio::net::UdpSocket, tokio::net::TcpListener),
}

impl Parts {
    async fn into_mesh(
        self,
        name: String,
        state: StateDirectory,
        control_plane: Vec<Value>,
    ) -> Arc<Mesh> {
        let Self {
            store,
            node,
            runtime,
            sockets,
        } = self;
        let dialled = Arc::clone(&runtime);
        let admission = Admission {
            caller: Arc::new(Caller::new(Arc::new(move |to| {
                let runtime = Arc::clone(&dialled);
                Box::pin(async move { runtime.connect(to).await })
            }))),
        };
        let mesh = Mesh {
            name,
            store,
            node,
            admission,
            stop: CancellationToken::new(),
            tasks: Mutex::default(),
            orderly: Mutex::default(),
            state,
        };
        mesh.furnish(control_plane).await;
        mesh.spawn(runtime, sockets);
        Arc::new(mesh)
    }
}

impl Mesh {
    async fn furnish(&self, control_plane: Vec<Value>) {
        // These names and kinds are always accepted.
        let _ = self
            .store
            .create(node_object(&self.node.name, self.node.dns));
        let _ = self.store.create(json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"},
        }));
        // Namespaces are furnished before anything that needs their service accounts.
        reconcile::once(&self.store, &self.node.name, &self.admission).await;
        for applied in self.apply(control_plane, SYSTEM).await {
            if let Some(error) = applied.error {
                tracing::error!(object = applied.object, error, "not applied");
            }
        }
    }

    fn spawn(
        &self,
        runtime: Arc<dyn Runtime>,
        (udp, tcp): (tokio::net::UdpSocket, tokio::net::TcpListener),
    ) {
        let root = node_root(self.state.path());
        let objects = root.join(export::DIRECTORY);
        let zone = Zone {
            store: Arc::clone(&self.store),
            domain: DOMAIN.into(),
            upstream: Arc::new(Upstream::of_machine()),
        };
        let mut tasks = lock(&self.tasks);
        tasks.spawn(reconcile::run(
            Arc::clone(&self.store),
            self.node.name.clone(),
            self.admission.clone(),
        ));
        // So that the first pod of an image need not wait for it.
        tasks.spawn({
            let (node, runtime) = (Arc::clone(&self.node), Arc::clone(&runtime));
            async move {
                for archive in node.images.archives() {
                    // A pod that needs a broken one says so.
                    let _ = runtime.image(archive).await;
                }
            }
        });
        tasks.spawn(fronts::run(Arc::clone(&self.store), Arc::clone(&runtime)));
        tasks.spawn(forwards::run(Arc::clone(&self.store), runtime));
        tasks.spawn(root_certificate::run(Arc::clone(&self.store), root));
        tasks.spawn({
            let zone = zone.clone();
            async move { match crate::dns::serve::udp(udp, zone).await {} }
        });
        tasks.spawn(async move { match crate::dns::serve::tcp(tcp, zone).await {} });
        let mut orderly = lock(&self.orderly);
        orderly.spawn(export::run(
            Arc::clone(&self.store),
            objects,
            export::PILOT,
            self.stop.clone(),
        ));
        orderly.spawn(kubelet::run(Arc::clone(&self.node), self.stop.clone()));
    }
}

fn node_name(mesh: &str) -> String {
    format!("lateen-{mesh}")
}

fn node_object(name: &str, ip: Ipv4Addr) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "topology.kubernetes.io/region": "local",
            "topology.kubernetes.io/zone": "local",
        }},
        "spec": {"podCIDR": "10.244.0.0/16"},
        "status": {
            "addresses": [{"type": "InternalIP", "address": ip.to_string()}],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
            "nodeInfo": {"kubeletVersion": concat!("v", env!("CARGO_PKG_VERSION"), "+lateen")},
        },
    })
}
