//! Removes what `connection` nominates (RFC 9110, 7.6.1).

use headers::{Headers, Known};

use crate::Error;
use crate::fields::Facts;
use crate::octets::{members, token_lower, trim};
use crate::section::next_line;

/// The most members of `connection` that are taken: Envoy refuses ten.
const MOST_OPTIONS: usize = 9;

/// Removes nominated fields, of a request (where Envoy refuses what would be an attack) or a response (where the
/// server is not asked for reasons: what must stay, stays).
pub(crate) fn remove_nominated(
    mut fields: &[u8],
    facts: &Facts,
    request: bool,
    name_buffer: &mut Vec<u8>,
    headers: &mut Headers,
) -> Result<(), Error> {
    if request && facts.options > MOST_OPTIONS {
        return Err(Error::ConnectionField);
    }
    while facts.nominates && !fields.is_empty() {
        let line = next_line(&mut fields);
        let Some((name, value)) = line
            .iter()
            .position(|b| *b == b':')
            .and_then(|at| line.split_at_checked(at))
        else {
            continue;
        };
        if !trim(name).eq_ignore_ascii_case(b"connection") {
            continue;
        }
        for option in members(trim(value.get(1..).unwrap_or_default())) {
            if option.starts_with(b":") && request {
                return Err(Error::ConnectionField);
            }
            name_buffer.clear();
            name_buffer.extend(option.iter().map(|b| token_lower(*b)));
            match Known::of(name_buffer) {
                // Their removal would hide where the request comes from, or what it is for.
                Some(
                    Known::Host
                    | Known::ContentLength
                    | Known::XForwardedFor
                    | Known::XForwardedHost
                    | Known::XForwardedProto,
                ) => {
                    if request {
                        return Err(Error::ConnectionField);
                    }
                }
                // Sanitized already.
                Some(Known::Te | Known::Upgrade) => {}
                _ => {
                    headers.remove_name(name_buffer);
                }
            }
        }
    }
    Ok(())
}
