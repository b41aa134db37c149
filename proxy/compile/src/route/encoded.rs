//! A route table's message, taken apart before it is decoded: a table of all services is many times larger decoded
//! than encoded, so its virtual hosts are decoded one at a time.

use bytes::{Buf, Bytes};
use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// `RouteConfiguration.virtual_hosts`
const VIRTUAL_HOSTS: u32 = 2;

/// An encoded `RouteConfiguration` in two parts.
pub(super) struct Parts {
    /// Virtual hosts, each encoded.
    pub(super) hosts: Vec<Bytes>,
    /// The message without them.
    pub(super) rest: Vec<u8>,
}

/// Takes a message apart.
///
/// # Errors
/// It is not a message of protocol buffers.
pub(super) fn parts(body: &Bytes) -> Result<Parts, DecodeError> {
    let mut parts = Parts {
        hosts: Vec::new(),
        rest: Vec::new(),
    };
    let mut left = body.clone();
    while left.has_remaining() {
        let start = left.clone();
        let (tag, wire) = decode_key(&mut left)?;
        if tag == VIRTUAL_HOSTS && wire == WireType::LengthDelimited {
            let mut host = left.clone();
            skip_field(wire, tag, &mut left, DecodeContext::default())?;
            decode_varint(&mut host)?;
            host.truncate(host.len() - left.len());
            parts.hosts.push(host);
        } else {
            skip_field(wire, tag, &mut left, DecodeContext::default())?;
            let length = start.len() - left.len();
            parts.rest.extend_from_slice(&start.slice(..length));
        }
    }
    Ok(parts)
}
