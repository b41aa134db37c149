//! From a new socket to a filter chain.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use graph::chain::{Facts, FilterChain, Network, Transport};
use graph::listener::{Direction, Listener};
use graph::tls::Secured;
use inspect::{ClientHello, Http};
use mio::Interest;
use mio::net::TcpStream;

use super::Worker;
use crate::conn::{Arrival, Conn, Downstream, Open, Role};
use crate::peer::Certificate;
use crate::timers::Timer;
use crate::tls::Session;
use crate::upstream::source::Source;
use crate::wire::{Wire, canonical};

/// Accepted in one go before others get their turn.
const AT_ONCE: usize = 64;
/// Between two tries of a listening socket that cannot accept.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);
/// A handshake or inspection that takes longer is given up where the listener says nothing.
const OPENING: std::time::Duration = std::time::Duration::from_secs(15);

impl Worker {
    pub(super) fn accept(&mut self, listening: usize) {
        for _ in 0..AT_ONCE {
            let Some(listener) = self.listening.get(listening) else {
                return;
            };
            let (taker, address) = (listener.listener.clone(), listener.address);
            match listener.socket.accept() {
                Ok((socket, source)) => self.arrive(taker, address, socket, canonical(source)),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // Out of descriptors and the like. What waits makes no new edge.
                    let name = &taker.name;
                    tracing::warn!("listener {name}: {error}; trying again in {PAUSE:?}");
                    self.timers.add(self.now + PAUSE, Timer::Accept(listening));
                    return;
                }
            }
        }
        // More may wait, and an edge comes only with a new one.
        self.accept_again.push(listening);
    }

    fn arrive(
        &mut self,
        listener: Arc<Listener>,
        address: SocketAddr,
        socket: TcpStream,
        source: SocketAddr,
    ) {
        let _ = socket.set_nodelay(true);
        let own = socket.local_addr().map_or(address, canonical);
        let destination = if listener.restores_destination || listener.use_original_dst {
            original(&socket, own)
        } else {
            own
        };
        let listener = match listener.use_original_dst {
            true => self.arrivals.to(destination).cloned().unwrap_or(listener),
            false => listener,
        };
        let number = self.number();
        let open = match listener.direction {
            Direction::Inbound => Some(Open::count(&self.open.inbound)),
            Direction::Outbound => Some(Open::count(&self.open.outbound)),
            Direction::Unspecified => None,
        };
        let arrival = Arrival {
            listener,
            source,
            destination,
            server_name: "".into(),
            plaintext: None,
        };
        let make = |mut wire: Wire, now| {
            // An accepted socket takes and may have bytes: no edge is waited for.
            wire.readable = true;
            wire.writable = true;
            Conn {
                open,
                ..conn(wire, Role::Inspecting(Box::new(arrival)), number, now)
            }
        };
        let Some(slot) = self.register(socket, number, make) else {
            return;
        };
        let opening = Some(self.now + self.opening_timeout(slot));
        if let Some(c) = self.conns.get_mut(slot) {
            c.opening = opening;
        }
        self.watch_conn(slot);
        self.try_chain(slot, true);
        if self.conns.get(slot).is_some_and(|c| !c.gone) {
            self.on_readable(slot);
        }
    }

    fn opening_timeout(&self, slot: usize) -> std::time::Duration {
        match self.conns.get(slot).map(|c| &c.role) {
            Some(Role::Inspecting(a)) if !a.listener.inspection_timeout.is_zero() => {
                a.listener.inspection_timeout
            }
            _ => OPENING,
        }
    }

    /// Puts a socket into a slot and under watch.
    pub(super) fn register(
        &mut self,
        mut socket: TcpStream,
        number: u64,
        make: impl FnOnce(Wire, Instant) -> Conn,
    ) -> Option<usize> {
        let entry = self.conns.vacant_entry();
        let slot = entry.key();
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self
            .poll
            .registry()
            .register(&mut socket, mio::Token(slot), interest)
        {
            tracing::warn!("connection {number}: cannot be watched: {error}");
            return None;
        }
        entry.insert(make(Wire::new(socket, None), self.now));
        Some(slot)
    }

    /// Looks at the first bytes and, once enough is known, chooses the chain.
    /// `first`: before any byte, for listeners that need none.
    pub(super) fn try_chain(&mut self, slot: usize, first: bool) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        let Role::Inspecting(arrival) = &mut c.role else {
            return;
        };
        let port = arrival.destination.port();
        let bytes: &[u8] = &c.wire.unread;
        let on = |ports: &Option<graph::listener::DisabledPorts>| {
            ports.as_ref().is_some_and(|d| !d.contains(port))
        };
        let mut transport = Transport::RawBuffer;
        let mut protocols: Vec<Vec<u8>> = Vec::new();
        let over = c.wire.ended;
        let inspected = [
            &arrival.listener.tls_inspector,
            &arrival.listener.http_inspector,
        ];
        // Envoy's inspection ends with the connection: a probe that says nothing reaches no upstream.
        if over && bytes.is_empty() && inspected.into_iter().any(on) {
            self.close(slot);
            return;
        }
        if on(&arrival.listener.tls_inspector) {
            match inspect::client_hello(bytes) {
                ClientHello::NeedMore if !over => return,
                ClientHello::Found(hello) => {
                    transport = Transport::Tls;
                    arrival.server_name = String::from_utf8_lossy(hello.server_name())
                        .to_ascii_lowercase()
                        .into();
                    protocols = hello.alpn().map(<[u8]>::to_vec).collect();
                }
                _ => {}
            }
        }
        if transport == Transport::RawBuffer && on(&arrival.listener.http_inspector) {
            let found = match inspect::http(bytes) {
                Http::NeedMore if !over => return,
                Http::Http10 => Some("http/1.0"),
                Http::Http11 => Some("http/1.1"),
                Http::Http2 => Some("h2c"),
                _ => None,
            };
            arrival.plaintext = found;
            protocols.extend(found.map(|p| p.as_bytes().to_vec()));
        }
        if first && over {
            return;
        }
        self.choose_chain(slot, transport, &protocols);
    }

    /// Chooses the chain by what is known.
    fn choose_chain(&mut self, slot: usize, transport: Transport, protocols: &[Vec<u8>]) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        let Role::Inspecting(arrival) = &mut c.role else {
            return;
        };
        let names: Vec<&[u8]> = protocols.iter().map(Vec::as_slice).collect();
        let facts = Facts {
            destination: arrival.destination,
            source: arrival.source,
            transport,
            server_name: arrival.server_name.as_bytes(),
            application_protocols: &names,
        };
        let Some(chain) = arrival.listener.chain(&facts).cloned() else {
            self.no_chain(slot);
            return;
        };
        match &chain.tls {
            None => self.enter(slot, &chain),
            Some(Secured::Waiting) => self.close(slot),
            // The handshake has a time of its own; inspection may have taken for ever.
            Some(Secured::Ready(tls)) => match Session::server(tls.for_client(protocols)) {
                Ok(session) => {
                    c.wire.tls = Some(Box::new(session));
                    c.wire.open = false;
                    let chain_timeout = chain.connect_timeout;
                    let role = std::mem::replace(&mut c.role, Role::Closing);
                    if let Role::Inspecting(arrival) = role {
                        c.role = Role::Accepting(arrival, chain);
                    }
                    let within = match chain_timeout {
                        time if time.is_zero() => OPENING,
                        time => time,
                    };
                    c.opening = Some(self.now + within);
                    self.watch_conn(slot);
                    self.feed_unread(slot);
                }
                Err(error) => {
                    tracing::warn!("listener {}: TLS: {error}", arrival.listener.name);
                    self.close(slot);
                }
            },
        }
    }

    /// No chain takes a connection: it ends, and the listener's log says so.
    fn no_chain(&mut self, slot: usize) {
        let Some(Role::Inspecting(arrival)) = self.conns.get(slot).map(|c| &c.role) else {
            return;
        };
        let listener = arrival.listener.clone();
        let mut downstream = accesslog::Downstream::new(arrival.destination, arrival.source);
        let name = accesslog::shown_server_name(&arrival.server_name);
        downstream.requested_server_name = &name;
        let entry = accesslog::Entry {
            flags: accesslog::Flags::NO_ROUTE_FOUND,
            response_code_details: "filter_chain_not_found",
            ..accesslog::Entry::new(self.wall, downstream)
        };
        self.log(&listener.access_logs, &entry);
        if let Some(c) = self.conns.get_mut(slot) {
            // Bytes of the client are lost: it is told.
            c.wire.abort = !c.wire.unread.is_empty();
        }
        self.close(slot);
    }

    /// TLS of a client is agreed on: is the client one that may come in?
    pub(super) fn accepted(&mut self, slot: usize) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        let Role::Accepting(_, chain) = &c.role else {
            return;
        };
        let (chain, wall) = (chain.clone(), self.wall);
        let certificate = c
            .wire
            .tls
            .as_ref()
            .and_then(|t| t.peer_certificates()?.first().and_then(Certificate::read));
        if let Some(Secured::Ready(tls)) = &chain.tls
            && !certificate
                .as_ref()
                .map_or(!tls.require_client_certificate, |c| {
                    c.is_one_of(&tls.peers) && c.is_pinned(&tls.pins) && c.holds_at(wall)
                })
        {
            self.close(slot);
            return;
        }
        self.enter_with(slot, &chain, certificate);
    }

    fn enter(&mut self, slot: usize, chain: &Arc<FilterChain>) {
        self.enter_with(slot, chain, None);
        self.feed_unread(slot);
    }

    fn enter_with(
        &mut self,
        slot: usize,
        chain: &Arc<FilterChain>,
        certificate: Option<Certificate>,
    ) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        let role = std::mem::replace(&mut c.role, Role::Closing);
        let (Role::Inspecting(arrival) | Role::Accepting(arrival, _)) = role else {
            return;
        };
        let local_uri: Arc<str> = match &chain.tls {
            Some(Secured::Ready(tls)) => tls.local_uri.clone(),
            _ => "".into(),
        };
        let client_cert_element = match (&chain.network, &certificate) {
            (Network::Http(manager), Some(certificate)) => {
                let shown = c.wire.tls.as_ref().and_then(|t| t.peer_certificates());
                let details = manager.set_current_client_cert;
                Some(certificate.element(shown.unwrap_or_default(), &local_uri, details))
            }
            _ => None,
        };
        let facts = Rc::new(Downstream {
            source: arrival.source,
            destination: arrival.destination,
            kept_source: arrival.listener.original_source_mark.map(|mark| Source {
                address: arrival.source.ip(),
                mark,
            }),
            server_name: accesslog::shown_server_name(&arrival.server_name).into(),
            client_cert_element,
            certificate,
            local_uri,
            tls: chain.tls.is_some(),
            number: c.number,
            http: match &chain.network {
                Network::Http(manager) => {
                    Some(self.telemetry.registry.metrics(&manager.stat_prefix))
                }
                Network::Tcp(_) => None,
            },
            labels: RefCell::default(),
            peer: RefCell::default(),
        });
        match &chain.network {
            Network::Http(manager) => self.serve_http(slot, facts, manager, arrival.plaintext),
            Network::Tcp(proxy) => self.serve_tcp(slot, facts, proxy),
        }
    }

    pub(super) fn opening_timed_out(&mut self, slot: usize) {
        match self.conns.get(slot).map(|c| &c.role) {
            Some(Role::Inspecting(arrival)) => {
                if arrival.listener.continue_on_inspection_timeout
                    && !arrival.listener.inspection_timeout.is_zero()
                {
                    self.choose_chain(slot, Transport::RawBuffer, &[]);
                } else if !arrival.listener.inspection_timeout.is_zero() {
                    self.close(slot);
                }
            }
            Some(Role::Accepting(..)) => self.close(slot),
            Some(Role::Dialing(_)) => self.dial_failed(slot, "connection_timeout"),
            _ => {}
        }
    }
}

/// A connection in its first state.
pub(super) fn conn(wire: Wire, role: Role, number: u64, now: Instant) -> Conn {
    Conn {
        wire,
        role,
        number,
        dirty: false,
        again: false,
        busy: false,
        paused: false,
        left: Vec::new(),
        undecided: false,
        held: Vec::new(),
        open: None,
        counted: None,
        gone: false,
        choked: false,
        last_pending: 0,
        lingers: false,
        dropped: 0,
        warm: false,
        quiet_since: now,
        forgiven_until: now,
        streams: Vec::new(),
        opening: None,
        expires: None,
        drained: None,
    }
}

/// Where a redirected connection was made to: the kernel's record, else its own address.
fn original(socket: &TcpStream, own: SocketAddr) -> SocketAddr {
    let socket = socket2::SockRef::from(socket);
    let found = if own.is_ipv4() {
        socket.original_dst_v4()
    } else {
        socket.original_dst_v6()
    };
    found
        .ok()
        .and_then(|a| a.as_socket())
        .map_or(own, canonical)
}
