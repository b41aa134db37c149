//! Sidecar injection: a pod goes in, the same pod with the proxy's containers comes out.
//!
//! [`decide`] says whether a pod gets a sidecar, [`inject`] adds it. Both are pure functions over
//! JSON, so fields that this crate does not know survive. The webhook ([`webhook`]), the command
//! ([`command`]) and the one-machine mesh call the same two functions.
//!
//! ```
//! use std::collections::BTreeMap;
//! let settings = injector::Settings::default();
//! let labels = BTreeMap::from([("istio-injection".to_owned(), "enabled".to_owned())]);
//! let namespace = injector::Namespace { name: "default", labels: &labels };
//! let pod = serde_json::json!({
//!     "metadata": {"name": "greeter-1", "labels": {"app": "greeter"}},
//!     "spec": {"containers": [{"name": "greeter", "image": "greeter:dev"}]},
//! });
//! assert_eq!(injector::decide(&namespace, &pod, &settings), injector::Decision::Inject);
//! let context = injector::PodContext::of_pod("default", &pod);
//! let injected = injector::inject(&pod, &context, &settings)?;
//! assert_eq!(injected["spec"]["initContainers"][1]["name"], "istio-proxy");
//! # Ok::<(), injector::InjectError>(())
//! ```

mod annotations;
mod build;
pub mod command;
mod context;
mod decide;
mod error;
mod inject;
mod kube_inject;
mod mesh;
mod pod;
mod rewrite;
mod selector;
mod set;
mod settings;
mod template;
mod values;
pub mod webhook;
mod workload;

pub use annotations::annotations_without_effect;
pub use context::{PodContext, Workload};
pub use decide::{
    Decision, IGNORED_NAMESPACES, Namespace, SkipReason, decide, decide_pod, near_miss_labels,
};
pub use error::{InjectError, KubeInjectError, SettingsError};
pub use inject::inject;
pub use kube_inject::kube_inject;
pub use mesh::{Interception, Mesh, ProxyConfig};
pub use settings::Settings;
pub use values::Values;
