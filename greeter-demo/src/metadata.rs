//! Request metadata as a Go program prints it.

use std::collections::BTreeMap;

use tonic::metadata::{KeyAndValueRef, MetadataMap};

/// The `:authority` of a request, which tonic itself drops on the way to a handler.
#[derive(Debug, Clone)]
pub struct Authority(pub String);

/// Names that grpc-go keeps from its handlers.
const RESERVED: &[&str] = &[
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-timeout",
    "grpc-message-type",
    "grpc-status",
    "grpc-message",
    "te",
];

/// `metadata` in the form of Go's `%v` of a `metadata.MD`: `map[key:[value value] key:[value]]`,
/// sorted by key.
pub fn go_map(authority: Option<&Authority>, metadata: &MetadataMap) -> String {
    let mut entries: BTreeMap<String, Vec<String>> = BTreeMap::new();
    if let Some(Authority(authority)) = authority {
        entries.insert(":authority".to_owned(), vec![authority.clone()]);
    }
    for entry in metadata.iter() {
        let (key, value) = match entry {
            KeyAndValueRef::Ascii(key, value) => (
                key.as_str(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            ),
            KeyAndValueRef::Binary(key, value) => (
                key.as_str(),
                value
                    .to_bytes()
                    .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                    .unwrap_or_default(),
            ),
        };
        if !RESERVED.contains(&key) {
            entries.entry(key.to_owned()).or_default().push(value);
        }
    }
    let entries: Vec<String> = entries
        .iter()
        .map(|(key, values)| format!("{key}:[{}]", values.join(" ")))
        .collect();
    format!("map[{}]", entries.join(" "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn metadata_is_printed_sorted_with_every_value_and_without_transport_headers() {
        let mut metadata = MetadataMap::new();
        metadata.append("version", "200".parse().unwrap());
        metadata.append("version", "100".parse().unwrap());
        metadata.insert("te", "trailers".parse().unwrap());
        let authority = Authority("greeter:50051".into());
        assert_eq!(
            go_map(Some(&authority), &metadata),
            "map[:authority:[greeter:50051] version:[200 100]]"
        );
    }

    #[test]
    fn no_metadata_is_an_empty_map() {
        assert_eq!(go_map(None, &MetadataMap::new()), "map[]");
    }
}
