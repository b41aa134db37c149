//! Sessions that are taken up again, never beyond the end of the own certificate.
//!
//! Each set of TLS settings has its own keys and its own store, so a session ends with the identity and the roots
//! with which it began.

use std::sync::Arc;

use rustls::NamedGroup;
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;
use rustls::server::ProducesTickets;
use rustls::time_provider::TimeProvider;

/// Seconds that are left of a certificate's life.
#[derive(Debug)]
pub(super) struct Remaining {
    /// Seconds since the epoch.
    pub(super) end: u64,
    pub(super) clock: Arc<dyn TimeProvider>,
}

impl Remaining {
    fn seconds(&self) -> u32 {
        let now = self
            .clock
            .current_time()
            .map_or(u64::MAX, |now| now.as_secs());
        u32::try_from(self.end.saturating_sub(now)).unwrap_or(u32::MAX)
    }
}

/// Tickets for clients.
#[derive(Debug)]
pub(super) struct Tickets {
    pub(super) inner: Arc<dyn ProducesTickets>,
    pub(super) remaining: Remaining,
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        self.inner.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.inner.lifetime().min(self.remaining.seconds())
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        (self.remaining.seconds() > 0).then(|| self.inner.encrypt(plain))?
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        (self.remaining.seconds() > 0).then(|| self.inner.decrypt(cipher))?
    }
}

/// Tickets from servers.
#[derive(Debug)]
pub(super) struct Sessions {
    pub(super) inner: ClientSessionMemoryCache,
    pub(super) remaining: Remaining,
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.inner.set_kx_hint(server_name, group);
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.inner.kx_hint(server_name)
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.inner.set_tls12_session(server_name, value);
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        let session = self.inner.tls12_session(server_name);
        session.filter(|_| self.remaining.seconds() > 0)
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        self.inner.remove_tls12_session(server_name);
    }

    fn insert_tls13_ticket(
        &self,
        server_name: ServerName<'static>,
        value: Tls13ClientSessionValue,
    ) {
        self.inner.insert_tls13_ticket(server_name, value);
    }

    fn take_tls13_ticket(
        &self,
        server_name: &ServerName<'static>,
    ) -> Option<Tls13ClientSessionValue> {
        let ticket = self.inner.take_tls13_ticket(server_name);
        ticket.filter(|_| self.remaining.seconds() > 0)
    }
}
