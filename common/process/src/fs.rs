//! Files that are there whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A file could not be written. The file that was there before, if any, is untouched.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}{}", path.display(), advice(source))]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

/// What an operator can do about an error that a write met.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            " (free space on this volume, or choose another directory)"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            " (make the directory writable for this user)"
        }
        io::ErrorKind::NotFound => " (create the directory first)",
        _ => "",
    }
}

/// Writes `bytes` to `path` with mode 0600: for private keys and tokens. Readers see the old
/// content or the new, never a part.
///
/// # Errors
/// [`WriteError`] names the path and the cause; what was at `path` stays as it was.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write_with_mode(path, bytes, 0o600)
}

/// Writes `bytes` to `path` with mode 0644. Readers see the old content or the new, never a part.
///
/// # Errors
/// As [`write_private`].
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write_with_mode(path, bytes, 0o644)
}

fn write_with_mode(path: &Path, bytes: &[u8], mode: u32) -> Result<(), WriteError> {
    let failed = |source| WriteError {
        path: path.to_path_buf(),
        source,
    };
    let (temporary, file) = create_beside(path, mode).map_err(failed)?;
    let written = write_and_rename(file, &temporary, path, bytes);
    if written.is_err() {
        // Nothing half-written may stay behind, and the first error is the one to report.
        let _ = std::fs::remove_file(&temporary);
    }
    written.map_err(failed)
}

fn write_and_rename(mut file: File, temporary: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(temporary, path)?;
    if let Some(directory) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

/// The most names that are tried for a temporary file.
const ATTEMPTS: usize = 1000;

/// A new file in the same directory: a rename across file systems would not be atomic. In a
/// container every process has number 1, so that a name may be taken by what an earlier one left
/// behind when it was killed; that one is passed over, as it may also be another container's.
fn create_beside(path: &Path, mode: u32) -> io::Result<(PathBuf, File)> {
    let mut taken = io::Error::from(io::ErrorKind::AlreadyExists);
    for _ in 0..ATTEMPTS {
        let temporary = temporary_beside(path)?;
        let created = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary);
        match created {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken = error,
            Err(error) => return Err(error),
        }
    }
    Err(taken)
}

/// Makes the names of temporary files different within the process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A hidden name beside `path`, another one at each call.
fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(
        ".{}.{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    ));
    Ok(path.with_file_name(hidden))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_private_file_is_readable_by_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        write_private(&path, b"secret").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"secret");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn writing_again_replaces_the_content_and_leaves_no_other_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root.pem");
        write_atomic(&path, b"old, and longer").unwrap();
        write_atomic(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_process_of_the_same_number_left_behind_is_no_obstacle() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root.pem");
        let next = NEXT.load(Ordering::Relaxed);
        for number in next..next + 100 {
            let left = format!(".root.pem.{}.{number}", std::process::id());
            std::fs::write(directory.path().join(left), b"half").unwrap();
        }
        write_atomic(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_missing_directory_is_named_in_the_error_with_the_fix() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("absent/key.pem");
        let message = write_private(&path, b"x").unwrap_err().to_string();
        assert!(message.contains("absent/key.pem"), "{message}");
        assert!(message.contains("create the directory"), "{message}");
    }
}
