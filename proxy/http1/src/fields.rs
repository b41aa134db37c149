//! Reads field lines (RFC 9112, 5) and learns from them what the message's framing needs.

use headers::{Field, Headers, Known};

use crate::octets::{decimal, is_field_value, lower_name, members, trim};
use crate::section::next_line;
use crate::{Config, Error};

/// What `transfer-encoding` said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Coding {
    /// There is none.
    #[default]
    Identity,
    /// One field, `chunked` alone.
    Chunked,
    /// Others before a last `chunked`, or it twice: the end could be found, the content not be decoded.
    Others,
    /// No `chunked` at the end: nobody can say where the message ends.
    Endless,
}

/// What the fields say of framing and of the connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) content_length: Option<u64>,
    pub(crate) coding: Coding,
    pub(crate) host: bool,
    /// `connection: close`
    pub(crate) close: bool,
    /// `connection: keep-alive`
    pub(crate) keep_alive: bool,
    /// `connection: upgrade`
    pub(crate) upgrade: bool,
    /// `expect: 100-continue`
    pub(crate) expect_continue: bool,
    /// `te` has `trailers`.
    pub(crate) te_trailers: bool,
    /// Members of `connection`.
    pub(crate) options: usize,
    /// `connection` has members that are field names to remove.
    pub(crate) nominates: bool,
}

/// Which section the fields stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A request's head; `host` becomes `:authority` where the target has none.
    Request { take_host: bool },
    /// A response's head.
    Response,
    /// The trailers of either.
    Trailers { response: bool },
}

/// Reads the field lines up to the empty line that ends `section` and appends to `headers` what may pass on.
pub(crate) fn read(
    mut section: &[u8],
    place: Place,
    config: &Config,
    name_buffer: &mut Vec<u8>,
    headers: &mut Headers,
) -> Result<Facts, Error> {
    let mut facts = Facts::default();
    let mut count = 0;
    let mut short = [0; 64];
    loop {
        let line = next_line(&mut section);
        let Some(first) = line.first() else {
            return Ok(facts);
        };
        // Envoy joins folded lines; RFC 9112, 5.2 lets a server refuse, and a folded line is read differently by too many.
        if matches!(first, b' ' | b'\t') {
            return Err(Error::ObsoleteFold);
        }
        count += 1;
        if count > config.max_fields {
            return Err(Error::TooManyFields);
        }
        let name = lower_name(line, &mut short, name_buffer);
        let mut rest = line.get(name.len()..).unwrap_or_default();
        // RFC 9112, 5.1: white space before the colon is refused in a request, removed from a response.
        if matches!(place, Place::Response | Place::Trailers { response: true }) {
            rest = trim(rest);
        }
        let [b':', value @ ..] = rest else {
            return Err(Error::FieldName);
        };
        if name.is_empty() {
            return Err(Error::FieldName);
        }
        let value = trim(value);
        if !is_field_value(value) {
            return Err(Error::InvalidCharacter);
        }
        let field = Field {
            name,
            value,
            known: Known::of(name),
            sensitive: false,
        };
        match place {
            Place::Trailers { .. } => {
                if may_trail(&field) {
                    headers.push_field(field);
                }
            }
            Place::Request { take_host } => facts.read_field(field, take_host, headers)?,
            Place::Response => facts.read_field(field, false, headers)?,
        }
    }
}

impl Facts {
    fn read_field(
        &mut self,
        field: Field<'_>,
        take_host: bool,
        headers: &mut Headers,
    ) -> Result<(), Error> {
        let value = field.value;
        match field.known {
            Some(Known::Host) => {
                if std::mem::replace(&mut self.host, true) {
                    return Err(Error::HostRepeated);
                }
                if !crate::authority::is_host(value) {
                    return Err(Error::Authority);
                }
                if take_host {
                    headers.set(Known::Authority, value);
                }
            }
            Some(Known::ContentLength) => {
                let length = decimal(value).ok_or(Error::ContentLength)?;
                if self.content_length.replace(length).is_some() {
                    // Envoy refuses equal ones, too; RFC 9112, 6.3 lets a recipient.
                    return Err(Error::ContentLength);
                }
                let zeros = value
                    .iter()
                    .take_while(|b| **b == b'0')
                    .count()
                    .min(value.len() - 1);
                headers.push_field(Field {
                    value: value.get(zeros..).unwrap_or(value),
                    ..field
                });
            }
            Some(Known::TransferEncoding) => {
                let last = members(value).last().unwrap_or_default();
                self.coding = match self.coding {
                    _ if !last.eq_ignore_ascii_case(b"chunked") => Coding::Endless,
                    Coding::Identity if value.len() == last.len() => Coding::Chunked,
                    _ => Coding::Others,
                };
            }
            Some(Known::Connection) => members(value).for_each(|option| self.read_option(option)),
            Some(Known::ProxyConnection) => {
                self.close |= members(value).any(|m| m.eq_ignore_ascii_case(b"close"));
            }
            Some(Known::KeepAlive) => {}
            Some(Known::Te) => {
                if !self.te_trailers && members(value).any(|m| m.eq_ignore_ascii_case(b"trailers"))
                {
                    self.te_trailers = true;
                    headers.push_known(Known::Te, b"trailers");
                }
            }
            Some(Known::Expect) => {
                self.expect_continue |= value.eq_ignore_ascii_case(b"100-continue");
                headers.push_field(field);
            }
            _ => headers.push_field(field),
        }
        Ok(())
    }

    fn read_option(&mut self, option: &[u8]) {
        self.options += 1;
        if option.eq_ignore_ascii_case(b"close") {
            self.close = true;
        } else if option.eq_ignore_ascii_case(b"keep-alive") {
            self.keep_alive = true;
        } else if option.eq_ignore_ascii_case(b"upgrade") {
            self.upgrade = true;
        } else if option.eq_ignore_ascii_case(b"te") {
            // Sanitized when read.
        } else {
            self.nominates = true;
        }
    }
}

/// Whether a field may stand in trailers (RFC 9110, 6.5.1): not those that frame, route, authenticate or say how to
/// read the content, which would be believed too late or merged by a careless recipient.
pub(crate) fn may_trail(field: &Field<'_>) -> bool {
    match field.known {
        Some(known) => {
            !known.is_pseudo()
                && !known.is_hop_by_hop()
                && !matches!(
                    known,
                    Known::Host
                        | Known::ContentLength
                        | Known::ContentType
                        | Known::Te
                        | Known::Trailer
                        | Known::Expect
                        | Known::Authorization
                        | Known::Cookie
                )
        }
        None => !matches!(
            field.name,
            b"content-encoding" | b"content-range" | b"proxy-authorization" | b"set-cookie"
        ),
    }
}
