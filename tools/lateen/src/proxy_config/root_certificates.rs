//! `proxy-config rootca-compare`.

use clap::Args;
use proxyconfig::dump::ConfigDump;
use proxyconfig::secret;

use super::of_dump;
use crate::cluster::{Cluster, PodName};
use crate::failure::Failure;
use crate::pod;

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// A pod or a deployment: POD[.NAMESPACE], deployment/NAME[.NAMESPACE]
    #[arg(value_name = "POD1")]
    one: String,
    /// Another one
    #[arg(value_name = "POD2")]
    other: String,
}

/// Whether two pods have a root in common.
///
/// # Errors
/// Where they have none.
pub(super) async fn compare(
    cluster: &dyn Cluster,
    within: &str,
    args: &CompareArgs,
) -> Result<String, Failure> {
    let one = pod::find(cluster, &args.one, within).await?;
    let other = pod::find(cluster, &args.other, within).await?;
    let theirs = roots(cluster, &other).await?;
    let shared = roots(cluster, &one)
        .await?
        .iter()
        .any(|root| theirs.contains(root));
    match shared {
        true => Ok(format!(
            "Both [{one}] and [{other}] have the identical ROOTCA, theoretically the connectivity between them is available\n"
        )),
        false => Err(Failure::error(format!(
            "Both [{one}] and [{other}] have the non identical ROOTCA, theoretically the connectivity between them is unavailable"
        ))),
    }
}

async fn roots(cluster: &dyn Cluster, pod: &PodName) -> Result<Vec<Vec<u8>>, Failure> {
    let dump = pod::request(cluster, pod, "GET", "config_dump").await?;
    let dump = ConfigDump::parse(&dump).map_err(of_dump)?;
    let roots = secret::roots(&dump).map_err(of_dump)?;
    match roots.is_empty() {
        true => Err(Failure::error(format!("{pod} has no secret ROOTCA"))),
        false => Ok(roots),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::cluster::fake::FakeCluster;

    fn dump(roots: &[&str]) -> String {
        // The content is not read: only whether it is the same.
        let pem: String = roots
            .iter()
            .map(|root| format!("-----BEGIN CERTIFICATE-----\n{root}\n-----END CERTIFICATE-----\n"))
            .collect();
        let secret = json!({"name": "ROOTCA", "secret": {"validation_context": {"trusted_ca": {"inline_string": pem}}}});
        json!({"configs": [{
            "@type": "type.googleapis.com/envoy.admin.v3.SecretsConfigDump",
            "dynamic_active_secrets": [secret],
        }]})
        .to_string()
    }

    #[tokio::test]
    async fn one_root_in_common_is_enough_and_none_is_a_failure() {
        let mut cluster = FakeCluster::default();
        for (pod, roots) in [
            ("a.shop", &["YQ==", "Yg=="][..]),
            ("b.shop", &["Yg=="]),
            ("c.shop", &["Yw=="]),
            ("d.shop", &[]),
        ] {
            cluster.says(pod, "config_dump", dump(roots));
        }
        let with = async |other: &str| {
            let args = CompareArgs {
                one: "a".to_owned(),
                other: other.to_owned(),
            };
            compare(&cluster, "shop", &args).await
        };
        let same = with("b").await.unwrap();
        assert!(same.starts_with("Both [a.shop] and [b.shop] have the identical ROOTCA"));
        let other = with("c").await.unwrap_err();
        assert!(
            other.message.contains("the non identical ROOTCA"),
            "{other:?}"
        );
        let none = with("d").await.unwrap_err();
        assert!(
            none.message.contains("d.shop has no secret ROOTCA"),
            "{none:?}"
        );
    }
}
