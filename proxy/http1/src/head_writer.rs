//! Writes the fields of heads and trailers.

use headers::{Field, Headers, Known};

use crate::fields::may_trail;
use crate::octets::{decimal, ends_where_it_should, is_field_value};
use crate::{SendError, digits};

/// What the head says of the content's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Nothing.
    Nothing,
    /// `content-length: 0`, if the field is there already or `say`.
    Empty { say: bool },
    /// `content-length`, where it stood or at the end.
    Length(u64),
    /// `content-length` as it is: of content that is not sent.
    AsField,
    /// `transfer-encoding: chunked`
    Chunked,
}

/// What the head says of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// Nothing: the version's default holds.
    Silent,
    /// `connection: close`
    Close,
    /// `connection: keep-alive`, to HTTP/1.0
    KeepAlive,
}

/// Appends the fields and the empty line after them, in the order that Envoy has: fields, `connection`, framing.
pub(crate) fn fields(
    headers: &Headers,
    framing: Framing,
    closing: Closing,
    upgrade: bool,
    request: bool,
    out: &mut Vec<u8>,
) -> Result<(), SendError> {
    let mut length_said = false;
    let mut te = false;
    for f in headers.iter() {
        match f.known {
            Some(Known::Upgrade) if upgrade => {
                out.extend_from_slice(b"connection: Upgrade\r\n");
                field(&f, out)?;
            }
            Some(Known::ContentLength) => {
                if !length_said && framing != Framing::Nothing && framing != Framing::Chunked {
                    length_said = true;
                    content_length(framing, f.value, out)?;
                }
            }
            Some(Known::Te) => {
                if request && !te && f.value.eq_ignore_ascii_case(b"trailers") {
                    te = true;
                    field(&f, out)?;
                }
            }
            Some(Known::Host) => {}
            Some(known) if known.is_pseudo() || known.is_hop_by_hop() => {}
            _ => field(&f, out)?,
        }
    }
    match (closing, te) {
        (Closing::Close, true) => out.extend_from_slice(b"connection: close, te\r\n"),
        (Closing::Close, false) => out.extend_from_slice(b"connection: close\r\n"),
        (Closing::KeepAlive, _) => out.extend_from_slice(b"connection: keep-alive\r\n"),
        // RFC 9110, 10.1.4: who sends te must nominate it.
        (Closing::Silent, true) => out.extend_from_slice(b"connection: te\r\n"),
        (Closing::Silent, false) => {}
    }
    match framing {
        Framing::Empty { say: true } | Framing::Length(_) if !length_said => {
            content_length(framing, b"0", out)?
        }
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        _ => {}
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends trailers and the empty line after them, without fields that must not be among trailers.
pub(crate) fn trailers(trailers: &Headers, out: &mut Vec<u8>) -> Result<(), SendError> {
    for f in trailers.iter().filter(may_trail) {
        field(&f, out)?;
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends a value after making sure that it ends where it should.
pub(crate) fn value(value: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
    if !is_field_value(value) {
        return Err(SendError::Field);
    }
    out.extend_from_slice(value);
    Ok(())
}

fn field(f: &Field<'_>, out: &mut Vec<u8>) -> Result<(), SendError> {
    if f.known.is_none() && !ends_where_it_should(f.name) {
        return Err(SendError::Field);
    }
    out.extend_from_slice(f.name);
    out.extend_from_slice(b": ");
    value(f.value, out)?;
    out.extend_from_slice(b"\r\n");
    Ok(())
}

fn content_length(framing: Framing, as_field: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
    out.extend_from_slice(b"content-length: ");
    match framing {
        Framing::Length(n) => digits::decimal(n, out),
        Framing::AsField if decimal(as_field).is_some() => out.extend_from_slice(as_field),
        Framing::AsField => return Err(SendError::Field),
        _ => out.push(b'0'),
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}
