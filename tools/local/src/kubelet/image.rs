//! Which archive an image reference means. There is no registry here: images are files given at start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A reference split into its name, normalised, and its tag or digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Reference {
    name: String,
    tag: Option<String>,
}

impl Reference {
    fn parse(text: &str) -> Self {
        let without_digest = text.split_once('@').map_or(text, |(name, _)| name);
        let (name, tag) = match without_digest.rsplit_once(':') {
            // A colon before a slash belongs to a registry's port.
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.to_owned())),
            _ => (without_digest, None),
        };
        let name = name.strip_prefix("docker.io/").unwrap_or(name);
        let name = name.strip_prefix("library/").unwrap_or(name);
        Self {
            name: name.to_owned(),
            tag,
        }
    }
}

/// The images this machine has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Images {
    by_reference: BTreeMap<Reference, PathBuf>,
}

/// The image is not on this machine; the text becomes the container's waiting message.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error(
    "image {reference:?} is not on this machine: start the mesh with `--image {reference}=FILE.tar` or put an OCI archive of it into a directory given by --images"
)]
pub struct UnknownImage {
    /// The reference as the pod has it.
    pub reference: String,
}

/// An `--image` value or an `--images` directory that cannot be used.
#[derive(Debug, Error)]
pub enum ImageArgumentError {
    /// Not `REFERENCE=FILE`.
    #[error("--image {0:?}: write REFERENCE=FILE, as in crossoverjie/k8s-combat=greeter.tar")]
    Syntax(String),
    /// The file or directory cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// What was given.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
}

impl Images {
    /// Adds one `REFERENCE=FILE`. A reference without a tag stands for every tag of that name.
    ///
    /// # Errors
    /// When the text has no `=` or the file is not there.
    pub fn add_argument(&mut self, argument: &str) -> Result<(), ImageArgumentError> {
        let (reference, path) = argument
            .split_once('=')
            .filter(|(reference, path)| !reference.is_empty() && !path.is_empty())
            .ok_or_else(|| ImageArgumentError::Syntax(argument.to_owned()))?;
        let path = Path::new(path);
        let path = path
            .canonicalize()
            .map_err(|source| ImageArgumentError::Unreadable {
                path: path.to_owned(),
                source,
            })?;
        self.add(reference, path);
        Ok(())
    }

    /// Adds an archive under a reference.
    pub fn add(&mut self, reference: &str, path: PathBuf) {
        self.by_reference.insert(Reference::parse(reference), path);
    }

    /// Adds every `NAME.tar` (or folder `NAME` holding an OCI layout) of a directory as `lateen/NAME`.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn add_directory(&mut self, directory: &Path) -> Result<(), ImageArgumentError> {
        let unreadable = |source| ImageArgumentError::Unreadable {
            path: directory.to_owned(),
            source,
        };
        let directory = directory.canonicalize().map_err(unreadable)?;
        for entry in std::fs::read_dir(&directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let archive = path.extension().is_some_and(|extension| extension == "tar");
            let layout = path.join("oci-layout").is_file();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            if let (true, Some(stem)) = (archive || layout, stem) {
                let stem = stem.strip_suffix("_image").unwrap_or(stem);
                self.add(&format!("lateen/{stem}"), path.clone());
            }
        }
        Ok(())
    }

    /// The archives, each once.
    pub fn archives(&self) -> std::collections::BTreeSet<&Path> {
        self.by_reference.values().map(PathBuf::as_path).collect()
    }

    /// The archive of an image: the exact tag if it was given, else the name for every tag.
    ///
    /// # Errors
    /// When neither is known.
    pub fn resolve(&self, reference: &str) -> Result<&Path, UnknownImage> {
        let wanted = Reference::parse(reference);
        let any_tag = Reference {
            name: wanted.name.clone(),
            tag: None,
        };
        self.by_reference
            .get(&wanted)
            .or_else(|| self.by_reference.get(&any_tag))
            .map(PathBuf::as_path)
            .ok_or_else(|| UnknownImage {
                reference: reference.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_reference_without_a_tag_stands_for_every_tag_and_an_exact_tag_wins() {
        let mut images = Images::default();
        images.add("crossoverjie/k8s-combat", "/any.tar".into());
        images.add("crossoverjie/k8s-combat:v1", "/v1.tar".into());
        for (reference, path) in [
            ("crossoverjie/k8s-combat:istio", "/any.tar"),
            ("docker.io/crossoverjie/k8s-combat:v1", "/v1.tar"),
            ("crossoverjie/k8s-combat", "/any.tar"),
            ("crossoverjie/k8s-combat@sha256:00", "/any.tar"),
        ] {
            assert_eq!(
                images.resolve(reference),
                Ok(Path::new(path)),
                "{reference}"
            );
        }
    }

    #[test]
    fn a_registry_with_a_port_has_no_tag() {
        let mut images = Images::default();
        images.add("localhost:5000/a", "/a.tar".into());
        assert!(images.resolve("localhost:5000/a:x").is_ok());
        assert!(images.resolve("localhost").is_err());
    }

    #[test]
    fn an_image_that_is_not_here_is_named_with_the_flag_that_gives_it() {
        let error = Images::default()
            .resolve("nginx:1")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("\"nginx:1\"") && error.contains("--image nginx:1="),
            "{error}"
        );
    }

    #[test]
    fn a_directory_gives_its_archives_as_lateen_images() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.tar"), b"").unwrap();
        std::fs::write(directory.path().join("notes.txt"), b"").unwrap();
        let mut images = Images::default();
        images.add_directory(directory.path()).unwrap();
        assert!(images.resolve("lateen/ca:dev").is_ok());
        assert!(images.resolve("lateen/notes").is_err());
        assert!(images.add_argument("nonsense").is_err());
        assert!(images.add_argument("a=/does/not/exist.tar").is_err());
    }
}
