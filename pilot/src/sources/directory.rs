//! A directory of YAML files as a source. Changes are noticed by the operating system's events; a
//! scan at fixed times finds what events missed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use super::Reading;

/// How often the directory is scanned where the system tells of changes.
const RESCAN: Duration = Duration::from_secs(10);
/// How often it is scanned where the system does not.
const POLL: Duration = Duration::from_secs(1);
/// Directories within directories that are looked into.
const MAX_DEPTH: usize = 8;
/// The most files that are read.
const MAX_FILES: usize = 100_000;

/// A directory that is watched for as long as the value lives.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    changed: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
}

impl Directory {
    /// Watches a directory. Where the system cannot watch it (it does not exist yet, or the limit
    /// of watches is reached), it is scanned every second instead.
    pub fn watch(path: impl Into<PathBuf>) -> Self {
        let mut directory = Self {
            path: path.into(),
            changed: Arc::new(Notify::new()),
            watcher: None,
        };
        directory.try_watch();
        directory
    }

    fn try_watch(&mut self) {
        let changed = self.changed.clone();
        let started = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading files makes events of its own.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                changed.notify_one();
            }
        })
        .and_then(|mut watcher| {
            watcher.watch(&self.path, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        match started {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(error) => {
                tracing::debug!(path = %self.path.display(), %error, "cannot watch; scanning");
            }
        }
    }

    /// Waits until the directory may have changed, has appeared or has gone. Safe to drop while
    /// waiting.
    pub async fn changed(&mut self) {
        loop {
            match (&self.watcher, self.path.is_dir()) {
                (Some(_), true) => {
                    tokio::select! {
                        () = self.changed.notified() => {}
                        () = tokio::time::sleep(RESCAN) => {}
                    }
                    return;
                }
                (Some(_), false) => {
                    self.watcher = None;
                    return;
                }
                (None, true) => {
                    self.try_watch();
                    if self.watcher.is_none() {
                        tokio::time::sleep(POLL).await;
                    }
                    return;
                }
                (None, false) => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Reads every `.yaml`, `.yml` and `.json` file below a directory, by its path within it. Files and
/// directories whose name begins with a dot are left out: they are other programs' half-written
/// ones, and the versions that Kubernetes keeps of a mounted ConfigMap.
///
/// # Errors
/// When the directory itself cannot be listed.
pub fn scan(root: &Path) -> io::Result<BTreeMap<String, Reading>> {
    let mut found = BTreeMap::new();
    list(root, root, 0, &mut found)?;
    Ok(found)
}

fn list(
    root: &Path,
    directory: &Path,
    depth: usize,
    found: &mut BTreeMap<String, Reading>,
) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        if found.len() >= MAX_FILES {
            return Err(io::Error::other(format!(
                "there are more than {MAX_FILES} files; put several objects into one"
            )));
        }
        let path = entry.path();
        // Follows links: a mounted ConfigMap is made of them.
        let is_directory = path.is_dir();
        if is_directory && depth < MAX_DEPTH {
            // One directory that cannot be listed does not hide the others.
            if let Err(error) = list(root, &path, depth + 1, found) {
                found.insert(within(root, &path), Reading::Unreadable(error.to_string()));
            }
        } else if !is_directory && is_configuration(&path) {
            match read(&path) {
                Ok(text) => {
                    found.insert(within(root, &path), Reading::Text(text));
                }
                // Removed since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    found.insert(within(root, &path), Reading::Unreadable(error.to_string()));
                }
            }
        }
    }
    Ok(())
}

fn is_configuration(path: &Path) -> bool {
    path.extension()
        .and_then(|e| e.to_str())
        .is_some_and(|e| matches!(e, "yaml" | "yml" | "json"))
}

fn read(path: &Path) -> io::Result<String> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("is not a regular file"));
    }
    if metadata.len() > resources::yaml::MAX_TEXT as u64 {
        return Err(io::Error::other(format!(
            "is {} bytes long, more than the {} that are read",
            metadata.len(),
            resources::yaml::MAX_TEXT
        )));
    }
    fs::read_to_string(path)
}

fn within(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn configuration_files_are_found_below_the_directory_and_others_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir(root.join("sub")).unwrap();
        fs::create_dir(root.join("..data")).unwrap();
        for name in [
            "a.yaml",
            "sub/b.yml",
            "c.json",
            "notes.txt",
            ".a.yaml.tmp",
            ".hidden.yaml",
        ] {
            fs::write(root.join(name), name).unwrap();
        }
        fs::write(root.join("..data/d.yaml"), "d").unwrap();
        let found = scan(root).unwrap();
        let names: Vec<_> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["a.yaml", "c.json", "sub/b.yml"]);
        assert_eq!(found["a.yaml"], Reading::Text("a.yaml".to_owned()));
    }

    #[test]
    fn what_is_not_text_is_unreadable_and_hides_nothing() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("bad.yaml"), [0xff, 0xfe, 0x00]).unwrap();
        fs::write(directory.path().join("good.yaml"), "a: 1").unwrap();
        let found = scan(directory.path()).unwrap();
        assert!(matches!(found["bad.yaml"], Reading::Unreadable(_)));
        assert!(matches!(found["good.yaml"], Reading::Text(_)));
    }

    #[test]
    fn a_directory_that_does_not_exist_is_an_error() {
        assert!(scan(Path::new("/nonexistent/config")).is_err());
    }

    #[tokio::test]
    async fn a_directory_that_appears_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("later");
        let mut directory = Directory::watch(&path);
        let waiting = tokio::spawn(async move {
            directory.changed().await;
            scan(directory.path()).unwrap().len()
        });
        fs::create_dir(&path).unwrap();
        let found = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        assert_eq!(found.unwrap().unwrap(), 0);
    }

    #[tokio::test]
    async fn a_new_file_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let mut directory = Directory::watch(root.path());
        fs::write(root.path().join("a.yaml"), "a: 1").unwrap();
        tokio::time::timeout(Duration::from_secs(60), directory.changed())
            .await
            .unwrap();
        assert_eq!(scan(directory.path()).unwrap().len(), 1);
    }
}
