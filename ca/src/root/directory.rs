//! The root's files: made at the first start, read at each further one, renewed in time.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use identity::TrustDomain;
use identity::cert;
use process::fs::{write_atomic, write_private};

use super::{CERT_FILE, KEY_FILE, ROOT_FILE, Renewal, Root, RootError};

/// The directory that a root is kept in, and what is done with the root there.
#[derive(Debug, Clone)]
pub struct RootDirectory {
    /// Where.
    pub path: PathBuf,
    /// Whose root a new one is.
    pub trust_domain: TrustDomain,
    /// How long a root holds, and when it is renewed.
    pub renewal: Renewal,
}

impl RootDirectory {
    /// The root kept in the directory; a new one, kept there, if it has none. One that nears its end is renewed with
    /// the same key, for which no certificate must be replaced; if that cannot be kept, the old one is used while it
    /// holds.
    ///
    /// # Errors
    /// The files do not fit together, or a new root cannot be kept. Nothing half-written stays behind.
    pub fn open(&self, now: SystemTime) -> Result<Root, RootError> {
        let directory = &*self.path;
        let unusable = |source| RootError::Directory {
            path: directory.to_owned(),
            source,
        };
        fs::create_dir_all(directory).map_err(unusable)?;
        // Two replicas that start or renew at the same time must agree on one root. Released when the handle goes.
        let lock = fs::File::open(directory).map_err(unusable)?;
        lock.lock().map_err(unusable)?;
        let (key, certificate) = (directory.join(KEY_FILE), directory.join(CERT_FILE));
        match (read(&key)?, read(&certificate)?) {
            (Some(key_pem), Some(cert_pem)) => {
                tighten(&key);
                let root = Root::load((&key, &key_pem), (&certificate, &cert_pem))?;
                keep_copy(&root, directory)?;
                self.in_time(root, now)
            }
            (None, None) => {
                let root = Root::generate(&self.trust_domain, self.renewal.lifetime, now)?;
                keep(&root, directory)?;
                tracing::info!(directory = %directory.display(), root = %cert::fingerprint(root.certificate()),
                    "made a new root of trust");
                Ok(root)
            }
            (Some(_), None) => Err(RootError::Half {
                found: key,
                missing: certificate,
            }),
            (None, Some(_)) => Err(RootError::Half {
                found: certificate,
                missing: key,
            }),
        }
    }

    fn in_time(&self, root: Root, now: SystemTime) -> Result<Root, RootError> {
        if now < self.renewal.due(root.validity()) {
            return Ok(root);
        }
        let certificate = self.path.join(CERT_FILE);
        let renewed = root
            .renewed(self.renewal.lifetime, now)
            .map_err(|problem| RootError::Renewal {
                path: certificate.clone(),
                problem: problem.to_string(),
            })
            .and_then(|renewed| {
                write_atomic(&certificate, renewed.pem().as_bytes())?;
                write_atomic(&self.path.join(ROOT_FILE), renewed.pem().as_bytes())?;
                Ok(renewed)
            });
        match renewed {
            Ok(renewed) => {
                tracing::warn!(old = %cert::fingerprint(root.certificate()), new = %cert::fingerprint(renewed.certificate()),
                    "the root of trust neared its end and was renewed with the same key: certificates stay good");
                Ok(renewed)
            }
            Err(error) if now < root.validity().not_after => {
                tracing::error!(%error, "the root of trust nears its end and could not be renewed; trying again");
                Ok(root)
            }
            Err(error) => Err(error),
        }
    }
}

/// Writes all files; on an error those already written go again, so that the next start finds none.
fn keep(root: &Root, directory: &Path) -> Result<(), RootError> {
    let (key, certificate) = (directory.join(KEY_FILE), directory.join(CERT_FILE));
    let kept = write_private(&key, root.issuer.key().serialize_pem().as_bytes())
        .and_then(|()| write_atomic(&certificate, root.pem.as_bytes()))
        .and_then(|()| write_atomic(&directory.join(ROOT_FILE), root.pem.as_bytes()));
    if kept.is_err() {
        for path in [key, certificate] {
            let _ = fs::remove_file(path);
        }
    }
    Ok(kept?)
}

/// Restores the copy for workloads if it is missing or of the root before its renewal; one of another root is an error.
fn keep_copy(root: &Root, directory: &Path) -> Result<(), RootError> {
    let path = directory.join(ROOT_FILE);
    match read(&path)? {
        Some(pem) if pem == root.pem => Ok(()),
        Some(pem) if !root.is_of_the_same_key(&pem) => Err(RootError::Unusable {
            path,
            problem: format!("it is not the root in {CERT_FILE}"),
        }),
        Some(_) | None => Ok(write_atomic(&path, root.pem.as_bytes())?),
    }
}

fn read(path: &Path) -> Result<Option<String>, RootError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RootError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Makes a key that others could read private again, as it may have been restored from a copy.
fn tighten(path: &Path) {
    let open = fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0);
    if open && let Err(error) = fs::set_permissions(path, fs::Permissions::from_mode(0o600)) {
        tracing::warn!(path = %path.display(), %error, "others can read the root's private key: chmod 600 it");
    }
}
