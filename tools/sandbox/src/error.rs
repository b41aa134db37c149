//! What can go wrong, in words that name the container or the network and the step.

use std::fmt::Display;
use std::path::PathBuf;

/// An error of the sandbox; the message says what was being done to which object.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The container could not be made ready, or its program could not be executed.
    #[error("container {container} could not start: {message}")]
    Start {
        /// Id of the container.
        container: String,
        /// The step that failed and why, as its stage inside the namespaces saw it.
        message: String,
    },
    /// A program could not be executed inside a running container.
    #[error("cannot execute in container {container}: {message}")]
    Exec {
        /// Id of the container.
        container: String,
        /// The step that failed and why.
        message: String,
    },
    /// The container has ended, so there is nothing to signal or to join.
    #[error("container {container} is not running")]
    NotRunning {
        /// Id of the container.
        container: String,
    },
    /// A field of a specification cannot be used.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field, as the caller knows it.
        field: String,
        /// What is wrong and what to write instead.
        problem: String,
    },
    /// An operation on a file or directory failed.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// The verb: create, write, remove...
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A step of making or changing the network failed.
    #[error("network: cannot {action}: {message}")]
    Network {
        /// The step.
        action: String,
        /// The kernel's reason.
        message: String,
    },
    /// The calling process may not make namespaces.
    #[error(
        "cannot make a network namespace: {0}; this needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN): run it with sudo"
    )]
    NotRoot(std::io::Error),
}

impl Error {
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }

    pub(crate) fn network<E: Display>(action: impl Into<String>) -> impl FnOnce(E) -> Self {
        let action = action.into();
        move |error| Self::Network {
            action,
            message: error.to_string(),
        }
    }
}
