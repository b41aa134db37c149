//! The node and its pods: a private routed network of one machine.
//!
//! The node is a network namespace of its own, so nothing changes in the host's. Each pod is
//! another, joined to the node by a veth of its own with /32 routes on both ends: there is no
//! bridge, so service addresses need no bridge netfilter. Service addresses exist in the node
//! namespace alone, where connections to them are rewritten to a backend.

mod addresses;
mod links;
mod namespace;
mod services;
mod sysctl;

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use ipnet::Ipv4Net;

use crate::Error;
use addresses::Addresses;
use links::PodLink;
use namespace::Namespace;
pub use nftables::Protocol;
pub use services::ServiceForward;

/// The addresses of a [`Network`]. All are private to it; none needs to be free on the host.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// Pods take their addresses from here.
    pub pod_cidr: Ipv4Net,
    /// Service addresses lie in here.
    pub service_cidr: Ipv4Net,
    /// The node's own address: where probes come from. Pods never get it.
    pub node_ip: Ipv4Addr,
}

impl Default for NetworkConfig {
    /// What most clusters use: pods 10.244.0.0/16, services 10.96.0.0/12, node 10.244.0.1.
    fn default() -> Self {
        Self {
            pod_cidr: Ipv4Net::new_assert(Ipv4Addr::new(10, 244, 0, 0), 16),
            service_cidr: Ipv4Net::new_assert(Ipv4Addr::new(10, 96, 0, 0), 12),
            node_ip: Ipv4Addr::new(10, 244, 0, 1),
        }
    }
}

/// A node with its pods. Dropping it, and the containers in its pods, frees everything: the
/// kernel removes a namespace with the links, routes and rules in it when nobody uses it.
#[derive(Debug)]
pub struct Network {
    config: NetworkConfig,
    node: Namespace,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    addresses: Addresses,
    pods: HashMap<String, (PodNetwork, PodLink)>,
    links_made: u32,
}

/// A pod's place in the network.
#[derive(Debug, Clone)]
pub struct PodNetwork {
    /// The pod's address.
    pub ip: Ipv4Addr,
    namespace: Namespace,
}

impl PodNetwork {
    /// The pod's network namespace, for [`crate::container::ContainerSpec::netns`].
    pub fn netns(&self) -> Arc<OwnedFd> {
        self.namespace.descriptor()
    }

    /// As [`Network::enter`], in the pod's namespace.
    ///
    /// # Errors
    /// [`Error::Network`] when no thread can be started or the namespace cannot be joined.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        self.namespace.enter(work)
    }
}

impl Network {
    /// Makes the node. Blocks for milliseconds.
    ///
    /// # Errors
    /// [`Error::NotRoot`] without the right to make namespaces; [`Error::Network`] naming the step,
    /// such as a kernel without nf_tables.
    pub fn create(config: NetworkConfig) -> Result<Self, Error> {
        let node = Namespace::create(sysctl::node)?;
        let network = Self {
            state: Mutex::new(State {
                addresses: Addresses::new(config.pod_cidr, config.node_ip),
                pods: HashMap::new(),
                links_made: 0,
            }),
            config,
            node,
        };
        network
            .node
            .enter(|| links::set_up_node(&network.config))??;
        // Also finds out early whether this kernel can do service addresses at all.
        network.set_services(&[])?;
        Ok(network)
    }

    /// The addresses it was made with.
    pub fn config(&self) -> &NetworkConfig {
        &self.config
    }

    /// Makes the network of a pod: `lo` and `eth0`, an address, a route to everything. Blocks for
    /// milliseconds.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the id is in use; [`Error::Network`] when no address is free or a
    /// step fails. Nothing is left then.
    pub fn add_pod(&self, id: &str) -> Result<PodNetwork, Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.pods.contains_key(id) {
            return Err(Error::Invalid {
                field: format!("pod network {id:?}"),
                problem: "there is one with this id; remove it first".into(),
            });
        }
        let ip = state.addresses.take().ok_or_else(|| Error::Network {
            action: format!("give pod {id} an address"),
            message: format!("all of {} are in use", self.config.pod_cidr),
        })?;
        state.links_made = state.links_made.wrapping_add(1);
        let link = PodLink::new(state.links_made, ip);
        match self.connect(&link) {
            Ok(namespace) => {
                let pod = PodNetwork { ip, namespace };
                state.pods.insert(id.to_owned(), (pod.clone(), link));
                Ok(pod)
            }
            Err(error) => {
                state.addresses.give_back(ip);
                Err(error)
            }
        }
    }

    fn connect(&self, link: &PodLink) -> Result<Namespace, Error> {
        let pod = Namespace::create(sysctl::pod)?;
        let descriptor = pod.descriptor();
        self.node.enter(|| link.make(&self.config, &descriptor))??;
        pod.enter(|| link.set_up_pod())??;
        Ok(pod)
    }

    /// Takes a pod's link and address away; its namespace ends with the last process in it. A pod
    /// that is not there is no error.
    ///
    /// # Errors
    /// [`Error::Network`] when the link cannot be removed.
    pub fn remove_pod(&self, id: &str) -> Result<(), Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((pod, link)) = state.pods.remove(id) else {
            return Ok(());
        };
        let removed = self.node.enter(|| link.remove());
        state.addresses.give_back(pod.ip);
        removed?
    }

    /// Replaces all service addresses in one step. Established connections stay where they are; a
    /// service without backends refuses connections at once.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an address that is not IPv4 or outside the service range;
    /// [`Error::Network`] with the kernel's reason. The addresses before stay in force then.
    pub fn set_services(&self, services: &[ServiceForward]) -> Result<(), Error> {
        let batch = services::rules(services, &self.config)?;
        self.node
            .enter(|| batch.apply())?
            .map_err(Error::network("set service addresses"))
    }

    /// Runs `work` on a thread inside the node's namespace and returns its result: sockets made
    /// there stay the node's wherever they are used afterwards.
    ///
    /// # Errors
    /// [`Error::Network`] when no thread can be started or the namespace cannot be joined.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        self.node.enter(work)
    }

    /// Starts a thread that lives in the node's namespace. Threads that it starts live there too,
    /// so a runtime built in it serves and probes from the node.
    ///
    /// # Errors
    /// [`Error::Network`] when no thread can be started or the namespace cannot be joined.
    pub fn spawn_thread_in<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>, Error> {
        self.node.spawn(name, work)
    }
}
