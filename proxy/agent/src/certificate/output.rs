//! The workload's certificate in files, for those who do not speak SDS (`OUTPUT_CERTS`).

use std::path::PathBuf;
use std::time::Duration;

use process::fs::{WriteError, write_atomic, write_private};
use tokio::sync::watch;

use super::Issued;
use super::state::State;

/// How long after a failure the files are written again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// Where the files are, under Istio's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The directory. It is there already: a volume of the pod.
    pub directory: PathBuf,
    /// Whether processes of other users are to read the key: in a pod the directory is shared with the containers
    /// that it is meant for, who run as anybody, so Istio writes it 0644 there and 0600 elsewhere.
    pub shared: bool,
}

impl Output {
    /// The certificate with its intermediates.
    pub fn chain(&self) -> PathBuf {
        self.directory.join("cert-chain.pem")
    }

    /// The private key.
    pub fn key(&self) -> PathBuf {
        self.directory.join("key.pem")
    }

    /// The roots that peers are verified against.
    pub fn roots(&self) -> PathBuf {
        self.directory.join("root-cert.pem")
    }

    /// Writes every certificate that comes, until the keeper is gone. What cannot be written is told, and tried again.
    pub async fn follow(self, mut state: watch::Receiver<State>) {
        loop {
            let usable = state.borrow_and_update().usable().cloned();
            let written = match usable {
                Some(issued) => self.write(&issued),
                None => Ok(()),
            };
            if let Err(error) = &written {
                tracing::error!("OUTPUT_CERTS: {error}");
            }
            tokio::select! {
                changed = state.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(TRY_AGAIN), if written.is_err() => {}
            }
        }
    }

    fn write(&self, issued: &Issued) -> Result<(), WriteError> {
        write_atomic(&self.roots(), issued.roots.as_bytes())?;
        // Readers take the files as a pair once the later one has changed.
        let key = issued.key.as_str().as_bytes();
        if self.shared {
            write_atomic(&self.key(), key)?;
        } else {
            write_private(&self.key(), key)?;
        }
        write_atomic(&self.chain(), issued.chain.as_bytes())
    }
}
