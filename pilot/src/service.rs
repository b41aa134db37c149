//! The world as xDS configuration: who may have it, and what of it a data plane gets.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use envoy_types::pb::envoy::config::core::v3::Node;
use identity::SpiffeId;
use identity::caller::Authenticator;
use identity::incoming::Peer;
use tokio::sync::watch;
use tonic::Status;
use tonic::metadata::MetadataMap;
use translate::{Proxy, Role, Translator};
use xds::configuration::{Configuration, Report};
use xds::session::{Answer, Subscription};
use xds::{Resource, TypeUrl};

use crate::connections::{Connection, Connections, Pushes, Registered};
use crate::sources::kubernetes::Cluster;
use crate::world::World;
use crate::{metrics, node};

/// Who may have configuration.
#[derive(Debug, Clone)]
pub enum Access {
    /// Everybody, for the node that it names: the plaintext port, for networks that are trusted.
    Open,
    /// Callers that prove who they are, for nodes of their own.
    Authenticated(Arc<Authenticator>),
}

/// What is shared by the ports.
#[derive(Clone)]
pub struct Discovery {
    /// The world.
    pub world: Arc<World>,
    /// The memo of translation.
    pub translator: Arc<Translator>,
    /// Who is connected.
    pub connections: Arc<Connections>,
    /// The cluster that the world is read from, if it is.
    pub cluster: Option<Arc<Cluster>>,
}

impl Discovery {
    /// What is waited for until the world is loaded, as the rest of a line.
    pub(crate) fn waits_for(&self) -> String {
        let waits_for = self.cluster.as_ref().map(|cluster| cluster.waits_for());
        match waits_for {
            Some(kinds) if !kinds.is_empty() => format!(": waiting for {kinds}"),
            _ => String::new(),
        }
    }
}

/// The configuration as one port serves it.
pub struct Port {
    discovery: Discovery,
    access: Access,
}

impl Port {
    /// Serves the world to those who have access.
    pub fn new(discovery: Discovery, access: Access) -> Self {
        Self { discovery, access }
    }
}

/// Who opened a stream.
pub struct Opener {
    address: Option<std::net::SocketAddr>,
    identity: Option<SpiffeId>,
}

/// A data plane that is served.
pub struct Client {
    proxy: Proxy,
    /// It proved who it is: private keys are for nobody else.
    is_known: bool,
    registered: Registered,
    /// The number of the last state of the world that reached it.
    reached: AtomicU64,
}

impl Configuration for Port {
    type Credential = Opener;
    type Client = Client;

    async fn authenticate(
        &self,
        extensions: &tonic::Extensions,
        metadata: &MetadataMap,
    ) -> Result<Opener, Status> {
        let peer = extensions.get::<Peer>();
        let address = peer.map(|peer| peer.addr);
        let identity = match &self.access {
            Access::Open => None,
            Access::Authenticated(authenticator) => {
                let peer = peer.ok_or_else(|| Status::internal("the connection has no peer"))?;
                Some(authenticator.authenticate(peer, metadata).await?.id)
            }
        };
        Ok(Opener { address, identity })
    }

    fn admit(
        &self,
        opener: Opener,
        node: &Node,
        report: Arc<dyn Report>,
    ) -> Result<Client, Status> {
        if !self.discovery.world.is_loaded() {
            return Err(Status::unavailable(
                "the configuration is still being loaded; connect again",
            ));
        }
        let proxy =
            Proxy::from_node(node).map_err(|error| Status::invalid_argument(error.to_string()))?;
        if let Some(caller) = &opener.identity {
            node::check(caller, node, &proxy.pod.namespace)
                .map_err(|error| Status::permission_denied(error.to_string()))?;
        }
        let is_known = opener.identity.is_some();
        tracing::info!(node = %proxy.id, protocol = report.protocol(), "connected");
        let registered = self.discovery.connections.register(Connection {
            id: String::new(),
            proxy: proxy.clone(),
            cluster: node::text(node, "CLUSTER_ID"),
            version: node::text(node, "ISTIO_VERSION"),
            address: opener.address,
            identity: opener.identity.map(|id| id.to_string()),
            since: SystemTime::now(),
            report,
            pushes: Pushes::default(),
        });
        Ok(Client {
            proxy,
            is_known,
            registered,
            reached: AtomicU64::new(self.discovery.world.now().number),
        })
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.discovery.world.changes()
    }

    fn resources(
        &self,
        client: &Client,
        type_url: TypeUrl,
        subscription: &Subscription,
    ) -> Vec<Arc<Resource>> {
        if type_url == TypeUrl::Secret && !client.is_known {
            return Vec::new();
        }
        let snapshot = &self.discovery.world.now().snapshot;
        let translator = &self.discovery.translator;
        let mut resources = Vec::new();
        if subscription.wildcard {
            let all = translate::Subscription::Wildcard;
            resources = translator.resources(snapshot, &client.proxy, type_url, all);
            if type_url == TypeUrl::Cluster && client.proxy.role == Role::Sidecar {
                let inbound = resources.iter().any(|r| r.name.starts_with("inbound|"));
                client.registered.belongs_to_service(inbound);
            }
        }
        let mut names: Vec<Arc<str>> = subscription.names.iter().cloned().collect();
        if subscription.wildcard {
            let known: HashSet<&Arc<str>> = resources.iter().map(|r| &r.name).collect();
            names.retain(|name| !known.contains(name));
        }
        if !names.is_empty() {
            let named = translate::Subscription::Names(&names);
            resources.extend(translator.resources(snapshot, &client.proxy, type_url, named));
        }
        resources
    }

    fn sent(&self, client: &Client, type_url: TypeUrl, resources: usize, bytes: usize) {
        let (node, kind) = (&client.proxy.id, type_url.short());
        tracing::debug!(%node, r#type = kind, resources, bytes, "push");
        metrics::sent(type_url);
        client.registered.sends(type_url);
    }

    fn answered(&self, client: &Client, type_url: TypeUrl, answer: &Answer) {
        metrics::answered(type_url, answer);
        if let Answer::Nacked { error, rejected } = answer {
            tracing::warn!(
                node = %client.proxy.id,
                r#type = type_url.short(),
                ?rejected,
                "the data plane refused configuration: {error}"
            );
        }
    }

    fn pushing(&self, client: &Client) {
        let now = self.discovery.world.now();
        if client.reached.load(Ordering::Relaxed) != now.number {
            metrics::queued(now.published_at.elapsed());
        }
    }

    fn pushed(&self, client: &Client) {
        let now = self.discovery.world.now();
        if client.reached.swap(now.number, Ordering::Relaxed) != now.number {
            metrics::converged(now.changed_at.elapsed());
        }
    }
}
