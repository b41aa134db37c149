//! The kubelet's [`Runtime`] on this machine's namespaces, by the `sandbox` crate. Needs root.

mod exec;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use ipnet::Ipv4Net;
use nix::sys::signal::Signal;
use sandbox::capabilities::Capabilities;
use sandbox::cgroup::Limits;
use sandbox::container::{Container, ContainerSpec, Mount, MountSource};
use sandbox::network::{Network, NetworkConfig, PodNetwork, Protocol, ServiceForward};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

use crate::controller::service::SERVICES;
use crate::kubelet::runtime::{
    End, Execution, Forward, ImageContent, Program, Running, Runtime, RuntimeError, Start, Usage,
};

/// Namespaces, links and containers of one node.
pub struct Machine {
    network: Arc<Network>,
    pods: Mutex<BTreeMap<String, PodNetwork>>,
    images: PathBuf,
    opened: tokio::sync::Mutex<BTreeMap<PathBuf, Arc<ImageContent>>>,
    /// True once closed; held while an image is unpacked, which goes on when nobody waits for it any more.
    closed: Arc<Mutex<bool>>,
}

fn refused(error: impl ToString) -> RuntimeError {
    RuntimeError(error.to_string())
}

/// As [`refused`], for errors whose causes are not in their own text.
fn told_whole(error: impl std::error::Error) -> RuntimeError {
    RuntimeError(process::error::with_causes(&error))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RuntimeError> + Send + 'static,
) -> Result<T, RuntimeError> {
    tokio::task::spawn_blocking(work).await.map_err(refused)?
}

impl Machine {
    /// Makes the node's network; images are unpacked below `images`.
    ///
    /// # Errors
    /// Without root, or when the kernel refuses a step; the text says which.
    pub async fn create(images: PathBuf) -> Result<Self, RuntimeError> {
        let config = NetworkConfig {
            // As [`SERVICES`], one node's share of what clusters use.
            pod_cidr: Ipv4Net::new_assert(Ipv4Addr::new(10, 244, 0, 0), 16),
            service_cidr: SERVICES,
            node_ip: Ipv4Addr::new(10, 244, 0, 1),
        };
        let network = blocking(move || Network::create(config).map_err(refused)).await?;
        Ok(Self {
            network: Arc::new(network),
            pods: Mutex::default(),
            images,
            opened: tokio::sync::Mutex::default(),
            closed: Arc::default(),
        })
    }

