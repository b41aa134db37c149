//! Changes of headers on the way.

use envoy_types::pb::envoy::config::core::v3::{
    HeaderValue, HeaderValueOption, header_value_option::HeaderAppendAction,
};
use resources::istio::virtual_service::HeaderOperations;

/// Whether a proxy takes this as a header's name (RFC 9110 section 5.1, or a pseudo-header).
pub(crate) fn is_name(name: &str) -> bool {
    let bare = name.strip_prefix(':').unwrap_or(name);
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !bare.is_empty() && bare.len() <= 256 && bare.bytes().all(token)
}

/// Whether a header may be changed: not the pseudo-headers, and the authority only by a rewrite.
pub(crate) fn may_change(name: &str) -> bool {
    is_name(name) && !name.starts_with(':') && !name.eq_ignore_ascii_case("host")
}

/// Whether a proxy takes this as a header's value.
pub(crate) fn is_value(value: &str) -> bool {
    value.len() <= 16 * 1024 && !value.bytes().any(|b| matches!(b, 0 | b'\r' | b'\n'))
}

/// The authority that operations set, which is a rewrite of it.
pub(super) fn authority(operations: Option<&HeaderOperations>) -> Option<&String> {
    let set = operations?
        .set
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("host") || *name == ":authority")?;
    Some(set.1)
}

/// What is added and what is removed. What a proxy would refuse is left out.
pub(super) fn operations(
    operations: Option<&HeaderOperations>,
) -> (Vec<HeaderValueOption>, Vec<String>) {
    let Some(operations) = operations else {
        return Default::default();
    };
    let set = operations
        .set
        .iter()
        .map(|pair| (pair, HeaderAppendAction::OverwriteIfExistsOrAdd));
    let add = operations
        .add
        .iter()
        .map(|pair| (pair, HeaderAppendAction::AppendIfExistsOrAdd));
    let add = set
        .chain(add)
        .filter(|((name, value), _)| may_change(name) && is_value(value))
        .map(|((name, value), action)| HeaderValueOption {
            header: Some(HeaderValue {
                key: name.clone(),
                value: format(value),
                ..Default::default()
            }),
            append_action: action.into(),
            ..Default::default()
        })
        .collect();
    let remove = operations
        .remove
        .iter()
        .filter(|name| may_change(name))
        .cloned()
        .collect();
    (add, remove)
}

/// Commands that may stand between percent signs in a value.
const COMMANDS: [&str; 16] = [
    "DOWNSTREAM_LOCAL_ADDRESS",
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_PORT",
    "DOWNSTREAM_LOCAL_URI_SAN",
    "DOWNSTREAM_PEER_SUBJECT",
    "DOWNSTREAM_PEER_URI_SAN",
    "DOWNSTREAM_REMOTE_ADDRESS",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_REMOTE_PORT",
    "HOSTNAME",
    "PROTOCOL",
    "REQUESTED_SERVER_NAME",
    "RESPONSE_FLAGS",
    "START_TIME",
    "UPSTREAM_HOST",
    "UPSTREAM_REMOTE_ADDRESS",
];

/// A value in which every percent sign that begins no known command stands for itself: a proxy
/// refuses the whole configuration for a command that it does not know.
fn format(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        out.push('%');
        if let Some(literal) = after.strip_prefix('%') {
            out.push('%');
            rest = literal;
            continue;
        }
        match after.split_once('%') {
            Some((command, tail)) if is_command(command) => {
                out.push_str(command);
                out.push('%');
                rest = tail;
            }
            _ => {
                out.push('%');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn is_command(text: &str) -> bool {
    if COMMANDS.contains(&text) {
        return true;
    }
    let inside = ["REQ(", "RESP("]
        .iter()
        .find_map(|head| text.strip_prefix(head))
        .and_then(|t| t.strip_suffix(')'));
    inside.is_some_and(|names| names.split('?').count() <= 2 && names.split('?').all(is_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_that_begin_no_command_are_escaped() {
        let cases = [
            ("50%", "50%%"),
            ("%REQ(x-a)%", "%REQ(x-a)%"),
            ("%NOSUCH%", "%%NOSUCH%%"),
            ("100%% sure", "100%% sure"),
            ("%PROTOCOL% 5%", "%PROTOCOL% 5%%"),
            ("plain", "plain"),
        ];
        for (value, want) in cases {
            assert_eq!(format(value), want);
        }
    }

    #[test]
    fn names_and_values_that_a_proxy_refuses_are_told_apart() {
        assert!(is_name("x-a") && is_name(":authority"));
        assert!(!is_name("") && !is_name(":") && !is_name("a b") && !is_name("a\n"));
        assert!(!may_change(":path") && !may_change("Host") && may_change("x-a"));
        assert!(!is_value("a\r\nb") && is_value("a b"));
    }
}
