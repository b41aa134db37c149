//! Resources as they came, kept small: what one has in common with another of its type is kept once.

use std::sync::Arc;

use bytes::Bytes;
use envoy_types::pb::envoy::service::discovery::v3::Resource;
use envoy_types::pb::google::protobuf::Any;
use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};
use prost::Message;

/// The largest bytes that others are packed by: the window of LZ4.
const LARGEST_LIKENESS: usize = 64 << 10;

/// A version of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Came {
    /// As the control plane calls it.
    pub version: String,
    /// The resource, encoded: what stands in `Any.value`.
    pub body: Bytes,
}

/// A version of a resource, packed.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    /// What the bytes are packed by, if by any.
    like: Option<Likeness>,
    /// A `Resource` in an LZ4 block, after its length.
    block: Arc<[u8]>,
}

/// Bytes that others are packed by.
type Likeness = Arc<Box<[u8]>>;

impl Packed {
    /// As it came.
    pub(crate) fn unpack(&self) -> Came {
        let like = self.like.as_ref().map(|like| &***like);
        // What was packed here can be unpacked.
        let bytes = decompress_size_prepended_with_dict(&self.block, like.unwrap_or_default());
        let resource = Resource::decode(Bytes::from(bytes.unwrap_or_default()));
        let Resource {
            version, resource, ..
        } = resource.unwrap_or_default();
        Came {
            version,
            body: resource.map(|any| any.value.into()).unwrap_or_default(),
        }
    }
}

/// Packs resources of one type.
#[derive(Debug, Clone, Default)]
pub(crate) struct Packer {
    like: Option<Likeness>,
}

impl Packer {
    /// Packs a resource by the last one that was not like those before it.
    pub(crate) fn pack(&mut self, version: String, body: &[u8]) -> Packed {
        let bytes = encoded(version, body);
        if let Some(like) = &self.like {
            let block = compress_prepend_size_with_dict(&bytes, like);
            if block.len() <= bytes.len() / 2 {
                return Packed {
                    like: Some(like.clone()),
                    block: block.into(),
                };
            }
        }
        let block = compress_prepend_size_with_dict(&bytes, &[]).into();
        if bytes.len() <= LARGEST_LIKENESS {
            self.like = Some(Arc::new(bytes.into()));
        }
        Packed { like: None, block }
    }
}

fn encoded(version: String, body: &[u8]) -> Vec<u8> {
    let resource = Resource {
        version,
        resource: Some(Any {
            type_url: String::new(),
            value: body.to_vec(),
        }),
        ..Default::default()
    };
    resource.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Vec<u8> {
        let common: String = (0..40)
            .map(|n| format!("field {n} of a cluster,"))
            .collect();
        format!("{name}: {common}: {name}").into_bytes()
    }

    #[test]
    fn resources_come_out_as_they_went_in() {
        let mut packer = Packer::default();
        let mut state = 7_u32;
        let mut noise = |length: usize, few: u32| -> Vec<u8> {
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 16) % few
            };
            (0..length).map(|_| next() as u8).collect()
        };
        for length in [0, 1, 3, 4, 5, 12, 13, 100, 1000, 70_000] {
            for few in [1, 2, 5, 256] {
                let came = Came {
                    version: length.to_string(),
                    body: noise(length, few).into(),
                };
                let packed = packer.pack(came.version.clone(), &came.body);
                assert_eq!(packed.unpack(), came, "{length} bytes of {few}");
            }
        }
    }

    #[test]
    fn what_is_like_another_takes_a_tenth() {
        let mut packer = Packer::default();
        packer.pack("1".to_owned(), &named("one"));
        for n in 0..100 {
            let body = named(&format!("another-{n}"));
            let packed = packer.pack(n.to_string(), &body);
            let size = packed.block.len();
            assert!(size * 10 < body.len(), "{size} of {}", body.len());
            assert_eq!(packed.unpack().body, body);
        }
    }

    #[test]
    fn what_repeats_itself_takes_a_tenth() {
        let body: Vec<u8> = (0..1000)
            .flat_map(|n| named(&format!("host-{n}")))
            .collect();
        let packed = Packer::default().pack(String::new(), &body);
        let size = packed.block.len();
        assert!(size * 10 < body.len(), "{size} of {}", body.len());
        assert_eq!(packed.unpack().body, body);
    }
}
