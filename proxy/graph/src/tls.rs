//! TLS as listeners accept it and clusters open it.

use std::sync::Arc;

/// ALPN by which two of these proxies agree that HTTP/1.1 is carried in HTTP/2 (docs/design/http1-in-http2.md). The
/// number at its end is that of the agreement: another meaning gets another name, and whoever knows only one of them
/// still finds it, or falls back to HTTP/1.1.
pub const HTTP1_IN_HTTP2: &[u8] = b"lateen-http/1.1-in-h2/1";

/// How a filter chain accepts TLS (`DownstreamTlsContext`).
#[derive(Debug, Clone)]
pub struct DownstreamTls {
    /// Made once for each identity and set of trusted roots; verifies that a client's chain leads to them.
    pub config: Arc<rustls::ServerConfig>,
    /// The same without ALPN, where `config` has it.
    pub without_alpn: Option<Arc<rustls::ServerConfig>>,
    /// A client must show a certificate.
    pub require_client_certificate: bool,
    /// What the client's certificate must name, besides leading to the roots; none: any.
    pub peers: PeerNames,
    /// Which certificate it must be.
    pub pins: Pins,
    /// The first URI name of the certificate shown to clients; empty: it has none.
    pub local_uri: Arc<str>,
}

impl DownstreamTls {
    /// The settings for a client that offers these protocols. One that offers none of ours goes on without, as with
    /// Envoy, where the TLS library would refuse it (RFC 7301, 3.2).
    #[must_use]
    pub fn for_client(&self, offered: &[Vec<u8>]) -> &Arc<rustls::ServerConfig> {
        match &self.without_alpn {
            Some(without)
                if !offered.is_empty()
                    && !offered
                        .iter()
                        .any(|p| self.config.alpn_protocols.contains(p)) =>
            {
                without
            }
            _ => &self.config,
        }
    }
}

/// How a cluster opens TLS (`UpstreamTlsContext`).
#[derive(Debug, Clone)]
pub struct UpstreamTls {
    /// Made once for each identity and set of trusted roots; verifies that a server's chain leads to them, not its
    /// names: those are compared with `peers` after the handshake and before the first byte of a request.
    pub config: Arc<rustls::ClientConfig>,
    /// The name asked for in the handshake; none: no SNI is sent.
    pub sni: Option<Arc<str>>,
    /// Protocols offered, before what a filter overrides for a request.
    pub alpn: Arc<[Vec<u8>]>,
    /// What the server's certificate must name.
    pub peers: PeerNames,
    /// The first URI name of the certificate shown to servers; empty: none.
    pub local_uri: Arc<str>,
}

impl UpstreamTls {
    /// Whether a connection made by one serves the other: the same name is asked for and the same peers are expected.
    /// A new certificate of this side alone does not end connections, as in Envoy.
    #[must_use]
    pub fn asks_the_same(&self, other: &UpstreamTls) -> bool {
        let names = (&self.peers.names, &other.peers.names);
        self.sni == other.sni
            && self.alpn == other.alpn
            && (Arc::ptr_eq(names.0, names.1) || names.0 == names.1)
    }
}

/// Names that a peer's certificate may have (`match_typed_subject_alt_names`): one of them is enough, none asks nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PeerNames {
    /// Patterns over URI and DNS names.
    pub names: Arc<[SanMatch]>,
}

/// Which certificates a peer's must be one of (`verify_certificate_hash`, `verify_certificate_spki`): one entry of either
/// list is enough, none asks nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pins {
    /// SHA-256 of whole certificates.
    pub certificates: Arc<[[u8; 32]]>,
    /// SHA-256 of their public keys (`SubjectPublicKeyInfo`).
    pub keys: Arc<[[u8; 32]]>,
}

impl Pins {
    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty() && self.keys.is_empty()
    }
}

/// A pattern over one kind of subject alternative name.
#[derive(Debug, Clone, PartialEq)]
pub struct SanMatch {
    /// Which kind.
    pub kind: SanKind,
    /// The pattern.
    pub pattern: crate::text::TextMatcher,
}

/// Kinds of subject alternative names that Istio uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SanKind {
    /// `uniformResourceIdentifier`
    Uri,
    /// `dNSName`
    Dns,
}

/// TLS of a chain or cluster whose secrets have not come yet, or have.
#[derive(Debug, Clone)]
pub enum Secured<T> {
    /// Secrets are there.
    Ready(Arc<T>),
    /// Connections are refused until they come (Envoy: a listener or cluster that warms).
    Waiting,
}
