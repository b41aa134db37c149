//! Redirects.

use envoy_types::pb::envoy::config::route::v3::{
    RedirectAction,
    redirect_action::{PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier},
};
use graph::route::{Redirect, RedirectPath};

use crate::place::{Compiled, Place, take};
use crate::text;
use crate::value::known;

pub(super) fn compile(place: &Place<'_>, given: &RedirectAction) -> Compiled<Redirect> {
    take!(place, given, RedirectAction {
        host_redirect, port_redirect, response_code, strip_query, scheme_rewrite_specifier, path_rewrite_specifier,
    } refuse {} note {} inert {});
    let status = match known(place, "response_code", *response_code)? {
        RedirectResponseCode::MovedPermanently => 301,
        RedirectResponseCode::Found => 302,
        RedirectResponseCode::SeeOther => 303,
        RedirectResponseCode::TemporaryRedirect => 307,
        RedirectResponseCode::PermanentRedirect => 308,
    };
    let clean = |field: &str, text: &str| match text.bytes().any(|b| matches!(b, 0 | b'\r' | b'\n'))
    {
        true => Err(place.refuse(field, "has a line end or NUL; leave it out")),
        false => Ok(()),
    };
    let (scheme, https) = match scheme_rewrite_specifier {
        None => (None, false),
        Some(SchemeRewriteSpecifier::HttpsRedirect(https)) => (None, *https),
        Some(SchemeRewriteSpecifier::SchemeRedirect(scheme)) => {
            clean("scheme_redirect", scheme)?;
            (
                Some(scheme.as_str())
                    .filter(|s| !s.is_empty())
                    .map(Into::into),
                false,
            )
        }
    };
    clean("host_redirect", host_redirect)?;
    let port = match u16::try_from(*port_redirect) {
        Ok(0) => None,
        Ok(port) => Some(port),
        Err(_) => return Err(place.refuse("port_redirect", "is not between 0 and 65535")),
    };
    let path = match path_rewrite_specifier {
        None => RedirectPath::Same,
        Some(PathRewriteSpecifier::PathRedirect(path)) if path.is_empty() => RedirectPath::Same,
        Some(PathRewriteSpecifier::PathRedirect(path)) => {
            clean("path_redirect", path)?;
            RedirectPath::Whole(path.as_bytes().into())
        }
        Some(PathRewriteSpecifier::PrefixRewrite(prefix)) => {
            clean("prefix_rewrite", prefix)?;
            RedirectPath::Prefix(prefix.as_bytes().into())
        }
        Some(PathRewriteSpecifier::RegexRewrite(rewrite)) => {
            let (pattern, by) = text::substitution(place, "regex_rewrite", rewrite)?;
            RedirectPath::Regex(pattern, by)
        }
        Some(PathRewriteSpecifier::PathRewrite(_)) => {
            return Err(place.refuse(
                "path_rewrite",
                "is not supported; use path_redirect, prefix_rewrite or regex_rewrite",
            ));
        }
    };
    Ok(Redirect {
        status,
        scheme,
        https,
        host: (!host_redirect.is_empty()).then(|| host_redirect.as_str().into()),
        port,
        path,
        strip_query: *strip_query,
    })
}
