//! The application behind the proxies: one thread that answers what the load asks, at several addresses.

mod answer;
mod connection;
mod http1;
mod http2;
mod tcp;

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;

use crate::failure::{Doing, Failure};
use connection::Connection;

/// What the application speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    /// Eight bytes that are a number, answered with so many bytes, again and again.
    Tcp,
}

/// Addresses of the application, one for each of its pods.
pub(crate) const ADDRESSES: [Ipv4Addr; 3] = [
    Ipv4Addr::new(127, 0, 2, 1),
    Ipv4Addr::new(127, 0, 2, 2),
    Ipv4Addr::new(127, 0, 2, 3),
];

const WAKE: Token = Token(usize::MAX);

/// The application; it ends when this is dropped.
pub(crate) struct Upstream {
    port: u16,
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Upstream {
    pub(crate) fn start(protocol: Protocol, port: u16) -> Result<Self, Failure> {
        let poll = Poll::new().doing("epoll")?;
        let mut listeners = Vec::new();
        for (n, address) in ADDRESSES.into_iter().enumerate() {
            let at = SocketAddrV4::new(address, port);
            let mut listener = TcpListener::bind(at.into()).doing(at)?;
            poll.registry()
                .register(&mut listener, Token(n), Interest::READABLE)
                .doing("epoll")?;
            listeners.push(listener);
        }
        let waker = Arc::new(Waker::new(poll.registry(), WAKE).doing("epoll")?);
        let stop = Arc::new(AtomicBool::new(false));
        let server = Server {
            protocol,
            poll,
            listeners,
            connections: Slab::new(),
        };
        let asked = stop.clone();
        let thread = std::thread::Builder::new()
            .name("upstream".to_owned())
            .spawn(move || server.run(&asked))
            .doing("a thread")?;
        Ok(Upstream {
            port,
            stop,
            waker,
            thread: Some(thread),
        })
    }

    /// Where it is.
    pub(crate) fn addresses(&self) -> Vec<SocketAddrV4> {
        ADDRESSES
            .iter()
            .map(|ip| SocketAddrV4::new(*ip, self.port))
            .collect()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // If it cannot be woken it has ended.
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Server {
    protocol: Protocol,
    poll: Poll,
    listeners: Vec<TcpListener>,
    connections: Slab<Connection>,
}

impl Server {
    fn run(mut self, stop: &AtomicBool) {
        let mut events = Events::with_capacity(256);
        let mut buffer = vec![0; 256 * 1024];
        while !stop.load(Ordering::Relaxed) {
            match self.poll.poll(&mut events, None) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return,
                Ok(()) => {}
            }
            for event in &events {
                let Token(at) = event.token();
                if at < self.listeners.len() {
                    self.accept(at);
                } else if event.token() != WAKE {
                    self.serve(at - self.listeners.len(), &mut buffer);
                }
            }
        }
    }

    fn accept(&mut self, at: usize) {
        let Some(listener) = self.listeners.get(at) else {
            return;
        };
        // Whatever ends accepting now ends it until the next one comes.
        while let Ok((mut socket, _)) = listener.accept() {
            let _ = socket.set_nodelay(true);
            let entry = self.connections.vacant_entry();
            let token = Token(entry.key() + self.listeners.len());
            let both = Interest::READABLE | Interest::WRITABLE;
            if self
                .poll
                .registry()
                .register(&mut socket, token, both)
                .is_ok()
            {
                entry.insert(Connection::new(socket, self.protocol));
            }
        }
    }

    fn serve(&mut self, at: usize, buffer: &mut [u8]) {
        let Some(connection) = self.connections.get_mut(at) else {
            return;
        };
        if connection.ready(buffer).is_err() {
            self.connections.remove(at);
        }
    }
}
