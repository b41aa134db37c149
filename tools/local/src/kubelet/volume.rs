//! Volumes: what each holds (pure), and writing it below the pod's directory.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Component, Path, PathBuf};

use serde_json::Value;
use thiserror::Error;
use time::OffsetDateTime;

use super::env::{bytes, is_optional};
use super::facts::{Facts, service_account};
use crate::object::{Key, integer, list, name, namespace, text, uid};
use crate::store::View;
use crate::token::{Bearer, Signer};

/// What a volume holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// An empty directory of the pod's own.
    Empty,
    /// A path below the node's root.
    Node {
        /// Relative to the root.
        path: PathBuf,
        /// Whether the pod's group gets a directory that is not there yet (`type: DirectoryOrCreate`).
        given: bool,
    },
    /// Files, by path relative to the volume.
    Files(BTreeMap<PathBuf, FileContent>),
}

/// One file.
#[derive(Clone, PartialEq, Eq)]
pub struct FileContent {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
}

impl std::fmt::Debug for FileContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Tokens and secrets are among them.
        write!(f, "{} bytes, mode {:o}", self.bytes.len(), self.mode)
    }
}

/// Why a volume cannot be made yet or at all.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum VolumeError {
    /// The ConfigMap or Secret is not there (yet).
    #[error("MountVolume.SetUp failed for volume {volume:?} : {kind} {name:?} not found")]
    NoSource {
        /// The volume.
        volume: String,
        /// `configmap` or `secret`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// It has not the key that `items` asks for.
    #[error("MountVolume.SetUp failed for volume {volume:?} : references non-existent key: {key}")]
    NoKey {
        /// The volume.
        volume: String,
        /// The key.
        key: String,
    },
    /// A path that would leave its place, a field no pod has, a volume kind that is not supported.
    #[error("volume {volume:?}: {problem}")]
    Invalid {
        /// The volume.
        volume: String,
        /// What is wrong.
        problem: String,
    },
}

/// What volumes are made from.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The pod.
    pub facts: Facts<'a>,
    /// ConfigMaps, Secrets, ServiceAccounts.
    pub view: &'a View,
    /// Mints tokens.
    pub signer: &'a Signer,
    /// Now.
    pub now: OffsetDateTime,
}

/// What `volume` of the pod holds.
///
/// # Errors
/// See [`VolumeError`].
pub fn content(volume: &Value, sources: Sources<'_>) -> Result<Content, VolumeError> {
    let invalid = |problem: String| VolumeError::Invalid {
        volume: name_of(volume),
        problem,
    };
    if volume.get("emptyDir").is_some() {
        return Ok(Content::Empty);
    }
    if let Some(host) = volume.get("hostPath") {
        return relative(text(host, "/path").trim_start_matches('/'))
            .map(|path| Content::Node {
                path,
                given: text(host, "/type") == "DirectoryOrCreate",
            })
            .ok_or_else(|| invalid("hostPath.path may not contain '..'".to_owned()));
    }
    let mut files = BTreeMap::new();
    if let Some(projected) = volume.get("projected") {
        let mode = mode(projected);
        for source in list(projected, "/sources") {
            project(volume, source, mode, sources, &mut files)?;
        }
    } else if ["configMap", "secret", "downwardAPI"]
        .iter()
        .any(|kind| volume.get(kind).is_some())
    {
        let kind = ["configMap", "secret", "downwardAPI"]
            .iter()
            .find_map(|kind| volume.get(kind));
        project(
            volume,
            volume,
            kind.map_or(0o644, mode),
            sources,
            &mut files,
        )?;
    } else {
        return Err(invalid(
            "only emptyDir, hostPath, configMap, secret, projected and downwardAPI volumes exist in lateen local".to_owned(),
        ));
    }
    Ok(Content::Files(files))
}

/// Seconds until the volume's tokens should be minted anew; None when it has none.
pub fn refresh_after(volume: &Value) -> Option<i64> {
    list(volume, "/projected/sources")
        .iter()
        .filter_map(|source| source.get("serviceAccountToken"))
        // Kubernetes renews at 80% of the lifetime.
        .map(|token| lifetime(token) * 8 / 10)
        .min()
}

