//! The secrets that exist, as Envoy's messages.

use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source::Specifier};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, Secret, TlsCertificate, secret::Type,
};
use envoy_types::pb::google::protobuf::Any;
use prost::Message;

use super::system_roots::system_roots;
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
    /// `file-root:system`: the roots of this system, for servers outside the mesh (`credentialName` and
    /// `caCertificates` of a DestinationRule left empty).
    SystemRoots,
}

impl Name {
    /// The secret of a name, or `None` if there is no such secret.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "default" => Some(Self::Default),
            "ROOTCA" => Some(Self::RootCa),
            "file-root:system" => Some(Self::SystemRoots),
            _ => None,
        }
    }

    /// The name as clients ask for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::RootCa => "ROOTCA",
            Self::SystemRoots => "file-root:system",
        }
    }

    /// The version in which the secret can be handed out now, where the workload's certificate is `issued`; `None`
    /// if it cannot.
    pub fn version(self, issued: Option<&Issued>) -> Option<&str> {
        match self {
            Self::Default | Self::RootCa => issued.map(|issued| issued.fingerprint.as_str()),
            Self::SystemRoots => Some(&system_roots().fingerprint),
        }
    }
}

/// The secret as a resource of a discovery response; `None` if there is no certificate to hand out. The message holds
/// the private key: it must not be logged.
pub fn resource(name: Name, issued: Option<&Issued>) -> Option<Any> {
    let kind = match name {
        Name::Default => {
            let issued = issued?;
            Type::TlsCertificate(TlsCertificate {
                certificate_chain: Some(inline(&issued.chain)),
                private_key: Some(inline(issued.key.as_str())),
                ..TlsCertificate::default()
            })
        }
        Name::RootCa => roots(&issued?.roots),
        Name::SystemRoots => roots(&system_roots().pem),
    };
    let secret = Secret {
        name: name.as_str().to_owned(),
        r#type: Some(kind),
    };
    Some(Any {
        type_url: TYPE_URL.to_owned(),
        value: secret.encode_to_vec(),
    })
}

fn roots(pem: &str) -> Type {
    Type::ValidationContext(CertificateValidationContext {
        trusted_ca: Some(inline(pem)),
        ..CertificateValidationContext::default()
    })
}

fn inline(pem: &str) -> DataSource {
    DataSource {
        specifier: Some(Specifier::InlineBytes(pem.as_bytes().to_vec())),
        ..DataSource::default()
    }
}
