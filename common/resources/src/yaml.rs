//! Reading objects from YAML text as Kubernetes reads it. Each document stands alone: one that is
//! malformed becomes a [`Problem`] and the others load. Size, depth and count are bounded, so that
//! no file can exhaust the reader.

mod documents;

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;

use crate::problem::Problem;

/// The largest text that is read, in bytes. Kubernetes refuses objects over 1.5 MiB; a file may
/// hold many.
pub const MAX_TEXT: usize = 64 * 1024 * 1024;
/// The largest single document, in bytes (etcd's limit on a request is 1.5 MiB).
pub const MAX_DOCUMENT: usize = 4 * 1024 * 1024;
/// The most objects that one text may hold, those inside lists included.
pub const MAX_OBJECTS: usize = 100_000;
const MAX_DEPTH: usize = 64;
const MAX_NODES: usize = 250_000;
const MAX_LIST_DEPTH: usize = 4;
/// Kubernetes' own bound on a name (RFC 1123 subdomain).
const MAX_NAME: usize = 253;

/// Kinds that live in no namespace. Every other kind gets `default` where none is written, as
/// `kubectl apply` does.
const CLUSTER_SCOPED: &[&str] = &[
    "APIService",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "GatewayClass",
    "IngressClass",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "RuntimeClass",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
];

/// An object as it was written: enough is known to name it, nothing more was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct RawObject {
    /// `apiVersion`, such as `v1` or `networking.istio.io/v1`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// `metadata.namespace`; `default` where a kind with a namespace names none, `None` for kinds
    /// without one.
    pub namespace: Option<String>,
    /// `metadata.name`.
    pub name: String,
    /// The whole object. Its `metadata.namespace` is filled in like `namespace`.
    pub value: Value,
    /// Where it came from, as given to [`load`].
    pub source: String,
}

/// What makes an object the same object: API group (not its version), kind, namespace, name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RawKey {
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The namespace, if the kind has one.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

impl RawObject {
    /// The object's key.
    pub fn key(&self) -> RawKey {
        let group = self.api_version.rsplit_once('/').map_or("", |(g, _)| g);
        RawKey {
            group: group.to_owned(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// Takes an object that was read already, such as an API server's answer. `source` names where it
    /// came from in problems.
    ///
    /// # Errors
    /// What it lacks of what every object has: `apiVersion`, `kind`, and a `metadata.name` that is one.
    pub fn from_value(value: Value, source: &str) -> Result<Self, String> {
        identify(value, source)
    }

    /// How problems name the object: `Kind namespace/name`, or `Kind name`.
    pub fn describe(&self) -> String {
        self.key().to_string()
    }
}

impl fmt::Display for RawKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {}/{}", self.kind, namespace, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// What a text held.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded {
    /// The objects, in the order of the text; keys are unique.
    pub objects: Vec<RawObject>,
    /// What could not be read, in the order of the text.
    pub problems: Vec<Problem>,
}

/// Reads every object of a YAML text (JSON is YAML too). `source` names the text in problems.
/// Objects inside a `kind: List` (or `ServiceList` and the like) are taken out of it; of two with
/// one key the first is kept and the second reported.
pub fn load(text: &str, source: &str) -> Loaded {
    let mut reader = Reader {
        source,
        loaded: Loaded::default(),
        seen: HashMap::new(),
        full: false,
    };
    if text.len() > MAX_TEXT {
        reader.loaded.problems.push(Problem::error(
            source,
            format!(
                "is {} bytes long, more than the {MAX_TEXT} that are read; split it",
                text.len()
            ),
        ));
        return reader.loaded;
    }
    for document in documents::split(text) {
        reader.document(&document);
    }
    reader.loaded
}

struct Place {
    document: usize,
    line: u64,
}

impl Place {
    fn problem(&self, source: &str, message: impl Into<String>) -> Problem {
        Problem::error(source, message)
            .in_document(self.document)
            .at_line(self.line)
    }
}

struct Reader<'a> {
    source: &'a str,
    loaded: Loaded,
    /// Key to the document that had it first.
    seen: HashMap<RawKey, usize>,
    full: bool,
}

impl Reader<'_> {
    fn document(&mut self, document: &documents::Document<'_>) {
        let place = Place {
            document: document.index,
            line: document.first_line,
        };
        if document.text.len() > MAX_DOCUMENT {
            let message = format!(
                "the document is {} bytes long, more than the {MAX_DOCUMENT} of one object",
                document.text.len()
            );
            self.refuse(place.problem(self.source, message));
            return;
        }
        match parse(document.text) {
            Ok(Value::Null) => {}
            Ok(value) => self.value(value, &place, 0),
            Err((line, message)) => {
                let line = line.map_or(document.first_line, |line| {
                    document.line_of_text + line.saturating_sub(1)
                });
                self.refuse(
                    Problem::error(self.source, format!("not valid YAML: {message}"))
                        .in_document(document.index)
                        .at_line(line),
                );
            }
        }
    }

