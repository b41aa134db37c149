//! The accepting side.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};

use super::{TlsError, certified_key, provider, root_store};
use crate::bundle::WorkloadCertificate;

/// What a server asks of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// No certificate is asked for.
    None,
    /// One is asked for; a client without may go on and prove itself in another way. One that does not verify is
    /// refused.
    Optional,
    /// No connection without a certificate that verifies.
    Required,
}

/// A server's TLS settings, replaceable. Clients are verified against the certificate's roots; names are not checked
/// here, the peer's SPIFFE id is handed on instead.
pub struct ServerTls {
    current: ArcSwap<ServerConfig>,
    client_auth: ClientAuth,
    alpn: Vec<Vec<u8>>,
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTls")
            .field("client_auth", &self.client_auth)
            .finish_non_exhaustive()
    }
}

impl ServerTls {
    /// Serves with `certificate`, offering the ALPN names in `alpn` (`&[ALPN_H2]` for gRPC).
    ///
    /// # Errors
    /// A key that does not fit, or no usable root where client certificates are verified.
    pub fn new(
        certificate: WorkloadCertificate,
        client_auth: ClientAuth,
        alpn: &[&[u8]],
    ) -> Result<Self, TlsError> {
        let alpn: Vec<Vec<u8>> = alpn.iter().map(|name| name.to_vec()).collect();
        let config = server_config(certificate, client_auth, alpn.clone())?;
        Ok(Self {
            current: ArcSwap::new(config),
            client_auth,
            alpn,
        })
    }

    /// Uses another certificate, key and roots for connections from now on. On an error the old ones stay.
    ///
    /// # Errors
    /// As [`ServerTls::new`].
    pub fn replace(&self, certificate: WorkloadCertificate) -> Result<(), TlsError> {
        self.current.store(server_config(
            certificate,
            self.client_auth,
            self.alpn.clone(),
        )?);
        Ok(())
    }

    /// The settings for a connection that begins now.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }
}

fn server_config(
    certificate: WorkloadCertificate,
    client_auth: ClientAuth,
    alpn: Vec<Vec<u8>>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = provider();
    let verifier = match client_auth {
        ClientAuth::None => WebPkiClientVerifier::no_client_auth(),
        ClientAuth::Optional => WebPkiClientVerifier::builder_with_provider(
            root_store(&certificate.roots)?,
            provider.clone(),
        )
        .allow_unauthenticated()
        .build()?,
        ClientAuth::Required => WebPkiClientVerifier::builder_with_provider(
            root_store(&certificate.roots)?,
            provider.clone(),
        )
        .build()?,
    };
    let key = certified_key(certificate, &provider)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)));
    config.alpn_protocols = alpn;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
