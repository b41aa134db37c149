//! The state directory: `/run/lateen/<mesh>`, held by a lock for as long as the mesh lives.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde_json::Value;

use super::MeshError;
use super::leftovers::clean;

/// Where state is kept unless told otherwise. It is memory on most machines, so a reboot leaves nothing.
pub const DEFAULT_STATE: &str = "/run/lateen";

/// One mesh's directory, locked.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    lock: PathBuf,
    _held: Flock<File>,
}

/// The file that is locked while a mesh of this name lives; it holds the pid.
pub(super) fn lock_path(base: &Path, name: &str) -> PathBuf {
    base.join(format!("{name}.lock"))
}

/// The directory of a mesh.
pub(super) fn mesh_path(base: &Path, name: &str) -> PathBuf {
    base.join(name)
}

/// Refuses names that would leave the directory.
pub(super) fn check_name(name: &str) -> Result<(), MeshError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 40 || !name.chars().all(plain) {
        return Err(MeshError::Name(name.to_owned()));
    }
    Ok(())
}

pub(super) fn state_error(path: &Path) -> impl FnOnce(std::io::Error) -> MeshError {
    let path = path.to_owned();
    move |source| MeshError::State { path, source }
}

impl StateDirectory {
    /// Takes the directory of mesh `name` below `base`, emptied of what an earlier one left.
    ///
    /// # Errors
    /// [`MeshError::Running`] when that mesh lives, [`MeshError::State`] when the file system refuses.
    pub fn take(base: &Path, name: &str) -> Result<Self, MeshError> {
        check_name(name)?;
        std::fs::create_dir_all(base).map_err(state_error(base))?;
        let lock = lock_path(base, name);
        let held = hold(&lock, name)?;
        let path = mesh_path(base, name);
        clean(&path)?;
        std::fs::DirBuilder::new()
            .mode(0o711)
            .create(&path)
            .map_err(state_error(&path))?;
        for private in ["pods", "node", "images"] {
            let path = path.join(private);
            std::fs::DirBuilder::new()
                .mode(0o700)
                .create(&path)
                .map_err(state_error(&path))?;
        }
        Ok(Self {
            path,
            lock,
            _held: held,
        })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it with all it holds; processes have ended.
    pub fn remove(&self) {
        if let Err(error) = clean(&self.path) {
            tracing::error!(%error, "cannot remove the mesh's state");
        }
        let _ = std::fs::remove_file(&self.lock);
    }
}

/// Locks the file and writes this process's pid into it.
pub(super) fn hold(lock: &Path, name: &str) -> Result<Flock<File>, MeshError> {
    loop {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(lock)
            .map_err(state_error(lock))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut held) => {
                // Whoever held it may have removed it in between: a lock on a file that others do not find is none.
                if !is_still_at(&held, lock) {
                    continue;
                }
                let pid = std::process::id().to_string();
                held.set_len(0)
                    .and_then(|()| held.rewind())
                    .and_then(|()| held.write_all(pid.as_bytes()))
                    .map_err(state_error(lock))?;
                return Ok(held);
            }
            Err((returned, _)) => {
                file = returned;
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                return Err(MeshError::Running {
                    name: name.to_owned(),
                    pid,
                });
            }
        }
    }
}

fn is_still_at(held: &File, path: &Path) -> bool {
    let identity = |data: std::fs::Metadata| (data.dev(), data.ino());
    match (held.metadata(), std::fs::metadata(path)) {
        (Ok(held), Ok(there)) => identity(held) == identity(there),
        _ => false,
    }
}

/// A directory of the node's root that non-root containers may enter.
pub(super) fn make_directory(path: &Path) -> Result<(), MeshError> {
    std::fs::create_dir_all(path)
        .and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)))
        .map_err(state_error(path))
}

/// The public keys of service-account tokens, where the ca looks for them.
pub(super) fn write_jwks(node_root: &Path, jwks: &Value) -> Result<(), MeshError> {
    let directory = node_root.join("var/run/lateen/jwks");
    make_directory(&directory)?;
    let path = directory.join("jwks.json");
    std::fs::write(&path, jwks.to_string())
        .and_then(|()| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)))
        .map_err(state_error(&path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::mesh::Leftovers;

    #[test]
    fn a_second_mesh_of_the_same_name_is_refused_with_the_pid_of_the_first() {
        let base = tempfile::tempdir().unwrap();
        let first = StateDirectory::take(base.path(), "default").unwrap();
        let error = StateDirectory::take(base.path(), "default").unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("pid {}", std::process::id())),
            "{error}"
        );
        StateDirectory::take(base.path(), "other").unwrap();
        first.remove();
        assert!(!first.path().exists());
    }

    #[test]
    fn what_a_crashed_mesh_left_is_gone_before_the_next_starts() {
        let base = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(base.path().join("default/pods/uid/logs")).unwrap();
        let state = StateDirectory::take(base.path(), "default").unwrap();
        assert!(!state.path().join("pods/uid").exists());
    }

    #[test]
    fn what_belongs_to_a_mesh_that_lives_is_no_leftover() {
        let base = tempfile::tempdir().unwrap();
        let state = StateDirectory::take(base.path(), "default").unwrap();
        let refused = Leftovers::remove(base.path(), "default");
        assert!(matches!(refused, Err(MeshError::Running { .. })));
        assert!(state.path().join("pods").exists());
        drop(state);
        for expected in [Leftovers::Removed, Leftovers::None] {
            assert_eq!(Leftovers::remove(base.path(), "default").unwrap(), expected);
        }
        assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_lock_on_a_removed_file_is_not_taken_for_the_lock() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("x.lock");
        let file = File::create(&path).unwrap();
        assert!(is_still_at(&file, &path));
        std::fs::remove_file(&path).unwrap();
        assert!(!is_still_at(&file, &path));
        File::create(&path).unwrap();
        assert!(!is_still_at(&file, &path));
    }

    #[test]
    fn a_name_that_would_leave_the_directory_is_refused() {
        let base = tempfile::tempdir().unwrap();
        for name in ["", "..", "a/b", "A"] {
            assert!(matches!(
                StateDirectory::take(base.path(), name),
                Err(MeshError::Name(_))
            ));
        }
    }
}
