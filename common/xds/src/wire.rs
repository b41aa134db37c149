//! Responses on the wire: encoded straight from shared resource bytes, because the generated types
//! keep `Any.value` as a vector of their own and would copy every resource for every client.
//! Field numbers are those of `envoy/service/discovery/v3/discovery.proto`.

use std::marker::PhantomData;
use std::sync::Arc;

use bytes::BufMut;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::{Resource, TypeUrl};

/// A `DeltaDiscoveryResponse`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DeltaResponse {
    /// `type_url`.
    pub(crate) type_url: TypeUrl,
    /// `nonce`.
    pub(crate) nonce: String,
    /// `resources`, each with its version.
    pub(crate) resources: Vec<Arc<Resource>>,
    /// `removed_resources`.
    pub(crate) removed: Vec<Arc<str>>,
}

/// A (state-of-the-world) `DiscoveryResponse`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SotwResponse {
    /// `type_url`.
    pub(crate) type_url: TypeUrl,
    /// `nonce`.
    pub(crate) nonce: String,
    /// `version_info`.
    pub(crate) version: String,
    /// `resources`.
    pub(crate) resources: Vec<Arc<Resource>>,
}

/// A response that can be written with the name of the control plane in it.
pub(crate) trait Response: Send + 'static {
    /// The type of the resources.
    fn type_url(&self) -> TypeUrl;
    /// The resources that it carries.
    fn resources(&self) -> &[Arc<Resource>];
    /// Writes the encoded message. `control_plane` becomes `ControlPlane.identifier`.
    fn encode(&self, control_plane: &str, to: &mut impl BufMut);
    /// How many bytes [`Response::encode`] writes.
    fn encoded_len(&self, control_plane: &str) -> usize;
}

impl Response for DeltaResponse {
    fn type_url(&self) -> TypeUrl {
        self.type_url
    }

    fn resources(&self) -> &[Arc<Resource>] {
        &self.resources
    }

    fn encode(&self, control_plane: &str, to: &mut impl BufMut) {
        for resource in &self.resources {
            let (any, version) = (any_len(resource), resource.version.to_string());
            header(2, delta_resource_len(resource), to);
            text(1, &version, to);
            header(2, any, to);
            put_any(resource, to);
            text(3, &resource.name, to);
        }
        text(4, self.type_url.as_str(), to);
        text(5, &self.nonce, to);
        for name in &self.removed {
            text(6, name, to);
        }
        header(7, text_len(1, control_plane), to);
        text(1, control_plane, to);
    }

    fn encoded_len(&self, control_plane: &str) -> usize {
        let resources: usize = self
            .resources
            .iter()
            .map(|resource| nested_len(2, delta_resource_len(resource)))
            .sum();
        let removed: usize = self.removed.iter().map(|name| text_len(6, name)).sum();
        resources
            + text_len(4, self.type_url.as_str())
            + text_len(5, &self.nonce)
            + removed
            + nested_len(7, text_len(1, control_plane))
    }
}

impl Response for SotwResponse {
    fn type_url(&self) -> TypeUrl {
        self.type_url
    }

    fn resources(&self) -> &[Arc<Resource>] {
        &self.resources
    }

    fn encode(&self, control_plane: &str, to: &mut impl BufMut) {
        text(1, &self.version, to);
        for resource in &self.resources {
            header(2, any_len(resource), to);
            put_any(resource, to);
        }
        text(4, self.type_url.as_str(), to);
        text(5, &self.nonce, to);
        header(6, text_len(1, control_plane), to);
        text(1, control_plane, to);
    }

    fn encoded_len(&self, control_plane: &str) -> usize {
        let resources: usize = self
            .resources
            .iter()
            .map(|resource| nested_len(2, any_len(resource)))
            .sum();
        text_len(1, &self.version)
            + resources
            + text_len(4, self.type_url.as_str())
            + text_len(5, &self.nonce)
            + nested_len(6, text_len(1, control_plane))
    }
}

/// The text form of a version: 16 digits.
const VERSION_LEN: usize = 16;

fn any_len(resource: &Resource) -> usize {
    text_len(1, resource.type_url.as_str()) + nested_len(2, resource.body.len())
}

fn put_any(resource: &Resource, to: &mut impl BufMut) {
    text(1, resource.type_url.as_str(), to);
    header(2, resource.body.len(), to);
    to.put_slice(&resource.body);
}

/// The length of a delta `Resource` message: version, resource, name.
pub(crate) fn delta_resource_len(resource: &Resource) -> usize {
    nested_len(1, VERSION_LEN) + nested_len(2, any_len(resource)) + text_len(3, &resource.name)
}

fn header(tag: u32, len: usize, to: &mut impl BufMut) {
    encode_key(tag, WireType::LengthDelimited, to);
    encode_varint(len as u64, to);
}

