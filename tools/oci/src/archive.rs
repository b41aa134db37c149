//! Reading an image archive and unpacking its file system.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex, ImageManifest, MediaType};

use crate::digest::Digest;

/// Documents of an image (index, manifest, configuration) are small; a larger one is refused.
const DOCUMENT_LIMIT: u64 = 4 * 1024 * 1024;

/// What stands after `.wh.` in the name of the whiteout that hides all of its folder.
const OPAQUE: &str = ".wh..opq";

/// An image archive on disk: its documents read, its layers still in the file.
#[derive(Debug, Clone)]
pub struct Image {
    path: PathBuf,
    references: Vec<String>,
    digest: String,
    configuration: ImageConfiguration,
    layers: Vec<Descriptor>,
}

/// An image archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file cannot be read, or the file system cannot be unpacked.
    #[error("{}: {source}", path.display())]
    Io {
        /// The archive, or the folder unpacked to.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The file is no OCI image archive, or a damaged one.
    #[error("{}: {reason}", path.display())]
    Invalid {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Image {
    /// Reads the documents of the one image that the OCI archive at `path` holds.
    ///
    /// # Errors
    /// [`ArchiveError`] names the archive and what is wrong with it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, ArchiveError> {
        let path = path.into();
        let invalid = |reason: String| ArchiveError::Invalid {
            path: path.clone(),
            reason,
        };
        let documents = small_files(&path)?;
        let parse = |name: &str| {
            documents
                .get(name)
                .ok_or_else(|| invalid(format!("no {name}: this is no OCI image archive")))
        };
        let index: ImageIndex = serde_json::from_slice(parse("index.json")?)
            .map_err(|e| invalid(format!("index.json: {e}")))?;
        let [named] = index.manifests().as_slice() else {
            return Err(invalid(format!(
                "{} images in one archive: one is wanted",
                index.manifests().len()
            )));
        };
        let manifest_name = blob(named.digest().as_ref());
        let manifest: ImageManifest = serde_json::from_slice(parse(&manifest_name)?)
            .map_err(|e| invalid(format!("manifest: {e}")))?;
        let config_name = blob(manifest.config().digest().as_ref());
        let configuration: ImageConfiguration = serde_json::from_slice(parse(&config_name)?)
            .map_err(|e| invalid(format!("configuration: {e}")))?;
        let references = named
            .annotations()
            .iter()
            .flatten()
            .filter(|(key, _)| key.as_str() == "io.containerd.image.name")
            .map(|(_, value)| value.clone())
            .collect();
        Ok(Self {
            references,
            digest: named.digest().to_string(),
            configuration,
            layers: manifest.layers().clone(),
            path,
        })
    }

    /// The names (`repository:tag`) that the archive gives its image.
    pub fn references(&self) -> &[String] {
        &self.references
    }

    /// The digest of the image manifest, `sha256:<hex>`.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// `config.Entrypoint`.
    pub fn entrypoint(&self) -> Vec<String> {
        self.config(|c| c.entrypoint().clone())
    }

    /// `config.Cmd`.
    pub fn command(&self) -> Vec<String> {
        self.config(|c| c.cmd().clone())
    }

    /// `config.Env`, `NAME=value`.
    pub fn environment(&self) -> Vec<String> {
        self.config(|c| c.env().clone())
    }

    /// `config.User`: empty, `uid`, `uid:gid` or names of the image's own /etc/passwd.
    pub fn user(&self) -> String {
        self.config(|c| c.user().clone())
    }

    /// `config.WorkingDir`; `/` when the image sets none.
    pub fn working_dir(&self) -> PathBuf {
        let directory: String = self.config(|c| c.working_dir().clone());
        PathBuf::from(if directory.is_empty() {
            "/".to_owned()
        } else {
            directory
        })
    }

    fn config<T: Default>(&self, field: impl Fn(&oci_spec::image::Config) -> Option<T>) -> T {
        self.configuration
            .config()
            .as_ref()
            .and_then(field)
            .unwrap_or_default()
    }

    /// Unpacks the image's file system below `cache`, in a folder named by its digest, and returns
    /// that folder. A folder that is there already is taken as it is.
    ///
    /// # Errors
    /// [`ArchiveError`]; nothing half-unpacked stays under the final name.
    pub fn unpack(&self, cache: &Path) -> Result<PathBuf, ArchiveError> {
        let name = self.digest.replace(':', "-");
        let root = cache.join(&name);
        if root.is_dir() {
            return Ok(root);
        }
        let unfinished = cache.join(format!(".{name}.{}", std::process::id()));
        let done = self.unpack_to(&unfinished).and_then(|()| {
            std::fs::rename(&unfinished, &root).map_err(|source| ArchiveError::Io {
                path: root.clone(),
                source,
            })
        });
        if done.is_err() {
            let _ = std::fs::remove_dir_all(&unfinished);
        }
        done.map(|()| root)
    }

    fn unpack_to(&self, root: &Path) -> Result<(), ArchiveError> {
        let failed = |source| ArchiveError::Io {
            path: root.to_path_buf(),
            source,
        };
        std::fs::create_dir_all(root).map_err(failed)?;
        for layer in &self.layers {
            let bytes = self.layer(layer)?;
            apply(&bytes, root).map_err(failed)?;
        }
        Ok(())
    }

    /// One layer's tar, uncompressed and checked against its digest.
    fn layer(&self, layer: &Descriptor) -> Result<Vec<u8>, ArchiveError> {
        let invalid = |reason: String| ArchiveError::Invalid {
            path: self.path.clone(),
            reason,
        };
        let name = blob(layer.digest().as_ref());
        let bytes = read_entry(&self.path, &name)?
            .ok_or_else(|| invalid(format!("layer {} is missing", layer.digest())))?;
        if Digest::of(&bytes).to_string() != layer.digest().to_string() {
            return Err(invalid(format!("layer {} is damaged", layer.digest())));
        }
        match layer.media_type() {
            MediaType::ImageLayerGzip => {
                let mut tar = Vec::new();
                flate2::read::GzDecoder::new(bytes.as_slice())
                    .read_to_end(&mut tar)
                    .map_err(|e| invalid(format!("layer {}: {e}", layer.digest())))?;
                Ok(tar)
            }
            MediaType::ImageLayer => Ok(bytes),
            other => Err(invalid(format!(
                "layers of type {other} cannot be read: repack the image with plain or gzip layers"
            ))),
        }
    }
}

/// Applies a layer to `root`: its entries over what is there, its whiteouts (image-spec, layer.md)
/// removing. Entries that point outside `root` are not unpacked.
fn apply(layer: &[u8], root: &Path) -> io::Result<()> {
    let root = &root.canonicalize()?;
    let mut archive = tar::Archive::new(layer);
    archive.set_preserve_permissions(true);
    archive.set_overwrite(true);
    // A program of the image that is not root finds its own files its own; only root can give files away.
    archive.set_preserve_ownerships(nix::unistd::geteuid().is_root());
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let whiteout = path
            .file_name()
            .and_then(|n| n.to_str())
            .and_then(|n| n.strip_prefix(".wh."))
            .map(str::to_owned);
        match whiteout {
            Some(name) => remove(root, &path, &name)?,
            None => {
                entry.unpack_in(root)?;
            }
        }
    }
    Ok(())
}

