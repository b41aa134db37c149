//! The first line of a request (RFC 9112, 3).

use crate::authority::{is_host, is_host_and_port};
use crate::method::is_registered;
use crate::octets::{is_target, is_token};
use crate::{Config, Error, Version};

/// A request line, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestLine<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) version: Version,
    pub(crate) target: Target<'a>,
}

/// The forms of RFC 9112, 3.2, as HTTP/2 would say them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// origin-form and asterisk-form.
    Path(&'a [u8]),
    /// absolute-form. `path` may lack its slash when it begins with the query.
    Absolute { authority: &'a [u8], path: &'a [u8] },
    /// authority-form, of CONNECT.
    Authority(&'a [u8]),
}

/// Reads the line. One space each between the three parts: RFC 9112, 3 lets a recipient take other white space, and
/// warns of what comes of it.
pub(crate) fn read<'a>(line: &'a [u8], config: &Config) -> Result<RequestLine<'a>, Error> {
    let mut parts = line.split(|b| *b == b' ');
    let method = parts.next().unwrap_or_default();
    if !is_token(method) {
        return Err(Error::Method);
    }
    if !config.allow_custom_methods && !is_registered(method) {
        return Err(Error::Method);
    }
    let target = parts.next().ok_or(Error::RequestLine)?;
    let version = parts.next();
    if parts.next().is_some() {
        return Err(Error::RequestLine);
    }
    let version = version_of(version)?;
    if version == Version::Http10 && !config.accept_http_10 {
        return Err(Error::Http10);
    }
    Ok(RequestLine {
        method,
        version,
        target: target_of(method, target, config)?,
    })
}

/// A line of two parts is of HTTP/0.9.
fn version_of(version: Option<&[u8]>) -> Result<Version, Error> {
    match version {
        Some(b"HTTP/1.1") => Ok(Version::Http11),
        Some(b"HTTP/1.0") => Ok(Version::Http10),
        None => Err(Error::Version),
        Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Error::Version)
        }
        _ => Err(Error::RequestLine),
    }
}

fn target_of<'a>(method: &[u8], target: &'a [u8], config: &Config) -> Result<Target<'a>, Error> {
    if target.iter().any(|b| b.is_ascii_control() && *b != b'\t') {
        return Err(Error::InvalidCharacter);
    }
    if !is_target(target) {
        return Err(Error::RequestLine);
    }
    if target.contains(&b'#') {
        return Err(Error::Fragment);
    }
    if method == b"CONNECT" {
        return if is_host_and_port(target) {
            Ok(Target::Authority(target))
        } else {
            Err(Error::Target)
        };
    }
    match target {
        [b'/', ..] => Ok(Target::Path(target)),
        b"*" if method == b"OPTIONS" => Ok(Target::Path(target)),
        [b'*', ..] => Err(Error::Target),
        _ => absolute(method, target, config),
    }
}

fn absolute<'a>(method: &[u8], target: &'a [u8], config: &Config) -> Result<Target<'a>, Error> {
    let letters = target
        .iter()
        .take_while(|b| b.is_ascii_alphabetic())
        .count();
    let (scheme, rest) = target.split_at_checked(letters).ok_or(Error::RequestLine)?;
    let rest = rest
        .strip_prefix(b"://")
        .filter(|_| !scheme.is_empty())
        .ok_or(Error::RequestLine)?;
    let https = scheme.eq_ignore_ascii_case(b"https");
    if !https && !scheme.eq_ignore_ascii_case(b"http") {
        return Err(Error::Scheme);
    }
    if https && config.refuse_https {
        return Err(Error::HttpsInPlaintext);
    }
    let end = rest
        .iter()
        .position(|b| matches!(b, b'/' | b'?'))
        .unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).ok_or(Error::Target)?;
    if authority.is_empty() || !is_host(authority) {
        return Err(Error::Target);
    }
    let path = match path {
        // RFC 9112, 3.2.4: the last proxy on the way says OPTIONS for the whole server with an asterisk.
        [] if method == b"OPTIONS" => b"*",
        [] => b"/",
        path => path,
    };
    Ok(Target::Absolute { authority, path })
}
