//! A mesh of `lateen local`.

use std::path::Path;

use async_trait::async_trait;
use local::api::client::{Client, ClientError, Which};
use serde_json::Value;

use super::{Cluster, PodName};
use crate::failure::Failure;
use crate::local::exec::{Channel, Program, run};

/// A mesh of this machine, by its daemon.
pub(crate) struct LocalCluster {
    client: Client,
    admin_port: u16,
}

impl LocalCluster {
    /// The mesh of this name, whose state is below a directory.
    pub(crate) fn new(state: &Path, name: &str, admin_port: u16) -> Self {
        Self {
            client: Client::new(state, name),
            admin_port,
        }
    }
}

#[async_trait(?Send)]
impl Cluster for LocalCluster {
    async fn list(
        &self,
        kind: &str,
        namespace: Option<&str>,
        selector: Option<&str>,
    ) -> Result<Vec<Value>, Failure> {
        let which = Which {
            namespace,
            selector,
            ..Which::default()
        };
        match self.client.get(kind, &which).await {
            Ok(found) => Ok(local::object::list(&found, "/items").to_vec()),
            Err(ClientError::NoResourceType(_)) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    async fn find(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, Failure> {
        let which = Which {
            namespace: Some(namespace),
            name: Some(name),
            ..Which::default()
        };
        match self.client.get(kind, &which).await {
            Ok(found) => Ok(Some(found)),
            Err(ClientError::NoResourceType(_)) => Ok(None),
            Err(ClientError::Refused(refused)) if refused.reason == "NotFound" => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn run(
        &self,
        pod: &PodName,
        container: &str,
        command: &[&str],
    ) -> Result<String, Failure> {
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        let program = Program {
            namespace: &pod.namespace,
            pod: &pod.name,
            container: Some(container.to_owned()),
            command: &command,
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(&self.client, program, false, |channel, bytes| {
            match channel {
                Channel::Output => out.extend_from_slice(bytes),
                Channel::Error => err.extend_from_slice(bytes),
            }
            Ok(())
        })
        .await?;
        match code {
            0 => Ok(String::from_utf8_lossy(&out).into_owned()),
            code => Err(Failure::error(format!(
                "{} in {pod} ended with status {code}: {}",
                command.join(" "),
                String::from_utf8_lossy(&err).trim()
            ))),
        }
    }

    fn admin_port(&self) -> u16 {
        self.admin_port
    }
}