/// Removes what a whiteout at `path` hides: one name, or with `.wh..wh..opq` all of its folder. `root` is
/// canonical; a folder that a symbolic link of the image leads out of it is left alone.
fn remove(root: &Path, path: &Path, name: &str) -> io::Result<()> {
    let hidden_name = Path::new(name);
    let is_one_name = matches!(
        hidden_name.components().collect::<Vec<_>>().as_slice(),
        [Component::Normal(only)] if *only == hidden_name.as_os_str()
    );
    let folder = root.join(path.parent().unwrap_or(Path::new("")));
    let folder = match folder.canonicalize() {
        Ok(folder) if folder.starts_with(root) => folder,
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let hidden: Vec<PathBuf> = if name == OPAQUE {
        std::fs::read_dir(&folder)?
            .map(|e| e.map(|e| e.path()))
            .collect::<Result<_, _>>()?
    } else if is_one_name {
        vec![folder.join(name)]
    } else {
        return Ok(());
    };
    for target in hidden {
        match std::fs::symlink_metadata(&target) {
            Ok(kind) if kind.is_dir() => std::fs::remove_dir_all(&target)?,
            Ok(_) => std::fs::remove_file(&target)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn blob(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

/// Every file of the archive that is small enough to be a document, by name.
fn small_files(path: &Path) -> Result<HashMap<String, Vec<u8>>, ArchiveError> {
    let failed = |source| ArchiveError::Io {
        path: path.to_path_buf(),
        source,
    };
    let mut found = HashMap::new();
    let mut archive = tar::Archive::new(File::open(path).map_err(failed)?);
    for entry in archive.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        if entry.size() > DOCUMENT_LIMIT {
            continue;
        }
        let name = entry_name(&entry.path().map_err(failed)?);
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(failed)?;
        found.insert(name, content);
    }
    Ok(found)
}

fn read_entry(path: &Path, wanted: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
    let failed = |source| ArchiveError::Io {
        path: path.to_path_buf(),
        source,
    };
    let mut archive = tar::Archive::new(File::open(path).map_err(failed)?);
    for entry in archive.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        if entry_name(&entry.path().map_err(failed)?) == wanted {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(failed)?;
            return Ok(Some(content));
        }
    }
    Ok(None)
}

/// `./index.json` and `index.json` are the same file.
fn entry_name(path: &Path) -> String {
    path.strip_prefix("./")
        .unwrap_or(path)
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests;
