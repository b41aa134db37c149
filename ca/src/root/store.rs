//! Where the root is kept.

use std::time::SystemTime;

use super::secret::RootSecret;
use super::{Renewal, Root, RootDirectory, RootError};

/// Where the root is kept.
#[derive(Clone)]
pub(crate) enum RootStore {
    /// Files of a directory.
    Directory(RootDirectory),
    /// A Secret of the cluster.
    Secret(Box<RootSecret>),
}

impl RootStore {
    /// The root, made or renewed where that is due.
    ///
    /// # Errors
    /// See [`RootError`].
    pub(crate) async fn open(&self, now: SystemTime) -> Result<Root, RootError> {
        match self {
            Self::Secret(secret) => secret.open(now).await,
            Self::Directory(directory) => {
                let directory = directory.clone();
                tokio::task::spawn_blocking(move || directory.open(now))
                    .await
                    .map_err(|error| RootError::Stopped(error.to_string()))?
            }
        }
    }

    pub(crate) fn renewal(&self) -> &Renewal {
        match self {
            Self::Directory(directory) => &directory.renewal,
            Self::Secret(secret) => &secret.renewal,
        }
    }
}
