//! A request's head.

use headers::{Headers, Known};

use crate::connection_field::remove_nominated;
use crate::fields::{self, Facts, Place};
use crate::framing::{self, Framing};
use crate::method::Method;
use crate::octets::members;
use crate::request_line::{self, Target};
use crate::section::next_line;
use crate::{Config, Error, Version};

/// What a request's head says besides its fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestHead {
    pub(crate) method: Method,
    pub(crate) version: Version,
    pub(crate) framing: Framing,
    pub(crate) upgrade: bool,
    pub(crate) expect_continue: bool,
    pub(crate) persistent: bool,
    /// `connection` nominates fields.
    pub(crate) nominates: bool,
}

/// Reads a whole head into `headers`.
pub(crate) fn read(
    mut section: &[u8],
    config: &Config,
    name_buffer: &mut Vec<u8>,
    headers: &mut Headers,
) -> Result<RequestHead, Error> {
    headers.clear();
    let line = request_line::read(next_line(&mut section), config)?;
    headers.push_known(Known::Method, line.method);
    let take_host = match line.target {
        Target::Path(path) => {
            headers.push_known(Known::Path, path);
            // Keeps the place: HTTP/2 wants pseudo-header fields first.
            headers.push_known(Known::Authority, b"");
            true
        }
        Target::Absolute { authority, path } => {
            name_buffer.clear();
            if path.starts_with(b"?") {
                name_buffer.push(b'/');
            }
            name_buffer.extend_from_slice(path);
            headers.push_known(Known::Path, name_buffer);
            headers.push_known(Known::Authority, authority);
            false
        }
        Target::Authority(authority) => {
            headers.push_known(Known::Authority, authority);
            false
        }
    };
    let facts = fields::read(
        section,
        Place::Request { take_host },
        config,
        name_buffer,
        headers,
    )?;
    if !facts.host {
        if line.version == Version::Http11 {
            return Err(Error::HostMissing);
        }
        if take_host {
            headers.remove(Known::Authority);
        }
    }
    let method = Method::of(line.method);
    let framing = framing::of_request(method, line.version, &facts)?;
    let upgrade = upgrade(&facts, line.version, method, headers);
    if facts.options > 0 {
        remove_nominated(section, &facts, true, name_buffer, headers)?;
    }
    Ok(RequestHead {
        method,
        version: line.version,
        framing,
        upgrade,
        expect_continue: facts.expect_continue && line.version == Version::Http11,
        persistent: persistent(&facts, line.version),
        nominates: facts.nominates,
    })
}

/// Whether the peer asks for an upgrade that may be granted; else `upgrade` is removed. As Envoy does, h2c is not even
/// passed on: RFC 9113 has dropped it.
fn upgrade(facts: &Facts, version: Version, method: Method, headers: &mut Headers) -> bool {
    let Some(value) = headers.get(Known::Upgrade) else {
        return false;
    };
    let h2c = members(value).all(|m| m.eq_ignore_ascii_case(b"h2c"));
    let asked = facts.upgrade && !h2c && version == Version::Http11 && method == Method::Other;
    if !asked {
        headers.remove(Known::Upgrade);
        headers.remove_name(b"http2-settings");
    }
    asked
}

/// Whether the connection may carry another message after this one (RFC 9112, 9.3).
pub(crate) fn persistent(facts: &Facts, version: Version) -> bool {
    !facts.close && (version == Version::Http11 || facts.keep_alive)
}
