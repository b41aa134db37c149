//! A response's head.

use headers::{Headers, Known};

use crate::connection_field::remove_nominated;
use crate::fields::{self, Place};
use crate::framing::{self, Framing};
use crate::method::Method;
use crate::section::next_line;
use crate::{Config, Error, Version, request, status_line};

/// What a response's head says besides its fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    pub(crate) version: Version,
    pub(crate) framing: Framing,
    pub(crate) persistent: bool,
    /// `connection` nominates fields.
    pub(crate) nominates: bool,
}

/// Reads a whole head, of the response to a request with `method`, into `headers`.
pub(crate) fn read(
    mut section: &[u8],
    method: Method,
    config: &Config,
    name_buffer: &mut Vec<u8>,
    headers: &mut Headers,
) -> Result<ResponseHead, Error> {
    headers.clear();
    let line = status_line::read(next_line(&mut section))?;
    headers.push_known(Known::Status, line.digits);
    let facts = fields::read(section, Place::Response, config, name_buffer, headers)?;
    let framing = framing::of_response(method, line.status, line.version, &facts)?;
    if framing == Framing::Tunnel || line.status < 200 || line.status == 204 {
        headers.remove(Known::ContentLength);
    }
    if line.status != 101 {
        headers.remove(Known::Upgrade);
    }
    if facts.nominates {
        remove_nominated(section, &facts, false, name_buffer, headers)?;
    }
    Ok(ResponseHead {
        status: line.status,
        version: line.version,
        framing,
        persistent: framing != Framing::UntilClose && request::persistent(&facts, line.version),
        nominates: facts.nominates,
    })
}