    fn value(&mut self, value: Value, place: &Place, depth: usize) {
        match flatten(value) {
            Flattened::One(value) => self.object(value, place),
            Flattened::List(items) if depth < MAX_LIST_DEPTH => {
                for item in items {
                    self.value(item, place, depth + 1);
                }
            }
            Flattened::List(_) => self.refuse(place.problem(
                self.source,
                format!("lists are nested more than {MAX_LIST_DEPTH} deep; flatten them"),
            )),
        }
    }

    fn object(&mut self, value: Value, place: &Place) {
        if self.loaded.objects.len() >= MAX_OBJECTS {
            if !self.full {
                self.full = true;
                let message =
                    format!("more than {MAX_OBJECTS} objects in one text; the rest is not read");
                self.refuse(place.problem(self.source, message));
            }
            return;
        }
        match identify(value, self.source) {
            Err(message) => self.refuse(place.problem(self.source, message)),
            Ok(object) => match self.seen.get(&object.key()) {
                Some(first) => {
                    let message = format!(
                        "is already defined in document {first} of the same text; the first one \
                         is in use, remove one of the two"
                    );
                    let problem = place.problem(self.source, message);
                    self.refuse(problem.about(object.describe()));
                }
                None => {
                    self.seen.insert(object.key(), place.document);
                    self.loaded.objects.push(object);
                }
            },
        }
    }

    fn refuse(&mut self, problem: Problem) {
        self.loaded.problems.push(problem);
    }
}

fn parse(text: &str) -> Result<Value, (Option<u64>, String)> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_documents: 1,
            max_total_scalar_bytes: MAX_DOCUMENT,
            max_aliases: 1_000,
            max_anchors: 1_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_NODES,
            max_replay_stack_depth: 16,
        },
        // YAML 1.1, as Kubernetes reads it: `defaultMode: 0644` is octal.
        legacy_octal_numbers: true,
    };
    serde_saphyr::from_str_with_options::<Value>(text, options).map_err(|error| {
        let line = error.location().map(|location| location.line());
        let message = error.without_snippet().to_string();
        (line, message.lines().next().unwrap_or_default().to_owned())
    })
}

enum Flattened {
    One(Value),
    List(Vec<Value>),
}

/// A Kubernetes list is a kind that ends in `List` and has `items`.
fn flatten(mut value: Value) -> Flattened {
    let is_list = value
        .get("kind")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.ends_with("List"));
    if is_list && let Some(items) = value.get_mut("items") {
        match items.take() {
            Value::Array(items) => return Flattened::List(items),
            Value::Null => return Flattened::List(Vec::new()),
            other => *items = other,
        }
    }
    Flattened::One(value)
}

fn identify(mut value: Value, source: &str) -> Result<RawObject, String> {
    let Some(fields) = value.as_object_mut() else {
        return Err("is not an object; it must have apiVersion, kind and metadata".to_owned());
    };
    let text = |field: &str| match fields.get(field) {
        Some(Value::String(text)) if !text.is_empty() && text.len() <= MAX_NAME => Ok(text.clone()),
        Some(_) => Err(format!(
            "{field}: must be text of 1 to {MAX_NAME} characters"
        )),
        None => Err(format!(
            "{field}: is missing; every object has apiVersion, kind and metadata.name"
        )),
    };
    let api_version = text("apiVersion")?;
    let kind = text("kind")?;
    let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) else {
        return Err(format!(
            "{kind}: metadata: is missing; give at least a name"
        ));
    };
    let name = match metadata.get("name") {
        Some(Value::String(name)) if is_name(name) => name.clone(),
        Some(other) => {
            return Err(format!(
                "{kind}: metadata.name: {other} is not a name; use 1 to {MAX_NAME} of the \
                 characters a-z 0-9 - . : (and quote what YAML would take for a number)"
            ));
        }
        None => return Err(format!("{kind}: metadata.name: is missing")),
    };
    let namespace = match metadata.get("namespace") {
        _ if CLUSTER_SCOPED.contains(&kind.as_str()) => None,
        None | Some(Value::Null) => Some("default".to_owned()),
        Some(Value::String(namespace)) if is_name(namespace) => Some(namespace.clone()),
        Some(other) => {
            return Err(format!(
                "{kind} {name}: metadata.namespace: {other} is not a namespace's name"
            ));
        }
    };
    if let Some(namespace) = &namespace {
        metadata.insert("namespace".to_owned(), Value::String(namespace.clone()));
    }
    Ok(RawObject {
        api_version,
        kind,
        namespace,
        name,
        value,
        source: source.to_owned(),
    })
}

/// Looser than RFC 1123 (RBAC names hold colons and capitals), but safe in paths, logs and xDS
/// names.
fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':' | b'_'))
}

#[cfg(test)]
mod tests;
