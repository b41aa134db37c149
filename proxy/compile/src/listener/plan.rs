//! A listener as its resource says, and what becomes of it with secrets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use graph::chain::{ChainMatch, FilterChain, Network};
use graph::listener::Listener;
use graph::tls::{DownstreamTls, Secured};

use crate::tls::context::{Downstream, Reference};

/// A listener that is compiled but for what comes by other resources.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Without chains.
    pub(crate) listener: Listener,
    pub(crate) chains: Vec<Chain>,
    pub(crate) default_chain: Option<Chain>,
    /// The route tables that its managers name, and how long to wait for them.
    pub(crate) routes: BTreeMap<Arc<str>, Duration>,
}

/// Route tables that are referred to.
#[derive(Debug, Default)]
pub(crate) struct Routes(pub(crate) BTreeMap<Arc<str>, Duration>);

/// A filter chain without its TLS settings.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) name: Arc<str>,
    pub(crate) on: ChainMatch,
    pub(crate) tls: Option<Downstream>,
    pub(crate) connect_timeout: Duration,
    pub(crate) network: Network,
    /// Hash of what it was made from.
    pub(crate) hash: u64,
}

/// A chain as it was built, to be built no second time.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    hash: u64,
    chain: Arc<FilterChain>,
}

impl Plan {
    /// The secrets that its chains need.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Reference> {
        self.chains
            .iter()
            .chain(&self.default_chain)
            .filter_map(|chain| chain.tls.as_ref())
            .flat_map(|tls| tls.shared.references())
    }

    /// The listener; `settings` makes those of TLS, or none where a secret is not there. Chains that are as `before`
    /// are the same ones, and those that are so but for their secrets have the same network filter, so that their
    /// connections go on.
    pub(crate) fn build(
        &self,
        mut settings: impl FnMut(&Downstream) -> Option<Served>,
        before: &[Built],
    ) -> (Listener, Vec<Built>) {
        let mut built = Vec::with_capacity(self.chains.len() + 1);
        let mut chain = |given: &Chain| {
            let config = given.tls.as_ref().map(&mut settings);
            let same = before.iter().find(|b| b.hash == given.hash);
            let chain = match same {
                Some(same) if is_secured_by(&same.chain, config.as_ref()) => same.chain.clone(),
                // Only its secrets are others.
                Some(same) => Arc::new(filter_chain(given, &same.chain.network, config)),
                None => Arc::new(filter_chain(given, &given.network, config)),
            };
            built.push(Built {
                hash: given.hash,
                chain: chain.clone(),
            });
            chain
        };
        let chains = self.chains.iter().map(&mut chain).collect();
        let default_chain = self.default_chain.as_ref().map(&mut chain);
        let Listener {
            name,
            addresses,
            bind,
            use_original_dst,
            restores_destination,
            transparent,
            original_source_mark,
            direction,
            tls_inspector,
            http_inspector,
            inspection_timeout,
            continue_on_inspection_timeout,
            chains: _,
            default_chain: _,
            access_logs,
            buffer_limit,
        } = &self.listener;
        let listener = Listener {
            name: name.clone(),
            addresses: addresses.clone(),
            bind: *bind,
            use_original_dst: *use_original_dst,
            restores_destination: *restores_destination,
            transparent: *transparent,
            original_source_mark: *original_source_mark,
            direction: *direction,
            tls_inspector: tls_inspector.clone(),
            http_inspector: http_inspector.clone(),
            inspection_timeout: *inspection_timeout,
            continue_on_inspection_timeout: *continue_on_inspection_timeout,
            chains,
            default_chain,
            access_logs: access_logs.clone(),
            buffer_limit: *buffer_limit,
        };
        (listener, built)
    }
}

/// Settings of a chain's TLS.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) config: Arc<rustls::ServerConfig>,
    pub(crate) without_alpn: Option<Arc<rustls::ServerConfig>>,
    /// The workload that the certificate names.
    pub(crate) local_uri: Arc<str>,
}

/// `Some(None)`: a secret is not there.
type Config = Option<Option<Served>>;

fn is_secured_by(chain: &FilterChain, config: Option<&Option<Served>>) -> bool {
    match (&chain.tls, config) {
        (None, None) | (Some(Secured::Waiting), Some(None)) => true,
        (Some(Secured::Ready(tls)), Some(Some(config))) => Arc::ptr_eq(&tls.config, &config.config),
        _ => false,
    }
}

fn filter_chain(given: &Chain, network: &Network, config: Config) -> FilterChain {
    let tls = given
        .tls
        .as_ref()
        .zip(config)
        .map(|(context, config)| match config {
            None => Secured::Waiting,
            Some(served) => Secured::Ready(Arc::new(DownstreamTls {
                config: served.config,
                without_alpn: served.without_alpn,
                local_uri: served.local_uri,
                require_client_certificate: context.require_client_certificate,
                peers: context.shared.peers.clone(),
                pins: context.shared.pins.clone(),
            })),
        });
    FilterChain {
        name: given.name.clone(),
        on: given.on.clone(),
        tls,
        connect_timeout: given.connect_timeout,
        network: network.clone(),
    }
}
