//! Sorting the entries of a map field inside an encoded message, without knowing its type.

/// One field as it stands in a message: its number and all its bytes, tag included, and for a
/// length-delimited one its payload.
struct Field<'a> {
    number: u32,
    whole: &'a [u8],
    payload: Option<&'a [u8]>,
}

const LENGTH_DELIMITED: u64 = 2;

fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn next(bytes: &[u8]) -> Option<Field<'_>> {
    let (tag, head) = varint(bytes)?;
    let rest = bytes.get(head..)?;
    let (length, payload) = match tag & 7 {
        0 => (varint(rest)?.1, None),
        1 => (8, None),
        5 => (4, None),
        LENGTH_DELIMITED => {
            let (size, prefix) = varint(rest)?;
            let end = prefix.checked_add(usize::try_from(size).ok()?)?;
            (end, Some(rest.get(prefix..end)?))
        }
        _ => return None,
    };
    let whole = bytes.get(..head.checked_add(length)?)?;
    Some(Field {
        number: u32::try_from(tag >> 3).ok()?,
        whole,
        payload,
    })
}

/// The message with the entries of the map at `path` sorted by their bytes, which begin with the
/// key's length and the key; `None` if the bytes are no message.
pub(super) fn sort(message: &[u8], path: &[u32]) -> Option<Vec<u8>> {
    let (&number, deeper) = path.split_first()?;
    let mut out = Vec::with_capacity(message.len());
    let mut entries: Vec<&[u8]> = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let field = next(rest)?;
        rest = rest.get(field.whole.len()..)?;
        match field.payload {
            Some(_) if field.number == number && deeper.is_empty() => entries.push(field.whole),
            Some(payload) if field.number == number => {
                write_varint(u64::from(number) << 3 | LENGTH_DELIMITED, &mut out);
                let inner = sort(payload, deeper)?;
                write_varint(inner.len() as u64, &mut out);
                out.extend_from_slice(&inner);
            }
            _ => out.extend_from_slice(field.whole),
        }
    }
    entries.sort_unstable();
    for entry in entries {
        out.extend_from_slice(entry);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use envoy_types::pb::envoy::config::core::v3::Metadata;
    use envoy_types::pb::envoy::config::endpoint::v3::{
        ClusterLoadAssignment, LbEndpoint, LocalityLbEndpoints,
    };
    use prost::Message;

    fn with_metadata() -> ClusterLoadAssignment {
        let filter_metadata = (0..8)
            .map(|n| (format!("key{n}"), Default::default()))
            .collect();
        let endpoint = LbEndpoint {
            metadata: Some(Metadata {
                filter_metadata,
                ..Default::default()
            }),
            health_status: 1,
            ..Default::default()
        };
        ClusterLoadAssignment {
            cluster_name: "c".to_owned(),
            endpoints: vec![LocalityLbEndpoints {
                lb_endpoints: vec![endpoint; 2],
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    #[test]
    fn equal_messages_have_equal_bytes_whatever_order_their_maps_fell_into() {
        let path = [2, 2, 3, 1];
        let first = sort(&with_metadata().encode_to_vec(), &path).unwrap();
        for _ in 0..20 {
            assert_eq!(
                sort(&with_metadata().encode_to_vec(), &path).unwrap(),
                first
            );
        }
        assert_eq!(
            ClusterLoadAssignment::decode(first.as_slice()).unwrap(),
            with_metadata()
        );
    }

    #[test]
    fn what_is_no_message_is_left_alone() {
        assert_eq!(sort(&[0x0a, 0x05, 0x01], &[1]), None);
        assert_eq!(sort(&[0xff; 12], &[1]), None);
    }
}
