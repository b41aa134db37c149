//! What can be wrong with a pod, a setting or a file, said so that its writer can mend it.

/// A pod could not be injected. The pod is left as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InjectError {
    /// A part of the pod is not of the kind that Kubernetes gives it.
    #[error("{path}: is not {expected}; correct the field")]
    Malformed {
        /// The field, such as `spec.containers[0].ports`.
        path: String,
        /// What it should be, with its article: `a list`.
        expected: &'static str,
    },
    /// Annotations of the pod have values that cannot be used; each is named.
    #[error("{}", .0.join("; "))]
    Annotations(Vec<String>),
    /// `inject.istio.io/templates` (or `defaultTemplates`) names a template that does not exist.
    #[error(
        "template `{name}` does not exist: use one of {} in the annotation inject.istio.io/templates, or define it in \
         sidecarInjectorWebhook.templates", known.join(", ")
    )]
    UnknownTemplate {
        /// The name.
        name: String,
        /// Those that exist.
        known: Vec<String>,
    },
    /// A template of the installation's own (`sidecarInjectorWebhook.templates`) failed for this pod.
    #[error("template `{name}` of sidecarInjectorWebhook.templates: {problem}")]
    Template {
        /// Its name.
        name: String,
        /// Why.
        problem: String,
    },
}

/// Settings (values, `--set`, mesh config) could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A `--set` argument is not `KEY=VALUE`.
    #[error("--set {argument}: {problem}; write it as --set values.global.hub=example.com/mesh")]
    Set {
        /// The argument as given.
        argument: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file or a value has content of the wrong type.
    #[error("{origin}: {problem}")]
    Invalid {
        /// The file or the `--set` argument.
        origin: String,
        /// What is wrong, as the reader of the format says it.
        problem: String,
    },
}

/// A stream of YAML could not be injected. Nothing is written then, so that no half of it is
/// applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KubeInjectError {
    /// The text is not YAML.
    #[error("not valid YAML: {0}")]
    Yaml(String),
    /// One object could not be injected.
    #[error("{object}: {source}")]
    Object {
        /// Kind and name of the object.
        object: String,
        /// Why.
        source: InjectError,
    },
}
