//! What of a request a consistent hash is made of.

use envoy_types::pb::envoy::config::route::v3::route_action::{
    HashPolicy as Message,
    hash_policy::{ConnectionProperties, Cookie, Header, PolicySpecifier, QueryParameter},
};
use graph::route::{HashOf, HashPolicy};

use crate::place::{Compiled, Place, take};
use crate::value::duration;

pub(super) fn compile(place: &Place<'_>, given: &[Message]) -> Compiled<Vec<HashPolicy>> {
    let mut policies = Vec::with_capacity(given.len());
    for (index, given) in given.iter().enumerate() {
        let place = place.item("hash_policy", index);
        take!(place, given, Message { terminal, policy_specifier } refuse {} note {} inert {});
        let of = match place.required("policy_specifier", policy_specifier)? {
            PolicySpecifier::Header(given) => {
                let inside = place.field("header");
                take!(inside, given, Header { header_name } refuse { regex_rewrite } note {} inert {});
                Some(HashOf::Header(
                    header_name.to_ascii_lowercase().into_bytes().into(),
                ))
            }
            PolicySpecifier::Cookie(given) => {
                let inside = place.field("cookie");
                take!(inside, given, Cookie { name, ttl, path } refuse {} note { attributes } inert {});
                let token = |b: u8| b.is_ascii_graphic() && !matches!(b, b';' | b'=' | b',' | b'"');
                if name.is_empty() || !name.bytes().all(token) {
                    return Err(inside.refuse("name", "is no name of a cookie"));
                }
                if path
                    .bytes()
                    .any(|b| !(0x20..0x7f).contains(&b) || b == b';')
                {
                    return Err(inside.refuse("path", "is no path of a cookie"));
                }
                Some(HashOf::Cookie {
                    name: name.as_bytes().into(),
                    path: path.as_str().into(),
                    ttl: duration(&inside, "ttl", ttl)?,
                })
            }
            PolicySpecifier::ConnectionProperties(ConnectionProperties { source_ip }) => {
                source_ip.then_some(HashOf::SourceIp)
            }
            PolicySpecifier::QueryParameter(QueryParameter { name }) => {
                Some(HashOf::Query(name.as_bytes().into()))
            }
            PolicySpecifier::FilterState(_) => {
                place.warn("filter_state", "is not supported and has no effect");
                None
            }
        };
        policies.extend(of.map(|of| HashPolicy {
            of,
            terminal: *terminal,
        }));
    }
    Ok(policies)
}
