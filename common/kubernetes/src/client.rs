//! The way to the API server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::Client;
use kube::config::{Config, InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError};

/// How long a connection may take: an address that swallows packets is tried again after it.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the API server may be silent in the middle of an answer. Longer than the longest watch,
/// which it ends by itself.
const SILENCE: Duration = Duration::from_secs(150);

/// Why there is no way to the API server.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file cannot be read, or does not say where the cluster is.
    #[error("--kubeconfig {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<KubeconfigError>,
    },
    /// No file was named, and none was found.
    #[error(
        "no cluster: give --kubeconfig FILE (or KUBECONFIG), or run in a pod with a service account's token: {0}"
    )]
    Nowhere(#[source] Box<InferConfigError>),
    /// Certificates, keys or addresses of the configuration cannot be used.
    #[error("the cluster's access configuration cannot be used: {0}")]
    Unusable(#[source] Box<kube::Error>),
}

/// Makes a client of the named file, or as kubectl would find its cluster: `KUBECONFIG`,
/// `~/.kube/config`, then the service account of the pod. Nothing is asked of the API server.
///
/// # Errors
/// [`ClientError`].
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, ClientError> {
    let config = match kubeconfig {
        Some(path) => of_file(path).await.map_err(|source| ClientError::File {
            path: path.to_owned(),
            source: Box::new(source),
        })?,
        None => Config::infer()
            .await
            .map_err(|error| ClientError::Nowhere(Box::new(error)))?,
    };
    client(config)
}

async fn of_file(path: &Path) -> Result<Config, KubeconfigError> {
    let file = Kubeconfig::read_from(path)?;
    Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await
}

/// The informers try again by themselves, and each of their requests ends.
fn client(mut config: Config) -> Result<Client, ClientError> {
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    Client::try_from(config).map_err(|error| ClientError::Unusable(Box::new(error)))
}

/// What went wrong, in the API server's words where they are its own.
pub fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{}: {}", status.code, status.message),
        other => process::error::with_causes(other),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_not_there_or_no_configuration_is_named_with_its_flag() {
        let directory = tempfile::tempdir().unwrap();
        let garbage = directory.path().join("garbage");
        std::fs::write(&garbage, "clusters: 7").unwrap();
        for path in [directory.path().join("none"), garbage] {
            let Err(error) = connect(Some(&path)).await else {
                panic!("{} was taken", path.display());
            };
            let message = error.to_string();
            assert!(message.starts_with("--kubeconfig "), "{message}");
            assert!(message.contains(path.to_str().unwrap()), "{message}");
        }
    }
}