    /// Sockets of the node's namespace for the DNS server.
    ///
    /// # Errors
    /// When port 53 of the node cannot be bound.
    pub async fn dns_sockets(&self) -> Result<(UdpSocket, TcpListener), RuntimeError> {
        let network = Arc::clone(&self.network);
        let address = SocketAddr::from((self.host_ip(), 53));
        let (udp, tcp) = blocking(move || {
            network
                .enter(|| -> std::io::Result<_> {
                    let udp = std::net::UdpSocket::bind(address)?;
                    let tcp = std::net::TcpListener::bind(address)?;
                    udp.set_nonblocking(true)?;
                    tcp.set_nonblocking(true)?;
                    Ok((udp, tcp))
                })
                .map_err(refused)?
                .map_err(|error| RuntimeError(format!("cannot serve DNS on {address}: {error}")))
        })
        .await?;
        Ok((
            UdpSocket::from_std(udp).map_err(refused)?,
            TcpListener::from_std(tcp).map_err(refused)?,
        ))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, PodNetwork>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Runtime for Machine {
    fn host_ip(&self) -> Ipv4Addr {
        self.network.config().node_ip
    }

    async fn add_pod(&self, uid: &str) -> Result<Ipv4Addr, RuntimeError> {
        let (network, id) = (Arc::clone(&self.network), uid.to_owned());
        let pod = blocking(move || network.add_pod(&id).map_err(refused)).await?;
        let ip = pod.ip;
        self.lock().insert(uid.to_owned(), pod);
        Ok(ip)
    }

    async fn remove_pod(&self, uid: &str) {
        let pod = self.lock().remove(uid);
        let (network, id) = (Arc::clone(&self.network), uid.to_owned());
        let removed = blocking(move || {
            let removed = network.remove_pod(&id).map_err(refused);
            drop(pod);
            removed
        })
        .await;
        if let Err(error) = removed {
            tracing::warn!(uid, %error, "cannot remove a pod's network");
        }
    }

    async fn image(&self, archive: &Path) -> Result<Arc<ImageContent>, RuntimeError> {
        // Held while unpacking: pods of one Deployment ask for the same image at once.
        let mut opened = self.opened.lock().await;
        if let Some(known) = opened.get(archive) {
            return Ok(Arc::clone(known));
        }
        let (path, cache) = (archive.to_owned(), self.images.clone());
        let closed = Arc::clone(&self.closed);
        let content = blocking(move || {
            let closed = closed.lock().unwrap_or_else(PoisonError::into_inner);
            if *closed {
                return Err(RuntimeError("the mesh is ending".to_owned()));
            }
            let image = oci::archive::Image::open(path).map_err(told_whole)?;
            std::fs::create_dir_all(&cache).map_err(refused)?;
            let root = image.unpack(&cache).map_err(told_whole)?;
            Ok(ImageContent {
                digest: image.digest().to_owned(),
                layers: vec![root],
                entrypoint: image.entrypoint(),
                command: image.command(),
                env: image
                    .environment()
                    .iter()
                    .filter_map(|entry| entry.split_once('='))
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
                user: image.user(),
                working_directory: image.working_dir().display().to_string(),
            })
        })
        .await?;
        let content = Arc::new(content);
        opened.insert(archive.to_owned(), Arc::clone(&content));
        Ok(content)
    }

    async fn start(&self, start: Start) -> Result<Arc<dyn Running>, RuntimeError> {
        let netns = self
            .lock()
            .get(&start.pod)
            .map(PodNetwork::netns)
            .ok_or_else(|| RuntimeError("the pod has no network".to_owned()))?;
        let container = blocking(move || {
            let directory = start.directory.clone();
            let spec = specification(start, netns)?;
            Container::start(spec, &directory).map_err(refused)
        })
        .await?;
        Ok(Arc::new(Started(container)))
    }

    async fn connect(&self, to: SocketAddr) -> std::io::Result<TcpStream> {
        let network = Arc::clone(&self.network);
        // A socket belongs to the namespace in which it was made, wherever it is used.
        let socket = tokio::task::spawn_blocking(move || network.enter(|| socket_for(to)))
            .await
            .map_err(std::io::Error::other)?
            .map_err(std::io::Error::other)??;
        TcpSocket::from_std_stream(socket.into()).connect(to).await
    }

    async fn connect_inside(&self, uid: &str, port: u16) -> std::io::Result<TcpStream> {
        let pod = self
            .lock()
            .get(uid)
            .cloned()
            .ok_or_else(|| std::io::Error::other("the pod has no network"))?;
        let mut refused = None;
        for loopback in [
            SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
        ] {
            let pod = pod.clone();
            let made = tokio::task::spawn_blocking(move || pod.enter(|| socket_for(loopback)))
                .await
                .map_err(std::io::Error::other)?
                .map_err(std::io::Error::other)?;
            let connected = match made {
                Ok(socket) => {
                    TcpSocket::from_std_stream(socket.into())
                        .connect(loopback)
                        .await
                }
                Err(error) => Err(error),
            };
            match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or_else(|| std::io::ErrorKind::ConnectionRefused.into()))
    }

    async fn close(&self) {
        let closed = Arc::clone(&self.closed);
        // Setting a flag does not fail.
        let _ = blocking(move || {
            *closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
            Ok(())
        })
        .await;
    }

    async fn forward(&self, forwards: Vec<Forward>) -> Result<(), RuntimeError> {
        let network = Arc::clone(&self.network);
        blocking(move || {
            let services: Vec<ServiceForward> = forwards
                .into_iter()
                .map(|forward| ServiceForward {
                    vip: forward.address.into(),
                    protocol: if forward.udp {
                        Protocol::Udp
                    } else {
                        Protocol::Tcp
                    },
                    port: forward.port,
                    backends: forward.backends,
                })
                .collect();
            network.set_services(&services).map_err(refused)
        })
        .await
    }
}

/// A socket of the calling thread's namespace that can connect to `to`.
fn socket_for(to: SocketAddr) -> std::io::Result<socket2::Socket> {
    let domain = socket2::Domain::for_address(to);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn specification(
    start: Start,
    netns: Arc<std::os::fd::OwnedFd>,
) -> Result<ContainerSpec, RuntimeError> {
    let capabilities = if start.add_capabilities.iter().any(|name| name == "ALL") {
        Capabilities::all()
    } else {
        Capabilities::of_security_context(&start.add_capabilities, &start.drop_capabilities)
            .map_err(refused)?
    };
    let mut spec = ContainerSpec::new(start.id, start.args, start.log);
    spec.hostname = start.hostname;
    spec.layers = start.layers;
    spec.read_only_root = start.read_only_root;
    spec.mounts = start
        .mounts
        .into_iter()
        .map(|mount| Mount {
            target: mount.target,
            source: MountSource::Bind(mount.source),
            read_only: mount.read_only,
        })
        .collect();
    spec.hosts = Some(start.hosts);
    spec.resolv_conf = Some(start.resolv_conf);
    spec.netns = Some(netns);
    spec.env = start.env;
    spec.cwd = start.working_directory;
    spec.uid = start.uid;
    spec.gid = start.gid;
    spec.groups = start.groups;
    spec.capabilities = capabilities;
    spec.no_new_privs = start.no_new_privileges;
    spec.limits = Limits {
        memory: start.limits.memory,
        millicores: start.limits.millicores,
        requested_millicores: start.limits.requested_millicores,
    };
    Ok(spec)
}

struct Started(Container);

#[async_trait]
impl Running for Started {
    async fn exit(&self) -> End {
        let code = self.0.exit().await.code();
        End {
            code,
            out_of_memory: self.0.ran_out_of_memory(),
        }
    }

    fn unlimited(&self) -> Option<String> {
        self.0.unlimited().map(str::to_owned)
    }

    fn usage(&self) -> Result<Option<Usage>, RuntimeError> {
        let usage = self.0.usage().map_err(RuntimeError)?;
        Ok(usage.map(|usage| Usage {
            cpu: usage.cpu,
            memory: usage.memory,
        }))
    }

    fn signal(&self, signal: Signal) {
        // One that has ended needs no signal.
        let _ = self.0.signal(signal);
    }

    async fn exec(&self, program: Program) -> Result<Execution, RuntimeError> {
        match program.terminal {
            Some(size) => exec::on_terminal(&self.0, program.args, size),
            None => exec::execute(&self.0, program.args, program.stdin),
        }
    }
}
