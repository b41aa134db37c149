//! A command that failed: what to print and which status to exit with.

use local::api::client::ClientError;
use local::daemon::DaemonError;
use local::mesh::MeshError;

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Printed to standard error; empty when all was said.
    pub message: String,
    /// Exit status.
    pub code: u8,
}

impl Failure {
    /// `error: ...`, status 1.
    pub fn error(message: impl AsRef<str>) -> Self {
        Self::plain(format!("error: {}", message.as_ref()))
    }

    /// The message as it is, status 1.
    pub fn plain(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 1,
        }
    }

    /// Nothing more to say.
    pub fn silent(code: u8) -> Self {
        Self {
            message: String::new(),
            code,
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            // These texts are the API server's whole.
            ClientError::Refused(_) => Self::plain(error.to_string()),
            _ => Self::error(error.to_string()),
        }
    }
}

impl From<MeshError> for Failure {
    fn from(error: MeshError) -> Self {
        Self::error(error.to_string())
    }
}

impl From<DaemonError> for Failure {
    fn from(error: DaemonError) -> Self {
        Self::error(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        // A closed pipe (`| head`) is no failure worth a word.
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::silent(0);
        }
        Self::error(error.to_string())
    }
}
