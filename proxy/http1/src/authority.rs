//! What names a host (RFC 3986, 3.2).

/// Whether it is `uri-host [":" port]` (RFC 9110, 7.2), or empty as where the target has no authority. User
/// information is refused: RFC 9110, 4.2.4 calls it an error here.
pub(crate) fn is_host(bytes: &[u8]) -> bool {
    bytes.is_empty()
        || split(bytes).is_some_and(|(host, port)| !host.is_empty() && port.is_none_or(is_port))
}

/// Whether it is `uri-host ":" port` (RFC 9112, 3.2.3).
pub(crate) fn is_host_and_port(bytes: &[u8]) -> bool {
    split(bytes).is_some_and(|(host, port)| {
        !host.is_empty() && port.is_some_and(|port| !port.is_empty() && is_port(port))
    })
}

fn is_port(port: &[u8]) -> bool {
    port.iter().all(u8::is_ascii_digit)
}

/// The host and what follows the colon after it; `None` where the host has bytes that none has.
fn split(bytes: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let host_len = match bytes.strip_prefix(b"[") {
        Some(literal) => {
            let len = literal.iter().position(|b| *b == b']')?;
            let address = literal.get(..len)?;
            let good = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b':' | b'.');
            // The letters of IPvFuture and of zones are nothing that a proxy can route to.
            (!address.is_empty() && address.iter().all(good)).then_some(len + 2)?
        }
        None => registered_name(bytes)?,
    };
    let (host, rest) = bytes.split_at_checked(host_len)?;
    match rest {
        [] => Some((host, None)),
        [b':', port @ ..] => Some((host, Some(port))),
        _ => None,
    }
}

/// How long the registered name at the front is: up to a colon or the end.
fn registered_name(bytes: &[u8]) -> Option<usize> {
    let len = bytes.iter().position(|b| *b == b':').unwrap_or(bytes.len());
    let mut rest = bytes.get(..len)?;
    while let [b, after @ ..] = rest {
        rest = match b {
            b'%' => match after {
                [high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    after
                }
                _ => return None,
            },
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'..=b',' | b';' | b'=' => after,
            _ if b.is_ascii_alphanumeric() => after,
            _ => return None,
        };
    }
    Some(len)
}
