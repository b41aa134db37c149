//! What is known of a data plane: from its xDS node, and from its pod where that is known.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::google::protobuf::{Struct, Value, value};

use crate::model::NamespacedName;
use crate::model::selector::{Labels, selects};
use crate::snapshot::Snapshot;

/// What kind of data plane a node is, by the first part of its id and its `GENERATOR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A proxy beside an application.
    Sidecar,
    /// A gateway.
    Router,
    /// A gRPC library that speaks xDS itself.
    Grpc,
}

/// How traffic gets to the proxy (`INTERCEPTION_MODE`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Interception {
    /// Redirected, the original destination asked from the kernel.
    #[default]
    Redirect,
    /// Delivered with the original addresses.
    Tproxy,
    /// Not at all.
    None,
}

/// What translation may see of a proxy. Proxies of one class get the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProxyClass {
    /// The kind of data plane.
    pub role: Role,
    /// The namespace of its workload.
    pub namespace: Arc<str>,
    /// Whether it has an IPv4 address.
    pub ipv4: bool,
    /// Whether it has an IPv6 address.
    pub ipv6: bool,
    /// How traffic gets to it.
    pub interception: Interception,
    /// Istio-only filters that it says it has (`LATEEN_EXTENSIONS`).
    pub extensions: BTreeSet<String>,
    /// Those selectors of calling workloads and of gateways in the configuration that its labels match.
    pub matched: BTreeSet<BTreeMap<String, String>>,
    /// Of gateways alone: the ports that their services lead to are the ports that they open.
    pub(crate) workload: Option<Inbound>,
}

/// What translation sees of the workload behind a proxy, for the inbound side alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Inbound {
    /// Labels of the workload.
    pub(crate) labels: Labels,
    /// Container port names to numbers.
    pub(crate) ports: BTreeMap<String, u16>,
}

impl ProxyClass {
    /// Whether a selector of calling workloads selects this one; the empty one selects all.
    pub(crate) fn is_selected(&self, selector: &Labels) -> bool {
        selector.is_empty() || self.matched.contains(selector)
    }

    /// Whether it has an Istio-only filter.
    pub(crate) fn has(&self, extension: &str) -> bool {
        debug_assert!(EXTENSIONS.contains(&extension), "{extension} is not known");
        self.extensions.contains(extension)
    }

    /// The address that listeners for everything bind to.
    pub(crate) fn any_address(&self) -> &'static str {
        if self.ipv4 { "0.0.0.0" } else { "::" }
    }
}

/// Why a node cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// The first request of a stream must carry a node with an id.
    #[error("the node has no id; send it in the first request of the stream")]
    NoId,
    /// The id does not have the form that Istio's proxies use.
    #[error("node id {0:?} is not TYPE~IP~POD.NAMESPACE~NAMESPACE.svc.DOMAIN")]
    Malformed(String),
    /// More labels than a pod has: they are kept for as long as the node is connected.
    #[error(
        "the node has {0} bytes of labels, more than {MAX_LABELS}; send those of its pod alone"
    )]
    Labels(usize),
    /// The first part of the id.
    #[error("node type {0:?} is not served; use sidecar or router")]
    UnknownType(String),
}

/// One data plane.
#[derive(Debug, Clone, PartialEq)]
pub struct Proxy {
    /// The node's id as sent.
    pub id: Arc<str>,
    /// The kind of data plane.
    pub role: Role,
    /// Namespace and name of its pod.
    pub pod: NamespacedName,
    /// Its addresses, its main one first.
    pub addresses: Vec<IpAddr>,
    /// The DNS search domain, such as `default.svc.cluster.local`.
    pub dns_domain: String,
    /// How traffic gets to it.
    pub interception: Interception,
    /// Istio-only filters that it says it has.
    pub extensions: BTreeSet<String>,
    /// Labels of its workload as it told them; the pod's own count where the pod is known.
    pub labels: BTreeMap<String, String>,
}

const MAX_ID: usize = 1024;
/// The most bytes of a node's labels together; a label of Kubernetes has less than 400.
const MAX_LABELS: usize = 64 * 1024;
/// The most addresses of one node: a pod has two, a gateway's machine some more.
const MAX_ADDRESSES: usize = 64;
/// The Istio-only filters that translation knows. Others that a node says it has are left out, so that they make no
/// classes of their own.
const EXTENSIONS: [&str; 4] = [
    "istio.alpn",
    "istio.metadata_exchange",
    "istio.peer_metadata",
    "istio.stats",
];

