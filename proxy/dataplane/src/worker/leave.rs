//! The end of a worker: what is under way goes on, what would come is told to go elsewhere.

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::Worker;
use crate::codec::Codec;
use crate::conn::Role;

/// A worker that takes nothing new.
#[derive(Debug)]
pub(super) struct Leaving {
    /// When it ends, whatever is still under way.
    by: Instant,
    /// Dropped with the worker: whoever waits for it learns of its end.
    _done: Sender<()>,
}

impl Worker {
    /// Begins to leave: no more connections, and of those that are there no more requests.
    pub(super) fn leave(&mut self, within: Duration, done: Sender<()>) {
        let by = self.now + within;
        self.leaving = Some(Leaving { by, _done: done });
        self.draining = Some(false);
        let listening: Vec<usize> = self.listening.iter().map(|(at, _)| at).collect();
        for at in listening {
            self.stop_listening(at);
        }
        let clients: Vec<usize> = self.conns.iter().map(|(at, _)| at).collect();
        for slot in clients {
            self.leave_client(slot);
        }
    }

    /// By HTTP/2 a client tells by a PING that it has heard; by HTTP/1 a connection without a request just ends.
    pub(super) fn leave_client(&mut self, slot: usize) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        let quiet = c.streams.is_empty();
        let Role::Server(server) = &mut c.role else {
            return;
        };
        server.draining = true;
        match &mut server.codec {
            Codec::Http2(codec) => codec.drain(),
            Codec::Http1(codec) => {
                codec.close_after();
                if quiet && !codec.is_in_head() {
                    return self.close_soon(slot);
                }
            }
        }
        self.touch(slot);
    }

    /// Ends once no client waits for anything. Connections of bytes would have no end, endpoints wait for nothing.
    pub(super) fn leave_if_done(&mut self) {
        let Some(leaving) = &self.leaving else { return };
        let waits =
            |role: &Role| !matches!(role, Role::Client(_) | Role::Dialing(_) | Role::Tunnel(_));
        self.stopping |= self.now >= leaving.by || !self.conns.iter().any(|(_, c)| waits(&c.role));
    }

    /// How long a worker that leaves may rest.
    pub(super) fn rest_before_leaving(&self) -> Option<Duration> {
        let leaving = self.leaving.as_ref()?;
        Some(leaving.by.saturating_duration_since(self.now))
    }
}
