//! Gateway: the ports that a gateway opens, for which hosts, and with what TLS.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `Gateway.spec`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewaySpec {
    /// What it opens.
    pub servers: Vec<Server>,
    /// Labels of the gateways' pods, of any namespace; empty selects every gateway.
    pub selector: BTreeMap<String, String>,
}

/// `Server`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Server {
    /// Appears in metrics and logs; optional.
    pub name: String,
    /// The port, as the gateway's Service has it.
    pub port: Option<Port>,
    /// An address to listen on instead of all.
    pub bind: String,
    /// Host names, `*` and `*.DOMAIN` among them, each with an optional `NAMESPACE/` of the VirtualServices that may
    /// use it (`*` any, `.` the Gateway's own).
    pub hosts: Vec<String>,
    /// TLS towards callers; none means plaintext.
    pub tls: Option<ServerTlsSettings>,
    /// Not used by Istio.
    pub default_endpoint: String,
}

/// `Port` of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Port {
    /// 1 to 65535.
    pub number: u16,
    /// `HTTP`, `HTTPS`, `GRPC`, `GRPC-WEB`, `HTTP2`, `MONGO`, `TCP` or `TLS`.
    pub protocol: String,
    /// A label for the port.
    pub name: String,
    /// Deprecated; not read by Istio.
    pub target_port: u32,
}

/// `ServerTLSSettings`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerTlsSettings {
    /// Answer plaintext requests with a redirect to HTTPS.
    pub https_redirect: bool,
    /// What is done with TLS.
    pub mode: ServerTlsMode,
    /// File of the certificate, in the gateway's container.
    pub server_certificate: String,
    /// File of its key.
    pub private_key: String,
    /// File of the roots that callers' certificates are verified against.
    pub ca_certificates: String,
    /// File of revoked certificates.
    pub ca_crl: String,
    /// Secret with certificate and key, and for mutual TLS the roots, in the gateway's namespace.
    pub credential_name: String,
    /// Several of them, of different kinds of keys.
    pub credential_names: Vec<String>,
    /// Secret with the roots alone.
    pub ca_cert_credential_name: String,
    /// Several pairs of files.
    pub tls_certificates: Vec<TlsCertificate>,
    /// Names of which a caller's certificate must have one.
    pub subject_alt_names: Vec<String>,
    /// Base64 SHA-256 of keys of which a caller's certificate must have one.
    pub verify_certificate_spki: Vec<String>,
    /// SHA-256 of certificates of which the caller's must be one.
    pub verify_certificate_hash: Vec<String>,
    /// Least version.
    pub min_protocol_version: TlsProtocol,
    /// Greatest version.
    pub max_protocol_version: TlsProtocol,
    /// Cipher suites up to TLS 1.2, by OpenSSL's names; none given means Istio's.
    pub cipher_suites: Vec<String>,
    /// Curves of the key exchange; none given means the proxy's.
    pub ecdh_curves: Vec<String>,
    /// Not read by Istio for servers.
    pub insecure_skip_verify: Option<bool>,
}

/// `ServerTLSSettings.TLSCertificate`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsCertificate {
    /// File of the certificate.
    pub server_certificate: String,
    /// File of its key.
    pub private_key: String,
    /// File of roots.
    pub ca_certificates: String,
}

/// `ServerTLSSettings.TLSmode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServerTlsMode {
    /// The server name picks the destination, which ends the TLS itself.
    #[default]
    Passthrough,
    /// The gateway shows a certificate.
    Simple,
    /// And the caller must show one, too.
    Mutual,
    /// As PASSTHROUGH, the server name being the name of a cluster of Istio's.
    AutoPassthrough,
    /// Mutual TLS with the mesh's own certificates.
    IstioMutual,
    /// The caller may show one.
    OptionalMutual,
}

/// `ServerTLSSettings.TLSProtocol`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsProtocol {
    /// Istio's choice.
    #[default]
    #[serde(rename = "TLS_AUTO")]
    Auto,
    /// TLS 1.0.
    #[serde(rename = "TLSV1_0")]
    V1_0,
    /// TLS 1.1.
    #[serde(rename = "TLSV1_1")]
    V1_1,
    /// TLS 1.2.
    #[serde(rename = "TLSV1_2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "TLSV1_3")]
    V1_3,
}
