//! What the kubelet needs of whatever runs containers: the seam to namespaces and root rights, so that
//! the kubelet itself is tested without them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Something the machine refused; the text becomes a status message.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("{0}")]
pub struct RuntimeError(pub String);

/// An unpacked image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageContent {
    /// `sha256:...` of its configuration.
    pub digest: String,
    /// Unpacked layers, bottom first.
    pub layers: Vec<PathBuf>,
    /// `Entrypoint`.
    pub entrypoint: Vec<String>,
    /// `Cmd`.
    pub command: Vec<String>,
    /// `Env`, split at the first `=`.
    pub env: Vec<(String, String)>,
    /// `User`: empty, `uid`, `uid:gid` or a name.
    pub user: String,
    /// `WorkingDir`; empty for `/`.
    pub working_directory: String,
}

/// A host path shown in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where in the container.
    pub target: PathBuf,
    /// What of the host.
    pub source: PathBuf,
    /// Whether writes are refused.
    pub read_only: bool,
}

/// What a container may use of the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory; one process too many is killed.
    pub memory: Option<u64>,
    /// Thousandths of a processor; more is throttled.
    pub millicores: Option<u64>,
    /// Thousandths of a processor asked for: its share where processors are short.
    pub requested_millicores: Option<u64>,
}

/// One container to start.
#[derive(Debug, Clone)]
pub struct Start {
    /// The pod's uid, as given to [`Runtime::add_pod`].
    pub pod: String,
    /// Unique on this node.
    pub id: String,
    /// Host name.
    pub hostname: String,
    /// Unpacked layers of its root.
    pub layers: Vec<PathBuf>,
    /// Program and arguments.
    pub args: Vec<String>,
    /// Whole environment.
    pub env: Vec<(String, String)>,
    /// Working directory.
    pub working_directory: PathBuf,
    /// Numeric user.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// `securityContext.capabilities.add`; `ALL` when privileged.
    pub add_capabilities: Vec<String>,
    /// `securityContext.capabilities.drop`.
    pub drop_capabilities: Vec<String>,
    /// `allowPrivilegeEscalation: false`.
    pub no_new_privileges: bool,
    /// `readOnlyRootFilesystem`.
    pub read_only_root: bool,
    /// Volumes.
    pub mounts: Vec<Mount>,
    /// /etc/hosts.
    pub hosts: String,
    /// /etc/resolv.conf.
    pub resolv_conf: String,
    /// What it may use.
    pub limits: Limits,
    /// File for its output, CRI format; the directory exists.
    pub log: PathBuf,
    /// Where its overlay may be kept; the directory exists.
    pub directory: PathBuf,
}

/// One port of one Service and where it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// The Service's address.
    pub address: Ipv4Addr,
    /// True for UDP, false for TCP.
    pub udp: bool,
    /// The Service's port.
    pub port: u16,
    /// Ready endpoints; none refuses connections.
    pub backends: Vec<SocketAddr>,
}

/// A boxed reader.
pub type Reader = Box<dyn AsyncRead + Send + Unpin>;
/// A boxed writer.
pub type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// A program to execute in a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// It and its arguments.
    pub args: Vec<String>,
    /// Whether it has an input.
    pub stdin: bool,
    /// The size of its terminal; None when it has none. With a terminal there is no standard error.
    pub terminal: Option<TerminalSize>,
}

/// A terminal's size in characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Characters a line.
    pub columns: u16,
}

/// A program running inside a container.
pub struct Execution {
    /// Its standard input, when it was asked for.
    pub stdin: Option<Writer>,
    /// Its standard output.
    pub stdout: Reader,
    /// Its standard error.
    pub stderr: Reader,
    /// Tells its terminal a new size, when it has one.
    pub resize: Option<Box<dyn Fn(TerminalSize) + Send + Sync>>,
    /// Completes with the exit status, or with why it could not run. Dropped before, it ends the program.
    pub exit: Pin<Box<dyn Future<Output = Result<i32, RuntimeError>> + Send>>,
}

/// What a container has used and uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time since its start.
    pub cpu: Duration,
    /// Bytes of its working set.
    pub memory: u64,
}

/// How a container ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct End {
    /// The exit status, 128 plus the number of a signal that killed it.
    pub code: i32,
    /// The kernel killed a process of it for its memory limit.
    pub out_of_memory: bool,
}

/// A started container.
#[async_trait]
pub trait Running: Send + Sync {
    /// Waits for its end.
    async fn exit(&self) -> End;
    /// Why limits that were asked for are not in force here; None when they are.
    fn unlimited(&self) -> Option<String>;
    /// What it uses; None when it has just ended. Blocks for as long as the kernel takes.
    ///
    /// # Errors
    /// Why this machine cannot tell.
    fn usage(&self) -> Result<Option<Usage>, RuntimeError>;
    /// Sends a signal; one to a container that has ended is lost.
    fn signal(&self, signal: nix::sys::signal::Signal);
    /// Executes a program beside the container's own.
    async fn exec(&self, program: Program) -> Result<Execution, RuntimeError>;
}

/// Runs the pods of one node.
#[async_trait]
pub trait Runtime: Send + Sync {
    /// The node's own address in the pods' network.
    fn host_ip(&self) -> Ipv4Addr;
    /// Gives a pod its network; `uid` names it from then on.
    async fn add_pod(&self, uid: &str) -> Result<Ipv4Addr, RuntimeError>;
    /// Takes the pod's network away; its containers have ended.
    async fn remove_pod(&self, uid: &str);
    /// Opens an image archive, unpacking it when it was not yet.
    async fn image(&self, archive: &Path) -> Result<Arc<ImageContent>, RuntimeError>;
    /// Starts a container.
    async fn start(&self, start: Start) -> Result<Arc<dyn Running>, RuntimeError>;
    /// Opens a connection from the node to a pod.
    async fn connect(&self, to: SocketAddr) -> std::io::Result<TcpStream>;
    /// Opens a connection to a port of the pod's own loopback, from inside it.
    async fn connect_inside(&self, uid: &str, port: u16) -> std::io::Result<TcpStream>;
    /// After this no image is unpacked any more; one that is being unpacked is finished first.
    async fn close(&self);
    /// Replaces all service addresses.
    async fn forward(&self, forwards: Vec<Forward>) -> Result<(), RuntimeError>;
}
