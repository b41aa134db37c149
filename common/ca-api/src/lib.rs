//! Istio's certificate service, `istio.v1.auth.IstioCertificateService`: the seam between the ca, the pilot that relays
//! to it, and the agents. Istio's own agents and authorities speak the same.

/// The messages and services that are generated from `ca.proto`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::unwrap_used,
    clippy::indexing_slicing
)]
mod generated {
    tonic::include_proto!("istio.v1.auth");
}

pub use generated::{
    IstioCertificateRequest, IstioCertificateResponse, istio_certificate_service_client,
    istio_certificate_service_server,
};

/// The key in [`IstioCertificateRequest::metadata`] that names another workload to issue for.
pub const IMPERSONATED_IDENTITY: &str = "ImpersonatedIdentity";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use prost::Message;

    use super::*;

    #[test]
    fn a_request_has_the_field_numbers_of_istios_wire_format() {
        let metadata = [0x0a, 7, 0x0a, 1, b'k', 0x12, 2, 0x20, 1];
        let wire = [&[0x0a, 3][..], b"csr", &[0x18, 60, 0x22, 9], &metadata].concat();
        let request = IstioCertificateRequest::decode(&wire[..]).unwrap();
        assert_eq!(
            (request.csr.as_str(), request.validity_duration),
            ("csr", 60)
        );
        let value = request.metadata.unwrap().fields.remove("k").unwrap();
        assert_eq!(value.kind, Some(prost_types::value::Kind::BoolValue(true)));
        let response = IstioCertificateResponse {
            cert_chain: vec!["a".into(), "b".into()],
        };
        assert_eq!(response.encode_to_vec(), [0x0a, 1, b'a', 0x0a, 1, b'b']);
    }
}