impl Proxy {
    /// Reads the node of a stream's first request.
    ///
    /// # Errors
    /// [`NodeError`], when the id is not that of a proxy of the mesh.
    pub fn from_node(node: &Node) -> Result<Self, NodeError> {
        if node.id.is_empty() {
            return Err(NodeError::NoId);
        }
        let malformed = || NodeError::Malformed(node.id.chars().take(100).collect());
        if node.id.len() > MAX_ID {
            return Err(malformed());
        }
        let parts: Vec<&str> = node.id.split('~').collect();
        let &[kind, ip, pod, dns_domain] = parts.as_slice() else {
            return Err(malformed());
        };
        let metadata = Metadata(node.metadata.as_ref());
        let role = match (kind, metadata.text("GENERATOR").as_deref()) {
            ("sidecar", Some("grpc")) => Role::Grpc,
            ("sidecar", _) => Role::Sidecar,
            ("router", _) => Role::Router,
            (other, _) => return Err(NodeError::UnknownType(other.chars().take(100).collect())),
        };
        let labels = metadata.map("LABELS");
        let bytes = labels.iter().map(|(k, v)| k.len() + v.len()).sum();
        if bytes > MAX_LABELS {
            return Err(NodeError::Labels(bytes));
        }
        let (pod, in_id) = pod.rsplit_once('.').ok_or_else(malformed)?;
        let namespace = metadata
            .text("NAMESPACE")
            .unwrap_or_else(|| in_id.to_owned());
        let listed = metadata.text("INSTANCE_IPS").unwrap_or_default();
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in std::iter::once(ip)
            .chain(listed.split(','))
            .filter_map(|a| a.trim().parse().ok())
        {
            if addresses.len() < MAX_ADDRESSES && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(Self {
            id: node.id.as_str().into(),
            role,
            pod: NamespacedName::new(&namespace, pod),
            addresses,
            dns_domain: dns_domain.to_owned(),
            interception: match metadata.text("INTERCEPTION_MODE").as_deref() {
                Some("TPROXY") => Interception::Tproxy,
                Some("NONE") => Interception::None,
                _ => Interception::Redirect,
            },
            extensions: metadata
                .list("LATEEN_EXTENSIONS")
                .into_iter()
                .filter(|extension| EXTENSIONS.contains(&extension.as_str()))
                .collect(),
            labels,
        })
    }

    /// The class of the proxy in a snapshot. It depends on the snapshot only where configuration
    /// selects calling workloads by their labels.
    pub fn class(&self, snapshot: &Snapshot) -> ProxyClass {
        let labels = snapshot
            .pod(&self.pod)
            .map_or(&self.labels, |pod| &pod.labels);
        let workload = (self.role == Role::Router).then(|| self.inbound(snapshot));
        ProxyClass {
            role: self.role,
            namespace: Arc::clone(&self.pod.namespace),
            ipv4: self.addresses.is_empty() || self.addresses.iter().any(IpAddr::is_ipv4),
            ipv6: self.addresses.iter().any(IpAddr::is_ipv6),
            interception: self.interception,
            extensions: self.extensions.clone(),
            matched: snapshot
                .caller_selectors()
                .filter(|s| selects(s, labels))
                .cloned()
                .collect(),
            workload,
        }
    }

    /// The inbound side of the proxy in a snapshot.
    pub(crate) fn inbound(&self, snapshot: &Snapshot) -> Inbound {
        match snapshot.pod(&self.pod) {
            Some(pod) => Inbound {
                labels: pod.labels.clone(),
                ports: pod.ports.clone(),
            },
            None => Inbound {
                labels: self.labels.clone(),
                ports: BTreeMap::new(),
            },
        }
    }
}

struct Metadata<'a>(Option<&'a Struct>);

impl Metadata<'_> {
    fn get(&self, key: &str) -> Option<&value::Kind> {
        self.0?.fields.get(key)?.kind.as_ref()
    }

    fn text(&self, key: &str) -> Option<String> {
        match self.get(key)? {
            value::Kind::StringValue(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }

    /// A list of strings, or the same as one string with commas.
    fn list(&self, key: &str) -> BTreeSet<String> {
        match self.get(key) {
            Some(value::Kind::ListValue(list)) => list.values.iter().filter_map(as_text).collect(),
            Some(value::Kind::StringValue(text)) => text
                .split(',')
                .map(|part| part.trim().to_owned())
                .filter(|part| !part.is_empty())
                .collect(),
            _ => BTreeSet::new(),
        }
    }

    fn map(&self, key: &str) -> BTreeMap<String, String> {
        match self.get(key) {
            Some(value::Kind::StructValue(map)) => map
                .fields
                .iter()
                .filter_map(|(k, v)| Some((k.clone(), as_text(v)?)))
                .collect(),
            _ => BTreeMap::new(),
        }
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value.kind.as_ref()? {
        value::Kind::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}