/// Text as protobuf 3 writes it: nothing for the empty one.
fn text(tag: u32, value: &str, to: &mut impl BufMut) {
    if !value.is_empty() || tag == 6 {
        header(tag, value.len(), to);
        to.put_slice(value.as_bytes());
    }
}

fn text_len(tag: u32, value: &str) -> usize {
    if value.is_empty() && tag != 6 {
        0
    } else {
        nested_len(tag, value.len())
    }
}

fn nested_len(tag: u32, len: usize) -> usize {
    key_len(tag) + encoded_len_varint(len as u64) + len
}

/// A tonic codec that writes responses of the type `Res` and reads requests of the type `Req`.
#[derive(Debug)]
pub(crate) struct ResponseCodec<Req, Res> {
    control_plane: Arc<str>,
    types: PhantomData<fn() -> (Req, Res)>,
}

impl<Req, Res> ResponseCodec<Req, Res> {
    /// A codec that names the control plane in every response.
    pub(crate) fn new(control_plane: Arc<str>) -> Self {
        let types = PhantomData;
        Self {
            control_plane,
            types,
        }
    }
}

impl<Req, Res> Codec for ResponseCodec<Req, Res>
where
    Req: prost::Message + Default + 'static,
    Res: Response,
{
    type Encode = Res;
    type Decode = Req;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self::new(self.control_plane.clone())
    }

    fn decoder(&mut self) -> Self {
        Self::new(self.control_plane.clone())
    }
}

impl<Req, Res: Response> Encoder for ResponseCodec<Req, Res> {
    type Item = Res;
    type Error = Status;

    fn encode(&mut self, item: Res, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.reserve(item.encoded_len(&self.control_plane));
        item.encode(&self.control_plane, to);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

impl<Req: prost::Message + Default, Res> Decoder for ResponseCodec<Req, Res> {
    type Item = Req;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Req>, Status> {
        Req::decode(from)
            .map(Some)
            .map_err(|error| Status::invalid_argument(format!("not a discovery request: {error}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use bytes::Bytes;
    use envoy_types::pb::envoy::config::cluster::v3::Cluster;
    use envoy_types::pb::envoy::service::discovery::v3::{
        DeltaDiscoveryResponse, DiscoveryResponse,
    };
    use prost::Message;

    use super::*;

    fn cluster(name: &str) -> Arc<Resource> {
        let message = Cluster {
            name: name.into(),
            alt_stat_name: "x".repeat(300),
            ..Cluster::default()
        };
        Arc::new(Resource::encode(TypeUrl::Cluster, name, &message))
    }

    fn encoded(response: &impl Response) -> Vec<u8> {
        let mut bytes = Vec::new();
        response.encode("pilot-1", &mut bytes);
        assert_eq!(bytes.len(), response.encoded_len("pilot-1"));
        bytes
    }

    #[test]
    fn a_delta_response_is_read_by_the_generated_types() {
        let (a, b) = (cluster("a"), cluster(""));
        let response = DeltaResponse {
            type_url: TypeUrl::Cluster,
            nonce: "7".into(),
            resources: vec![a.clone(), b],
            removed: vec!["gone".into(), "".into()],
        };
        let read = DeltaDiscoveryResponse::decode(encoded(&response).as_slice()).unwrap();
        assert_eq!(read.type_url, TypeUrl::Cluster.as_str());
        assert_eq!(read.nonce, "7");
        assert_eq!(read.removed_resources, ["gone", ""]);
        assert_eq!(read.control_plane.as_ref().unwrap().identifier, "pilot-1");
        assert_eq!(read.resources[0].name, "a");
        assert_eq!(read.resources[0].version, a.version.to_string());
        let any = read.resources[0].resource.as_ref().unwrap();
        assert_eq!(any.type_url, TypeUrl::Cluster.as_str());
        assert_eq!(Bytes::from(any.value.clone()), a.body);
        assert_eq!(encoded(&response), read.encode_to_vec());
    }

    #[test]
    fn a_state_of_the_world_response_is_read_by_the_generated_types() {
        let response = SotwResponse {
            type_url: TypeUrl::Cluster,
            nonce: "1".into(),
            version: "v".into(),
            resources: vec![cluster("a"), cluster("b")],
        };
        let read = DiscoveryResponse::decode(encoded(&response).as_slice()).unwrap();
        assert_eq!((&*read.version_info, &*read.nonce), ("v", "1"));
        assert_eq!(read.resources.len(), 2);
        assert_eq!(encoded(&response), read.encode_to_vec());
    }

    #[test]
    fn an_empty_response_still_names_its_type() {
        let response = DeltaResponse {
            type_url: TypeUrl::Listener,
            nonce: "1".into(),
            resources: vec![],
            removed: vec![],
        };
        let read = DeltaDiscoveryResponse::decode(encoded(&response).as_slice()).unwrap();
        assert_eq!(read.type_url, TypeUrl::Listener.as_str());
    }
}