fn lifetime(token: &Value) -> i64 {
    integer(token, "/expirationSeconds")
        .unwrap_or(3600)
        .max(600)
}

fn mode(source: &Value) -> u32 {
    integer(source, "/defaultMode")
        .and_then(|mode| u32::try_from(mode).ok())
        .map_or(0o644, |mode| mode & 0o777)
}

fn name_of(volume: &Value) -> String {
    text(volume, "/name").to_owned()
}

/// `path` when it stays below where it begins.
fn relative(path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    path.components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
        .then(|| path.to_owned())
}

fn project(
    volume: &Value,
    source: &Value,
    mode: u32,
    sources: Sources<'_>,
    files: &mut BTreeMap<PathBuf, FileContent>,
) -> Result<(), VolumeError> {
    let invalid = |problem: String| VolumeError::Invalid {
        volume: name_of(volume),
        problem,
    };
    let mut add = |path: &str, bytes: Vec<u8>, item: Option<&Value>| {
        let path = relative(path)
            .filter(|path| !path.as_os_str().is_empty())
            .ok_or_else(|| invalid(format!("path {path:?} must be relative, without '..'")))?;
        let mode = item
            .and_then(|item| integer(item, "/mode"))
            .and_then(|mode| u32::try_from(mode).ok())
            .unwrap_or(mode);
        files.insert(path, FileContent { bytes, mode });
        Ok(())
    };
    for (field, kind, name_field) in [
        ("configMap", "ConfigMap", "/name"),
        ("secret", "Secret", "/secretName"),
    ] {
        let Some(reference) = source.get(field) else {
            continue;
        };
        let name = match text(reference, name_field) {
            "" => text(reference, "/name"),
            name => name,
        };
        let optional = is_optional(reference);
        let Some(data) = bytes(sources.view, kind, namespace(sources.facts.pod), name) else {
            if optional {
                continue;
            }
            return Err(VolumeError::NoSource {
                volume: name_of(volume),
                kind: if kind == "Secret" {
                    "secret"
                } else {
                    "configmap"
                },
                name: name.to_owned(),
            });
        };
        let items = list(reference, "/items");
        if items.is_empty() {
            for (key, bytes) in &data {
                add(key, bytes.clone(), None)?;
            }
        }
        for item in items {
            let key = text(item, "/key");
            match data.get(key) {
                Some(bytes) => add(text(item, "/path"), bytes.clone(), Some(item))?,
                None if optional => {}
                None => {
                    return Err(VolumeError::NoKey {
                        volume: name_of(volume),
                        key: key.to_owned(),
                    });
                }
            }
        }
    }
    if let Some(downward) = source.get("downwardAPI") {
        for item in list(downward, "/items") {
            let value = downward_value(item, sources.facts).ok_or_else(|| {
                invalid(format!(
                    "downwardAPI item {:?} cannot be read",
                    text(item, "/path")
                ))
            })?;
            add(text(item, "/path"), value.into_bytes(), Some(item))?;
        }
    }
    if let Some(token) = source.get("serviceAccountToken") {
        let minted = mint(token, sources).map_err(|error| invalid(error.to_string()))?;
        add(text(token, "/path"), minted.into_bytes(), None)?;
    }
    Ok(())
}

fn downward_value(item: &Value, facts: Facts<'_>) -> Option<String> {
    if let Some(field) = item.get("fieldRef") {
        return facts.field(text(field, "/fieldPath"));
    }
    let resource = item.get("resourceFieldRef")?;
    let wanted = text(resource, "/containerName");
    let container = super::container::all(facts.pod)
        .into_iter()
        .map(|(_, container)| container)
        .find(|container| text(container, "/name") == wanted)?;
    facts.resource(container, resource)
}

fn mint(token: &Value, sources: Sources<'_>) -> Result<String, crate::token::TokenError> {
    let pod = sources.facts.pod;
    let account = service_account(pod);
    let account_uid = sources
        .view
        .get(&Key::core("ServiceAccount", namespace(pod), account))
        .map(|account| uid(account).to_owned())
        .unwrap_or_default();
    let audience = match text(token, "/audience") {
        "" => crate::token::ISSUER,
        audience => audience,
    };
    sources.signer.mint(
        Bearer {
            namespace: namespace(pod),
            service_account: account,
            service_account_uid: &account_uid,
            pod: name(pod),
            pod_uid: uid(pod),
            node: sources.facts.node,
        },
        audience,
        lifetime(token),
        sources.now,
    )
}

