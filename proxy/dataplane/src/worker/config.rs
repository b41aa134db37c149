//! A new configuration in a worker: sockets come and go, connections of chains that went are drained.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use graph::Graph;
use graph::chain::Network;
use graph::listener::Listener;
use mio::net::TcpListener;
use mio::{Interest, Token};

use super::{LISTENERS, Listening, Message, Worker};
use crate::arrivals::Arrivals;
use crate::conn::Role;
use crate::upstream::host::HostState;

/// What connections have whose filter was replaced (Istio's `drainDuration`, which it gives Envoy as
/// `--drain-time-s`).
const REPLACED: Duration = Duration::from_secs(45);

impl Worker {
    pub(super) fn on_messages(&mut self) {
        let mut newest = None;
        loop {
            match self.inbox.try_recv() {
                Ok(Message::Graph(graph, arrivals)) => newest = Some((graph, arrivals)),
                // Who asks is told of what was published before.
                Ok(Message::Report(to)) => {
                    self.take(&mut newest);
                    // Who asked may have gone.
                    let _ = to.send(self.report());
                }
                Ok(Message::Held(to)) => {
                    self.take(&mut newest);
                    // Who asked may have gone.
                    let _ = to.send(self.held());
                }
                Ok(Message::Drain { inbound_only }) => self.drain(inbound_only),
                Ok(Message::Leave(within, done)) => self.leave(within, done),
                Ok(Message::Stop) | Err(TryRecvError::Disconnected) => {
                    self.stopping = true;
                    return;
                }
                Err(TryRecvError::Empty) => break,
            }
        }
        self.take(&mut newest);
    }

    /// Of several configurations only the last one counts.
    fn take(&mut self, newest: &mut Option<(Arc<Graph>, Arc<Arrivals>)>) {
        if let Some((graph, arrivals)) = newest.take() {
            self.arrivals = arrivals;
            self.configure(graph);
        }
    }

    fn configure(&mut self, graph: Arc<Graph>) {
        let wanted: Vec<(Arc<Listener>, SocketAddr)> = graph
            .listeners
            .iter()
            .filter(|l| l.bind)
            .flat_map(|l| l.addresses.iter().map(|a| (l.clone(), *a)))
            .collect();
        let gone: Vec<usize> = self
            .listening
            .iter()
            .filter(|(_, l)| {
                !wanted.iter().any(|(wanted, address)| {
                    l.listener.name == wanted.name && l.address == *address
                })
            })
            .map(|(at, _)| at)
            .collect();
        for at in gone {
            self.stop_listening(at);
        }
        self.graph = graph;
        for (listener, address) in wanted {
            let open = self
                .listening
                .iter_mut()
                .find(|(_, l)| l.listener.name == listener.name && l.address == address);
            if let Some((_, open)) = open {
                open.listener = listener;
                continue;
            }
            let name = &listener.name;
            match listen(address, listener.transparent) {
                Ok(mut socket) => {
                    let entry = self.listening.vacant_entry();
                    let token = Token(LISTENERS + entry.key());
                    if let Err(error) =
                        self.poll
                            .registry()
                            .register(&mut socket, token, Interest::READABLE)
                    {
                        tracing::error!("listener {name} on {address}: {error}");
                        continue;
                    }
                    entry.insert(Listening {
                        socket,
                        address,
                        listener,
                    });
                }
                Err(error) => {
                    tracing::error!("listener {name}: {address} cannot be bound: {error}")
                }
            }
        }
        let mut left = Vec::new();
        for at in 0..self.clusters.len() {
            let (random, since) = (self.random.next(), self.since_start());
            let Some(state) = self.clusters.get_mut(at).and_then(Option::as_mut) else {
                continue;
            };
            let gone = match self.graph.clusters.get(at).and_then(Option::as_ref) {
                Some(newest) => {
                    let newest = newest.clone();
                    state.update(&newest, random, since)
                }
                None => state.remove(),
            };
            let over = state.is_idle() && self.graph.clusters.get(at).is_none_or(Option::is_none);
            left.extend(gone);
            if over && let Some(place) = self.clusters.get_mut(at) {
                *place = None;
            }
        }
        self.leave_hosts(&left);
        self.drain_replaced();
    }

    /// Connections to endpoints that are no more take no new requests and end with their last.
    fn leave_hosts(&mut self, left: &[Rc<HostState>]) {
        if left.is_empty() {
            return;
        }
        left.iter().for_each(|host| host.left.set(true));
        let left: HashSet<*const HostState> = left.iter().map(Rc::as_ptr).collect();
        let slots: Vec<usize> = self
            .conns
            .iter()
            .filter(|(_, c)| match &c.role {
                Role::Client(client) => left.contains(&Rc::as_ptr(&client.host)),
                _ => false,
            })
            .map(|(at, _)| at)
            .collect();
        for slot in slots {
            self.retire(slot);
        }
    }

    /// Connections whose filter is not in the configuration any more are drained, as Envoy does.
    fn drain_replaced(&mut self) {
        // By address: a filter that did not change is the same one.
        let alive: HashSet<*const ()> = self
            .graph
            .listeners
            .iter()
            .flat_map(|l| l.chains.iter().chain(&l.default_chain))
            .map(|chain| match &chain.network {
                Network::Http(manager) => Arc::as_ptr(manager).cast(),
                Network::Tcp(proxy) => Arc::as_ptr(proxy).cast(),
            })
            .collect();
        let gone = |filter: *const ()| !alive.contains(&filter);
        let end = self.now + REPLACED;
        let mut slots: Vec<usize> = Vec::new();
        for (at, c) in &mut self.conns {
            match &c.role {
                Role::Server(s) if !s.draining && gone(Arc::as_ptr(&s.manager).cast()) => {
                    slots.push(at);
                }
                Role::Tunnel(tunnel) => {
                    let proxy = tunnel.record.as_ref().map(|record| &record.proxy);
                    if proxy.is_some_and(|proxy| gone(Arc::as_ptr(proxy).cast()))
                        && c.expires.is_none_or(|at| at > end)
                    {
                        c.expires = Some(end);
                        slots.push(at);
                    }
                }
                _ => {}
            }
        }
        for slot in slots {
            self.drain_conn(slot, Some(REPLACED));
            self.watch_conn(slot);
        }
    }

    /// Closes a listening socket.
    pub(super) fn stop_listening(&mut self, at: usize) {
        // What the kernel has accepted for it would be lost with it.
        self.accept(at);
        if let Some(mut listening) = self.listening.try_remove(at) {
            let _ = self.poll.registry().deregister(&mut listening.socket);
        }
    }

    fn drain(&mut self, inbound_only: bool) {
        self.draining = Some(inbound_only);
        let slots: Vec<usize> = self
            .conns
            .iter()
            .filter(|(_, c)| match &c.role {
                Role::Server(s) => !inbound_only || s.manager.is_inbound(),
                _ => false,
            })
            .map(|(at, _)| at)
            .collect();
        for slot in slots {
            self.drain_conn(slot, None);
        }
    }
}

/// A socket that shares its address with those of the other workers.
fn listen(address: SocketAddr, transparent: bool) -> std::io::Result<TcpListener> {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        None,
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    match (transparent, address.is_ipv6()) {
        (true, false) => socket.set_ip_transparent_v4(true)?,
        (true, true) => socket.set_ip_transparent_v6(true)?,
        (false, _) => {}
    }
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(TcpListener::from_std(socket.into()))
}
