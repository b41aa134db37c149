//! The secrets that exist, as Envoy's messages.

use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source::Specifier};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, Secret, TlsCertificate, secret::Type,
};
use envoy_types::pb::google::protobuf::Any;
use prost::Message;

use crate::certificate::Issued;

/// The type URL of a secret.
pub const TYPE_URL: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

/// A secret that a workload has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// `default`: the workload's certificate chain and key.
    Default,
    /// `ROOTCA`: the roots that peers are verified against.
    RootCa,
}

impl Name {
    /// The secret of a name, or `None` if there is no such secret.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "default" => Some(Self::Default),
            "ROOTCA" => Some(Self::RootCa),
            _ => None,
        }
    }

    /// The name as clients ask for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::RootCa => "ROOTCA",
        }
    }
}

/// The secret as a resource of a discovery response. The message holds the private key: it must
/// not be logged.
pub fn resource(name: Name, issued: &Issued) -> Any {
    let kind = match name {
        Name::Default => Type::TlsCertificate(TlsCertificate {
            certificate_chain: Some(inline(&issued.chain)),
            private_key: Some(inline(issued.key.as_str())),
            ..TlsCertificate::default()
        }),
        Name::RootCa => Type::ValidationContext(CertificateValidationContext {
            trusted_ca: Some(inline(&issued.roots)),
            ..CertificateValidationContext::default()
        }),
    };
    let secret = Secret {
        name: name.as_str().to_owned(),
        r#type: Some(kind),
    };
    Any {
        type_url: TYPE_URL.to_owned(),
        value: secret.encode_to_vec(),
    }
}

fn inline(pem: &str) -> DataSource {
    DataSource {
        specifier: Some(Specifier::InlineBytes(pem.as_bytes().to_vec())),
        ..DataSource::default()
    }
}