/// Makes the volume at `directory` (or in the node's root) hold `content`; returns where it is. Files that
/// are right already are left alone, others replaced in one step, those that are gone removed.
///
/// # Errors
/// Whatever the file system refuses, such as a full disk.
pub fn write(
    content: &Content,
    directory: &Path,
    node_root: &Path,
    group: Option<u32>,
) -> io::Result<PathBuf> {
    match content {
        Content::Node { path, given } => {
            let path = node_root.join(path);
            if !path.exists() {
                std::fs::create_dir_all(&path)?;
                // On Kubernetes an administrator prepares the node's directories; here nobody else can.
                if let (true, Some(group)) = (given, group) {
                    give(&path, Some(group))?;
                    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o2775))?;
                }
            }
            Ok(path)
        }
        Content::Empty => {
            std::fs::create_dir_all(directory)?;
            std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o777))?;
            give(directory, group)?;
            Ok(directory.to_owned())
        }
        Content::Files(files) => {
            std::fs::create_dir_all(directory)?;
            std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755))?;
            for (path, file) in files {
                write_file(&directory.join(path), file, group)?;
            }
            let wanted = files.keys().map(|path| directory.join(path)).collect();
            remove_others(directory, &wanted)?;
            Ok(directory.to_owned())
        }
    }
}

/// Removes the files that are not wanted any more, and the directories that are empty without them.
fn remove_others(directory: &Path, wanted: &BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.symlink_metadata()?.is_dir() {
            remove_others(&path, wanted)?;
            if !wanted.iter().any(|file| file.starts_with(&path)) {
                std::fs::remove_dir(&path)?;
            }
        } else if !wanted.contains(&path) {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// The place of `sub_path` in a volume; a directory is made where nothing is, with the volume's own rights.
///
/// # Errors
/// When a link in the volume, which its containers may have made, leads out of it; when the file system refuses.
pub fn inside(volume: &Path, sub_path: &Path) -> Result<PathBuf, String> {
    if sub_path.as_os_str().is_empty() {
        return Ok(volume.to_owned());
    }
    let failed = |error: io::Error| {
        format!(
            "failed to prepare subPath {:?} of {}: {error}",
            sub_path.display(),
            volume.display()
        )
    };
    let root = volume.canonicalize().map_err(failed)?;
    let rights = std::fs::metadata(&root).map_err(failed)?;
    let mut place = root.clone();
    for part in sub_path.components() {
        place.push(part);
        if place.symlink_metadata().is_err() {
            std::fs::create_dir(&place).map_err(failed)?;
            std::fs::set_permissions(&place, rights.permissions()).map_err(failed)?;
            give(&place, Some(rights.gid())).map_err(failed)?;
        }
        place = place.canonicalize().map_err(failed)?;
        if !place.starts_with(&root) {
            return Err(failed(io::Error::other("it leads out of the volume")));
        }
    }
    Ok(place)
}

fn write_file(path: &Path, file: &FileContent, group: Option<u32>) -> io::Result<()> {
    // A group that may use the volume may read it, whatever the mode says of groups.
    let mode = file.mode | group.map_or(0, |_| (file.mode & 0o400) >> 3);
    let same_rights =
        std::fs::metadata(path).is_ok_and(|there| there.permissions().mode() & 0o7777 == mode);
    if same_rights && std::fs::read(path).is_ok_and(|there| there == file.bytes) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    std::fs::write(&temporary, &file.bytes)?;
    std::fs::set_permissions(&temporary, std::fs::Permissions::from_mode(mode))?;
    give(&temporary, group)?;
    std::fs::rename(&temporary, path)
}

/// Only root can give files away; elsewhere (tests) they stay the caller's.
fn give(path: &Path, group: Option<u32>) -> io::Result<()> {
    match group {
        Some(group) if nix::unistd::geteuid().is_root() => chown(path, None, Some(group)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
