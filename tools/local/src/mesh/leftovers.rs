//! What a mesh that died without `down` left behind.

use std::path::Path;

use super::MeshError;
use super::state::{check_name, hold, lock_path, mesh_path, state_error};

/// What [`Leftovers::remove`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftovers {
    /// Nothing.
    None,
    /// Something, and it is gone.
    Removed,
}

impl Leftovers {
    /// Removes what is left of mesh `name` below `base`, whose daemon is dead.
    ///
    /// # Errors
    /// [`MeshError::Running`] when it lives, be it that it does not answer yet; [`MeshError::State`] when the file
    /// system refuses.
    pub fn remove(base: &Path, name: &str) -> Result<Self, MeshError> {
        check_name(name)?;
        let (path, lock) = (mesh_path(base, name), lock_path(base, name));
        if !path.exists() && !lock.exists() {
            return Ok(Self::None);
        }
        let _held = hold(&lock, name)?;
        clean(&path)?;
        let _ = std::fs::remove_file(&lock);
        Ok(Self::Removed)
    }
}

/// Removes a mesh's directory: containers that outlived their owner, mounts, files. A directory that is not
/// there is clean.
///
/// # Errors
/// When something cannot be removed.
pub fn clean(path: &Path) -> Result<(), MeshError> {
    let pods = match std::fs::read_dir(path.join("pods")) {
        Ok(pods) => pods.flatten().map(|pod| pod.path()).collect(),
        Err(_) => vec![],
    };
    for pod in pods {
        sandbox::cleanup(&pod.join("containers"))
            .map_err(|error| state_error(&pod)(std::io::Error::other(error.to_string())))?;
    }
    match std::fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(state_error(path)(error)),
    }
}
