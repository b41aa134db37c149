//! Where configuration comes from. A source gives raw objects and says what is wrong with its
//! input; what they mean is the store's affair.

pub mod directory;
mod files;
pub mod kubernetes;

#[cfg(test)]
mod files_tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use directory::Directory;
pub use files::{Files, Reading};
use kubernetes::Cluster;

/// Where the configuration comes from.
#[derive(Debug)]
pub enum Source {
    /// The files of a directory.
    Directory {
        /// The directory.
        path: PathBuf,
        /// What was read of it.
        files: Files,
    },
    /// An API server.
    Cluster(Arc<Cluster>),
}

impl Source {
    /// A directory of which nothing was read yet.
    pub fn directory(path: impl Into<PathBuf>) -> Self {
        Self::Directory {
            path: path.into(),
            files: Files::new(),
        }
    }

    /// What tells of changes of this source.
    pub fn watch(&self) -> Watch {
        match self {
            Self::Directory { path, .. } => Watch::Directory(Directory::watch(path)),
            Self::Cluster(cluster) => Watch::Cluster(cluster.clone()),
        }
    }
}

/// Tells when a source may have changed.
#[derive(Debug)]
pub enum Watch {
    /// A directory, by the system's events.
    Directory(Directory),
    /// A cluster, by its informers.
    Cluster(Arc<Cluster>),
}

impl Watch {
    /// Watches the directory that a file is in.
    pub fn beside(file: &Path) -> Option<Self> {
        Some(Self::Directory(Directory::watch(file.parent()?)))
    }

    /// Waits until the source may have changed. Safe to drop while waiting.
    pub async fn changed(&mut self) {
        match self {
            Self::Directory(directory) => directory.changed().await,
            Self::Cluster(cluster) => cluster.changed().await,
        }
    }
}
