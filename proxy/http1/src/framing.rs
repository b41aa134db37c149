//! How the end of a message is known (RFC 9112, 6.3).

use crate::fields::{Coding, Facts};
use crate::method::Method;
use crate::{BodyLength, Error, Version};

/// How the content of a message is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// By a count of bytes, more than none.
    Sized(u64),
    /// By the chunked coding.
    Chunked,
    /// By the end of the connection.
    UntilClose,
    /// There is none: what follows is another protocol.
    Tunnel,
}

impl Framing {
    pub(crate) fn body(self) -> BodyLength {
        match self {
            Framing::None => BodyLength::Empty,
            Framing::Sized(n) => BodyLength::Exact(n),
            Framing::Chunked | Framing::UntilClose | Framing::Tunnel => BodyLength::Unknown,
        }
    }
}

/// What holds for both directions: what two recipients could read differently is refused.
fn check(facts: &Facts, version: Version) -> Result<(), Error> {
    match facts.coding {
        Coding::Identity => Ok(()),
        _ if facts.content_length.is_some() => Err(Error::LengthAndTransferEncoding),
        _ if version == Version::Http10 => Err(Error::TransferEncodingNotAllowed),
        Coding::Chunked => Ok(()),
        Coding::Others => Err(Error::TransferEncoding),
        Coding::Endless => Err(Error::ChunkedNotLast),
    }
}

fn delimited(facts: &Facts, otherwise: Framing) -> Framing {
    match (facts.coding, facts.content_length) {
        (Coding::Identity, None) => otherwise,
        (Coding::Identity, Some(0)) => Framing::None,
        (Coding::Identity, Some(n)) => Framing::Sized(n),
        _ => Framing::Chunked,
    }
}

/// Of a request.
pub(crate) fn of_request(
    method: Method,
    version: Version,
    facts: &Facts,
) -> Result<Framing, Error> {
    check(facts, version)?;
    let framing = delimited(facts, Framing::None);
    if method == Method::Connect && framing != Framing::None {
        return Err(Error::BodyNotAllowed);
    }
    Ok(framing)
}

/// Of a response with this status to a request with this method.
pub(crate) fn of_response(
    method: Method,
    status: u16,
    version: Version,
    facts: &Facts,
) -> Result<Framing, Error> {
    // RFC 9112, 6.3, 2: such a response has no use for either field.
    if method == Method::Connect && (200..300).contains(&status) {
        return Ok(Framing::Tunnel);
    }
    check(facts, version)?;
    if status < 200 || status == 204 {
        return match (facts.coding, facts.content_length) {
            (Coding::Identity, None | Some(0)) if status == 101 => Ok(Framing::Tunnel),
            (Coding::Identity, None | Some(0)) => Ok(Framing::None),
            (Coding::Identity, Some(_)) => Err(Error::ContentLengthNotAllowed),
            _ => Err(Error::TransferEncodingNotAllowed),
        };
    }
    if method == Method::Head || status == 304 {
        return Ok(Framing::None);
    }
    Ok(delimited(facts, Framing::UntilClose))
}
