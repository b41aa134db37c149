//! TLS settings, made once for each identity and set of roots.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

use rustls::client::{ClientSessionMemoryCache, Resumption};
use rustls::server::{ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::time_provider::DefaultTimeProvider;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion, version};

use super::choice::{Choice, Shown};
use super::clients::ClientVerifier;
use super::context::Versions;
use super::provider;
use super::resumption::{Remaining, Sessions, Tickets};
use super::secret::Secret;
use super::verifier::ChainVerifier;

/// Sessions with servers that are kept for each set of settings.
const SESSIONS: usize = 1024;

/// A secret with the hash of what it was made from.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) version: u64,
    pub(crate) secret: Secret,
}

/// The settings that exist.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    servers: HashMap<ServerKey, Weak<ServerConfig>>,
    clients: HashMap<ClientKey, Weak<ClientConfig>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ServerKey {
    identities: Vec<u64>,
    roots: Option<u64>,
    required: bool,
    alpn: Arc<[Vec<u8>]>,
    versions: Versions,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ClientKey {
    identity: Option<u64>,
    roots: Option<u64>,
    verify_name: bool,
    versions: Versions,
}

/// What a server's settings are made of.
pub(crate) struct Server<'a> {
    /// One at least.
    pub(crate) identities: Vec<&'a Stored>,
    pub(crate) roots: Option<&'a Stored>,
    /// A client must show a certificate; else it may.
    pub(crate) required: bool,
    pub(crate) alpn: &'a Arc<[Vec<u8>]>,
    pub(crate) versions: Versions,
}

/// What a client's settings are made of.
pub(crate) struct Client<'a> {
    pub(crate) identity: Option<&'a Stored>,
    pub(crate) roots: Option<&'a Stored>,
    pub(crate) verify_name: bool,
    pub(crate) versions: Versions,
}

impl Stored {
    /// The workload that a certificate names; empty: none.
    pub(crate) fn uri(&self) -> Arc<str> {
        match &self.secret {
            Secret::Identity { uri, .. } => uri.clone(),
            Secret::Roots(_) => Arc::default(),
        }
    }
}

impl Settings {
    /// The settings of a listener.
    ///
    /// # Errors
    /// A secret is of the wrong kind, or the TLS library refuses it.
    pub(crate) fn server(&mut self, of: &Server<'_>) -> Result<Arc<ServerConfig>, String> {
        let key = ServerKey {
            identities: of.identities.iter().map(|i| i.version).collect(),
            roots: of.roots.map(|r| r.version),
            required: of.required,
            alpn: of.alpn.clone(),
            versions: of.versions,
        };
        interned(&mut self.servers, key, || server(of))
    }

    /// The settings of a cluster. Protocols are offered per connection.
    ///
    /// # Errors
    /// As [`Settings::server`].
    pub(crate) fn client(&mut self, of: &Client<'_>) -> Result<Arc<ClientConfig>, String> {
        let key = ClientKey {
            identity: of.identity.map(|i| i.version),
            roots: of.roots.map(|r| r.version),
            verify_name: of.verify_name,
            versions: of.versions,
        };
        interned(&mut self.clients, key, || client(of))
    }
}

fn interned<K: Eq + Hash, V>(
    all: &mut HashMap<K, Weak<V>>,
    key: K,
    make: impl FnOnce() -> Result<V, String>,
) -> Result<Arc<V>, String> {
    if let Some(made) = all.get(&key).and_then(Weak::upgrade) {
        return Ok(made);
    }
    let made = Arc::new(make()?);
    all.retain(|_, weak| weak.strong_count() > 0);
    all.insert(key, Arc::downgrade(&made));
    Ok(made)
}

fn identity(stored: &Stored) -> Result<(Shown, u64), String> {
    match &stored.secret {
        Secret::Identity { shown, end, uri: _ } => Ok((shown.clone(), *end)),
        Secret::Roots(_) => Err("the secret named as certificate holds roots".to_owned()),
    }
}

fn roots(stored: &Stored) -> Result<Arc<RootCertStore>, String> {
    match &stored.secret {
        Secret::Roots(roots) => Ok(roots.clone()),
        Secret::Identity { .. } => Err("the secret named as roots holds a certificate".to_owned()),
    }
}

fn spoken(versions: Versions) -> Vec<&'static SupportedProtocolVersion> {
    let mut spoken = Vec::with_capacity(2);
    if versions.tls13 {
        spoken.push(&version::TLS13);
    }
    if versions.tls12 {
        spoken.push(&version::TLS12);
    }
    spoken
}

fn server(of: &Server<'_>) -> Result<ServerConfig, String> {
    let own: Vec<(Shown, u64)> = of
        .identities
        .iter()
        .map(|one| identity(one))
        .collect::<Result<_, _>>()?;
    // What one of them began ends with the first of them that ends.
    let end = own.iter().map(|(_, end)| *end).min().unwrap_or_default();
    let resolver: Arc<dyn ResolvesServerCert> = match own.as_slice() {
        [(one, _)] => Arc::new(SingleCertAndKey::from(one.key.clone())),
        _ => Arc::new(Choice(own.into_iter().map(|(shown, _)| shown).collect())),
    };
    let provider = provider();
    let verifier = match of.roots.map(roots).transpose()? {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(roots) => Arc::new(ClientVerifier::new(roots, of.required, provider.clone())?),
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&spoken(of.versions))
        .map_err(|e| e.to_string())?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(resolver);
    config.alpn_protocols = of.alpn.to_vec();
    config.ticketer = Arc::new(Tickets {
        inner: rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|e| e.to_string())?,
        remaining: Remaining {
            end,
            clock: Arc::new(DefaultTimeProvider),
        },
    });
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(config)
}

fn client(of: &Client<'_>) -> Result<ClientConfig, String> {
    let provider = provider();
    let verifier = ChainVerifier {
        roots: of.roots.map(roots).transpose()?,
        provider: provider.clone(),
        verify_name: of.verify_name,
    };
    let own = of.identity.map(identity).transpose()?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&spoken(of.versions))
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let (mut config, end) = match own {
        Some((own, end)) => (
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own.key))),
            end,
        ),
        None => (builder.with_no_client_auth(), u64::MAX),
    };
    config.resumption = Resumption::store(Arc::new(Sessions {
        inner: ClientSessionMemoryCache::new(SESSIONS),
        remaining: Remaining {
            end,
            clock: Arc::new(DefaultTimeProvider),
        },
    }));
    Ok(config)
}
