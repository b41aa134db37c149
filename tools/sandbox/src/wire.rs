//! What the owner, the shim and the init of a container tell each other: one JSON value a line
//! over a socket pair that is the younger one's standard input.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::capabilities::Capabilities;
use crate::cgroup::{Group, Limits};
use crate::container::{Exit, Mount};
use crate::process_identity::ProcessIdentity;

/// What becomes of the process after its root stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Program {
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: PathBuf,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) capabilities: Capabilities,
    pub(crate) no_new_privs: bool,
}

/// All that the stages need to make one container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) id: String,
    pub(crate) hostname: String,
    /// Bottom first.
    pub(crate) layers: Vec<PathBuf>,
    /// The container's own directory, where the root is assembled.
    pub(crate) directory: PathBuf,
    pub(crate) read_only_root: bool,
    pub(crate) mounts: Vec<Mount>,
    /// A path that opens as the network namespace to join.
    pub(crate) netns: Option<PathBuf>,
    pub(crate) log: PathBuf,
    pub(crate) log_limit: u64,
    pub(crate) group: Group,
    pub(crate) limits: Limits,
    pub(crate) program: Program,
}

/// Owner to shim.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    Start(Box<Plan>),
    Signal(i32),
}

/// Shim to owner. An init that fails reports `Failed` to the shim as well; an init that succeeds
/// reports by the end of its socket, which its `execve` closes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Event {
    /// The program runs.
    Started {
        /// As the owner sees it.
        pid: i32,
        /// Why limits that were asked for are not in force.
        unlimited: Option<String>,
        group: Group,
    },
    Failed(String),
    Exited {
        exit: Exit,
        out_of_memory: bool,
    },
}

/// A program to be executed in the namespaces of a running container.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct JoinPlan {
    pub(crate) init: ProcessIdentity,
    pub(crate) program: Program,
    pub(crate) group: Group,
    /// Its streams are a terminal that becomes its session's own.
    pub(crate) terminal: bool,
}

pub(crate) fn send<T: Serialize>(mut socket: &UnixStream, message: &T) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    socket.write_all(&line)
}

/// The next message, or `None` when the other side is gone.
pub(crate) fn receive<T: DeserializeOwned>(
    socket: &mut BufReader<UnixStream>,
) -> std::io::Result<Option<T>> {
    let mut line = Vec::new();
    if socket.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}
