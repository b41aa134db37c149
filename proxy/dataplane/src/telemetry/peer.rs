//! What proxies tell each other of their workloads: Istio's headers `x-envoy-peer-metadata` (a `google.protobuf.Struct`
//! in base64) and `x-envoy-peer-metadata-id`.
//!
//! Istio's proxies say it with every request, which costs more than all else that they add. Two of ours say it once for
//! each HTTP/2 connection: a SETTINGS parameter that others ignore tells that the peer remembers.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use prost::Message;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use stats::istio::Workload;

/// The SETTINGS parameter by which a peer says that it remembers what it was told on a connection.
pub(crate) const SETTING: (u16, u32) = (0x4c54, 1);

/// How often the workload at the other end of a connection may become another: with its labels, not with its requests.
const MOST_CHANGES: u8 = 8;

/// Bytes of a header that are read at most; more says nothing.
const MOST: usize = 16 << 10;

/// A peer as it described itself, and the words it used: the same words are not read twice.
#[derive(Debug)]
pub(crate) struct Announced {
    words: Box<[u8]>,
    /// How often it was another before.
    changes: u8,
    pub(crate) workload: Workload,
}

impl Announced {
    /// Reads a header's value. What cannot be read leaves everything unknown.
    pub(crate) fn read(words: &[u8], changes: u8) -> Self {
        Announced {
            words: words.get(..MOST).unwrap_or(words).into(),
            changes,
            workload: read(words).unwrap_or_default(),
        }
    }

    /// How often there was another before the one that comes after it.
    pub(crate) fn next(&self) -> u8 {
        self.changes.saturating_add(1)
    }

    /// Whether no other is listened to: there is one workload at the other end of a connection, and one that gives itself
    /// ever other names only fills the table of metrics.
    pub(crate) fn is_settled(&self) -> bool {
        self.changes >= MOST_CHANGES
    }

    /// Whether it was read from this.
    pub(crate) fn is(&self, words: &[u8]) -> bool {
        *self.words == *words
    }
}

/// The header's value for a workload.
pub(super) fn announce(own: &Workload) -> Vec<u8> {
    let labels = text([
        ("app", &own.app),
        ("version", &own.version),
        ("service.istio.io/canonical-name", &own.canonical_service),
        (
            "service.istio.io/canonical-revision",
            &own.canonical_revision,
        ),
    ]);
    let mut fields = text([
        ("NAMESPACE", &own.namespace),
        ("WORKLOAD_NAME", &own.workload),
        ("CLUSTER_ID", &own.cluster),
    ]);
    let labels = Kind::StructValue(labels);
    fields
        .fields
        .insert("LABELS".to_owned(), Value { kind: Some(labels) });
    STANDARD.encode(fields.encode_to_vec()).into_bytes()
}

fn text<const N: usize>(pairs: [(&str, &str); N]) -> Struct {
    let known = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    Struct {
        fields: known
            .map(|(key, value)| {
                let kind = Some(Kind::StringValue(value.to_owned()));
                (key.to_owned(), Value { kind })
            })
            .collect(),
    }
}

fn read(words: &[u8]) -> Option<Workload> {
    if words.len() > MOST {
        return None;
    }
    let end = words
        .iter()
        .rposition(|b| *b != b'=')
        .map_or(0, |at| at + 1);
    let bytes = STANDARD_NO_PAD.decode(words.get(..end)?).ok()?;
    let said = Struct::decode(bytes.as_slice()).ok()?;
    let labels = match said.fields.get("LABELS").and_then(|v| v.kind.as_ref()) {
        Some(Kind::StructValue(labels)) => Some(labels),
        _ => None,
    };
    let own = |key: &str| of(Some(&said), key);
    let label = |key: &str| of(labels, key);
    let either = |first: &str, second: &str| match label(first) {
        empty if empty.is_empty() => label(second),
        found => found,
    };
    Some(Workload {
        workload: own("WORKLOAD_NAME"),
        namespace: own("NAMESPACE"),
        cluster: own("CLUSTER_ID"),
        app: label("app"),
        version: label("version"),
        canonical_service: either("service.istio.io/canonical-name", "app"),
        canonical_revision: either("service.istio.io/canonical-revision", "version"),
        principal: Box::default(),
    })
}

fn of(fields: Option<&Struct>, key: &str) -> Box<str> {
    match fields
        .and_then(|f| f.fields.get(key))
        .and_then(|v| v.kind.as_ref())
    {
        Some(Kind::StringValue(text)) => text.as_str().into(),
        _ => Box::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeter() -> Workload {
        Workload {
            workload: "greeter".into(),
            namespace: "default".into(),
            app: "greeter".into(),
            version: "v1".into(),
            cluster: "Kubernetes".into(),
            canonical_service: "greeter".into(),
            canonical_revision: "v1".into(),
            principal: Box::default(),
        }
    }

    #[test]
    fn a_peer_understands_what_it_is_told() {
        let words = announce(&greeter());
        let told = Announced::read(&words, 0);
        assert_eq!(told.workload, greeter());
        assert!(told.is(&words));
    }

    #[test]
    fn what_cannot_be_read_leaves_everything_unknown() {
        let long = vec![b'A'; MOST + 1];
        for words in [&b""[..], b"?", b"CgA", b"////", &long] {
            assert_eq!(Announced::read(words, 0).workload, Workload::default());
        }
    }

    #[test]
    fn a_peer_without_canonical_labels_is_known_by_its_app_and_version() {
        let words = announce(&Workload {
            canonical_service: Box::default(),
            canonical_revision: Box::default(),
            ..greeter()
        });
        let told = Announced::read(&words, 0).workload;
        assert_eq!(
            (&*told.canonical_service, &*told.canonical_revision),
            ("greeter", "v1")
        );
    }
}
