//! Options of a manager that are choices.

use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::{
    ForwardClientCertDetails, ForwardClientCertFormat, PathWithEscapedSlashesAction, ServerHeaderTransformation, SetCurrentClientCertDetails,
    UpgradeConfig,
};
use graph::manager::{ClientCertDetails, EscapedSlashes, ForwardClientCert, ServerHeader};

use crate::place::{Compiled, Place, take};
use crate::value::{bool_or, known};

pub(super) fn server_header(place: &Place<'_>, given: i32) -> Compiled<ServerHeader> {
    Ok(match known(place, "server_header_transformation", given)? {
        ServerHeaderTransformation::Overwrite => ServerHeader::Overwrite,
        ServerHeaderTransformation::AppendIfAbsent => ServerHeader::AppendIfAbsent,
        ServerHeaderTransformation::PassThrough => ServerHeader::PassThrough,
    })
}

pub(super) fn forward_client_cert(place: &Place<'_>, given: i32) -> Compiled<ForwardClientCert> {
    Ok(match known(place, "forward_client_cert_details", given)? {
        ForwardClientCertDetails::Sanitize => ForwardClientCert::Sanitize,
        ForwardClientCertDetails::ForwardOnly => ForwardClientCert::ForwardOnly,
        ForwardClientCertDetails::AppendForward => ForwardClientCert::AppendForward,
        ForwardClientCertDetails::SanitizeSet => ForwardClientCert::SanitizeSet,
        ForwardClientCertDetails::AlwaysForwardOnly => ForwardClientCert::AlwaysForwardOnly,
    })
}

pub(super) fn current_client_cert(
    place: &Place<'_>,
    given: &Option<SetCurrentClientCertDetails>,
) -> ClientCertDetails {
    let Some(SetCurrentClientCertDetails {
        subject,
        cert,
        chain,
        dns,
        uri,
        issuer,
        format,
    }) = given
    else {
        return ClientCertDetails::default();
    };
    let place = place.field("set_current_client_cert_details");
    place.should_be_unset("issuer", issuer);
    if *format != ForwardClientCertFormat::Text as i32 {
        place.warn("format", "is taken for TEXT");
    }
    ClientCertDetails {
        subject: bool_or(subject, false),
        cert: *cert,
        chain: *chain,
        dns: *dns,
        uri: *uri,
    }
}

pub(super) fn escaped_slashes(place: &Place<'_>, given: i32) -> Compiled<EscapedSlashes> {
    use PathWithEscapedSlashesAction as Given;
    Ok(
        match known(place, "path_with_escaped_slashes_action", given)? {
            Given::ImplementationSpecificDefault | Given::KeepUnchanged => EscapedSlashes::Keep,
            Given::RejectRequest => EscapedSlashes::Reject,
            Given::UnescapeAndRedirect => EscapedSlashes::UnescapeAndRedirect,
            Given::UnescapeAndForward => EscapedSlashes::UnescapeAndForward,
        },
    )
}

/// The upgrades that pass.
pub(super) fn upgrades(place: &Place<'_>, given: &[UpgradeConfig]) -> Compiled<Vec<Box<[u8]>>> {
    let mut upgrades = Vec::with_capacity(given.len());
    for (index, given) in given.iter().enumerate() {
        let place = place.item("upgrade_configs", index);
        take!(place, given, UpgradeConfig { upgrade_type, enabled } refuse { filters } note {} inert {});
        if upgrade_type.is_empty() {
            return Err(place.refuse("upgrade_type", "is required; name an upgrade"));
        }
        if bool_or(enabled, true) {
            upgrades.push(upgrade_type.to_ascii_lowercase().into_bytes().into());
        }
    }
    Ok(upgrades)
}
