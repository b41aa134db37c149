//! What happens to a pod before it is stored: its defaults, the webhooks that change it, such as the injector's, and what
//! no pod may be. The same steps as an API server's.

mod call;
mod pod;
mod review;
mod webhook;

use std::sync::Arc;

use serde_json::Value;

pub use call::{Caller, Dial};
pub use webhook::check;
pub(crate) use webhook::{GROUP, MUTATING};

use crate::kubelet::facts::service_account;
use crate::object::{Key, child, name, namespace};
use crate::store::View;
use review::{Request, Verdict};

/// How pods are admitted.
#[derive(Clone)]
pub struct Admission {
    /// Calls webhooks.
    pub caller: Arc<Caller>,
}

/// A pod that may be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    /// The pod.
    pub pod: Value,
    /// What webhooks have to say to whoever made it.
    pub warnings: Vec<String>,
}

/// The pod as it is stored: changed by the webhooks that select it, with Kubernetes' defaults.
///
/// # Errors
/// Why the pod is refused, as the API server says it.
pub async fn admit(
    given: &Value,
    view: &View,
    node: &str,
    admission: &Admission,
) -> Result<Admitted, String> {
    let ns = namespace(given);
    let account = service_account(given);
    if view
        .get(&Key::core("ServiceAccount", ns, account))
        .is_none()
    {
        return Err(format!(
            "pods {:?} is forbidden: error looking up service account {ns}/{account}: serviceaccount {account:?} not found",
            name(given)
        ));
    }
    let mut pod = given.clone();
    pod::defaults(&mut pod);
    let mut warnings = Vec::new();
    for webhook in webhook::mutating(view, &pod) {
        let request = Request::creation(&pod);
        let answer = admission.caller.call(&webhook, view, &request).await;
        match answer.and_then(|answer| review::read(&answer, &request)) {
            Ok(Verdict::Allowed(changed, said)) => {
                pod = changed;
                warnings.extend(said);
            }
            Ok(Verdict::Denied(reason)) => {
                return Err(format!(
                    "admission webhook {:?} denied the request: {reason}",
                    webhook.name
                ));
            }
            Err(problem) if webhook.fails => {
                return Err(format!(
                    "Internal error occurred: failed calling webhook {:?}: failed to call webhook: {problem}",
                    webhook.name
                ));
            }
            Err(problem) => {
                tracing::warn!(
                    webhook = webhook.name,
                    problem,
                    "a webhook cannot be called; failurePolicy is Ignore"
                );
            }
        }
        // Selectors see what the webhook before left.
        pod::defaults(&mut pod);
    }
    for warning in &warnings {
        tracing::warn!("pod {ns}/{}: {warning}", name(&pod));
    }
    child(&mut pod, "spec")
        .entry("nodeName")
        .or_insert(Value::String(node.to_owned()));
    pod::check(&pod)?;
    Ok(Admitted { pod, warnings })
}

#[cfg(test)]
mod tests;
