//! The connecting side.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::SingleCertAndKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use super::{ALPN_H2, TlsError, certified_key, provider, root_store};
use crate::SpiffeId;
use crate::bundle::WorkloadCertificate;
use crate::cert::leaf_identity;

/// Who the server must prove to be.
#[derive(Debug, Clone)]
pub enum Expected {
    /// A DNS name or IP address among its certificate's names; also sent as SNI when it is a name.
    Dns(ServerName<'static>),
    /// One of these workloads. SNI is the host that was dialled.
    Spiffe(Vec<SpiffeId>),
}

/// A client's TLS settings, replaceable. The server's chain is always verified against the roots; HTTP/2 is offered.
pub struct ClientTls {
    current: ArcSwap<ClientConfig>,
    expected: Expected,
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientTls")
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

impl ClientTls {
    /// Trusts `roots`, presents `certificate` if there is one (its own `roots` are not used), and accepts only the
    /// `expected` server.
    ///
    /// # Errors
    /// No usable root, or a key that does not fit its certificate.
    pub fn new(
        roots: &[CertificateDer<'static>],
        certificate: Option<WorkloadCertificate>,
        expected: Expected,
    ) -> Result<Self, TlsError> {
        let config = client_config(roots, certificate, expected.clone())?;
        Ok(Self {
            current: ArcSwap::new(config),
            expected,
        })
    }

    /// Uses other roots and another certificate for connections from now on. On an error the old ones stay.
    ///
    /// # Errors
    /// As [`ClientTls::new`].
    pub fn replace(
        &self,
        roots: &[CertificateDer<'static>],
        certificate: Option<WorkloadCertificate>,
    ) -> Result<(), TlsError> {
        self.current
            .store(client_config(roots, certificate, self.expected.clone())?);
        Ok(())
    }

    /// The settings for a connection that begins now.
    pub fn config(&self) -> Arc<ClientConfig> {
        self.current.load_full()
    }

    /// The server name to begin a handshake with when `host` was dialled.
    ///
    /// # Errors
    /// `host` is neither a DNS name nor an IP address.
    pub fn server_name(
        &self,
        host: &str,
    ) -> Result<ServerName<'static>, rustls::pki_types::InvalidDnsNameError> {
        match &self.expected {
            Expected::Dns(name) => Ok(name.clone()),
            Expected::Spiffe(_) => ServerName::try_from(host.to_owned()),
        }
    }
}

fn client_config(
    roots: &[CertificateDer<'static>],
    certificate: Option<WorkloadCertificate>,
    expected: Expected,
) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = provider();
    let verifier = Verifier {
        roots: root_store(roots)?,
        provider: provider.clone(),
        expected,
    };
    let own = certificate
        .map(|certificate| certified_key(certificate, &provider))
        .transpose()?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match own {
        Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Verifies chain, validity and purpose as webpki does, then the name or identity that was asked for. rustls' own
/// verifier cannot be used because it always asks for a DNS name or an address.
#[derive(Debug)]
struct Verifier {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
    expected: Expected,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            algorithms,
        )?;
        match &self.expected {
            Expected::Dns(name) => verify_server_name(&parsed, name)?,
            Expected::Spiffe(allowed) => {
                let id = leaf_identity(std::slice::from_ref(end_entity));
                if !id.is_some_and(|id| allowed.contains(&id)) {
                    return Err(CertificateError::NotValidForName.into());
                }
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
