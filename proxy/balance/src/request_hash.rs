//! What a consistent hash is made of (`RouteAction.hash_policy`), as Envoy hashes it.

use std::net::{IpAddr, SocketAddr};

use graph::route::{HashOf, HashPolicy};
use headers::{Headers, Known};

use crate::xxhash::xxh64;

/// What is hashed of a request, and the cookie that its client is to be given.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RequestHash {
    /// The hash; `None`: nothing that a policy names is there.
    pub hash: Option<u64>,
    /// A `set-cookie` for a client that came without the cookie.
    pub cookie: Option<Vec<u8>>,
}

/// The hash of a request of this client, whose connection is from `ends[0]` to `ends[1]`.
#[must_use]
pub fn request_hash(
    policies: &[HashPolicy],
    request: &Headers,
    client: IpAddr,
    ends: [SocketAddr; 2],
) -> RequestHash {
    let mut found = RequestHash::default();
    for policy in policies {
        let part = match &policy.of {
            HashOf::Header(name) => header(request, name),
            HashOf::SourceIp => Some(source_hash(client)),
            HashOf::Query(name) => query(request, name).map(|v| xxh64(v, 0)),
            HashOf::Cookie { name, path, ttl } => match (cookie(request, name), ttl) {
                (Some(value), _) => Some(xxh64(value, 0)),
                (None, None) => None,
                (None, Some(ttl)) => {
                    // The same for all requests of a connection, so that those under way at once agree.
                    let [from, to] = ends.map(|end| end.to_string());
                    let value = format!("{:016x}", xxh64((from + &to).as_bytes(), 0));
                    found.cookie = Some(set_cookie(name, &value, path, ttl.as_secs()));
                    Some(xxh64(value.as_bytes(), 0))
                }
            },
        };
        if let Some(part) = part {
            // Turned, so that two equal parts do not undo each other.
            found.hash = Some(found.hash.map_or(0, |h| h.rotate_left(1)) ^ part);
        }
        if policy.terminal && found.hash.is_some() {
            break;
        }
    }
    found
}

/// The hash of a client's address, for connections of bytes too.
#[must_use]
pub fn source_hash(client: IpAddr) -> u64 {
    xxh64(client.to_string().as_bytes(), 0)
}

/// Of several values their order does not matter.
fn header(request: &Headers, name: &[u8]) -> Option<u64> {
    let mut values: Vec<&[u8]> = request
        .iter()
        .filter(|field| field.name == name)
        .map(|field| field.value)
        .collect();
    values.sort_unstable();
    (!values.is_empty()).then(|| xxh64(&values.concat(), 0))
}

fn query<'r>(request: &'r Headers, name: &[u8]) -> Option<&'r [u8]> {
    let path = request.get(Known::Path)?;
    let query = path.splitn(2, |b| *b == b'?').nth(1)?;
    let query = query.split(|b| *b == b'#').next()?;
    query.split(|b| *b == b'&').find_map(|pair| {
        let mut parts = pair.splitn(2, |b| *b == b'=');
        (parts.next() == Some(name)).then(|| parts.next().unwrap_or_default())
    })
}

fn cookie<'r>(request: &'r Headers, name: &[u8]) -> Option<&'r [u8]> {
    let pairs = request
        .all(Known::Cookie)
        .flat_map(|value| value.split(|b| *b == b';'));
    let found = pairs.into_iter().find_map(|pair| {
        let mut parts = pair.splitn(2, |b| *b == b'=');
        let this = parts.next()?.trim_ascii() == name;
        this.then(|| parts.next().unwrap_or_default().trim_ascii())
    })?;
    let bare = found
        .strip_prefix(b"\"")
        .and_then(|v| v.strip_suffix(b"\""));
    Some(bare.unwrap_or(found)).filter(|value| !value.is_empty())
}

fn set_cookie(name: &[u8], value: &str, path: &str, seconds: u64) -> Vec<u8> {
    let mut text = [name, b"=\"", value.as_bytes(), b"\""].concat();
    if seconds > 0 {
        text.extend_from_slice(format!("; Max-Age={seconds}").as_bytes());
    }
    if !path.is_empty() {
        text.extend_from_slice(b"; Path=");
        text.extend_from_slice(path.as_bytes());
    }
    text.extend_from_slice(b"; HttpOnly");
    text
}
