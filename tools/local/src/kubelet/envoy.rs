//! A given Envoy binary, with the shared libraries it needs, shown to sidecars that bring none.

use std::path::{Path, PathBuf};
use std::process::Command;

use thiserror::Error;

use super::runtime::Mount;

/// Where a sidecar finds it.
pub const TARGET: &str = "/usr/local/bin/envoy";
const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

/// `--envoy` cannot be used.
#[derive(Debug, Error)]
pub enum EnvoyError {
    /// No such program.
    #[error("--envoy {path}: {source}")]
    Unreadable {
        /// What was given.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A library that it needs is missing.
    #[error("--envoy {path}: the shared library {library} is not on this machine")]
    MissingLibrary {
        /// What was given.
        path: PathBuf,
        /// The missing library.
        library: String,
    },
}

/// An Envoy binary of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envoy {
    mounts: Vec<Mount>,
}

impl Envoy {
    /// Finds the binary and the libraries that the dynamic loader lists for it.
    ///
    /// # Errors
    /// When the file is not there or a library is missing.
    pub fn find(path: &Path) -> Result<Self, EnvoyError> {
        let binary = path
            .canonicalize()
            .map_err(|source| EnvoyError::Unreadable {
                path: path.to_owned(),
                source,
            })?;
        // A statically linked binary makes the loader fail: it then needs nothing.
        let listing = Command::new(LOADER)
            .arg("--list")
            .arg(&binary)
            .output()
            .ok()
            .filter(|output| output.status.success())
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default();
        let mut mounts = vec![read_only(Path::new(TARGET), &binary)];
        for library in libraries(&listing) {
            let library = library.map_err(|library| EnvoyError::MissingLibrary {
                path: path.to_owned(),
                library,
            })?;
            let source = library.canonicalize().unwrap_or_else(|_| library.clone());
            mounts.push(read_only(&library, &source));
        }
        Ok(Self { mounts })
    }

    /// What to mount into a sidecar.
    pub fn mounts(&self) -> &[Mount] {
        &self.mounts
    }
}

fn read_only(target: &Path, source: &Path) -> Mount {
    Mount {
        target: target.to_owned(),
        source: source.to_owned(),
        read_only: true,
    }
}

/// The libraries in the loader's listing; Err names one that it did not find.
fn libraries(listing: &str) -> Vec<Result<PathBuf, String>> {
    let mut found: Vec<Result<PathBuf, String>> = listing
        .lines()
        .filter_map(|line| {
            let line = line.trim();
            match line.split_once("=>") {
                Some((name, rest)) if rest.contains("not found") => {
                    Some(Err(name.trim().to_owned()))
                }
                Some((_, rest)) => rest.split_whitespace().next().map(|p| Ok(PathBuf::from(p))),
                // The loader itself, by its path; the kernel's vdso has none.
                None => line
                    .split_whitespace()
                    .next()
                    .filter(|path| path.starts_with('/'))
                    .map(|path| Ok(PathBuf::from(path))),
            }
        })
        .collect();
    // The binary names the loader by this path, whatever the listing resolved it to.
    let loader = PathBuf::from(LOADER);
    if !found.is_empty() && !found.contains(&Ok(loader.clone())) {
        found.push(Ok(loader));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_listing_gives_libraries_and_the_loader_itself() {
        let listing = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        assert_eq!(
            libraries(listing),
            [
                Ok(PathBuf::from("/lib/x86_64-linux-gnu/libm.so.6")),
                Ok(PathBuf::from(LOADER)),
            ]
        );
    }

    #[test]
    fn a_library_that_is_missing_is_named() {
        assert_eq!(
            libraries("\tlibfoo.so.1 => not found\n").first(),
            Some(&Err("libfoo.so.1".to_owned()))
        );
    }

    #[test]
    fn a_binary_that_is_not_there_is_reported_with_the_flag() {
        let error = Envoy::find(Path::new("/no/such/envoy"))
            .map(|_| ())
            .map_err(|e| e.to_string());
        assert!(error.is_err_and(|text| text.starts_with("--envoy /no/such/envoy")));
    }
}
