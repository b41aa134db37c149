//! Memory goes back when it is not used: connections that fall quiet keep no buffers, requests that are over keep no
//! slots.

use std::time::Duration;

use slab::Slab;

use super::Worker;
use crate::conn::Role;
use crate::held::Held;
use crate::stream::Queue;
use crate::timers::Timer;

/// A connection that was quiet for so long gives back its buffers.
const QUIET: Duration = Duration::from_secs(1);
/// Slots of requests that are kept although none is used.
const KEPT_SLOTS: usize = 1024;

impl Worker {
    /// A connection is used: it is looked at when it may have fallen quiet.
    pub(super) fn warm(&mut self, slot: usize) {
        if self.warm.is_empty() {
            self.timers.add(self.now + QUIET, Timer::Quiet);
        }
        self.warm.push(slot);
    }

    /// Gives back what connections that fell quiet, and requests that are over, held.
    pub(super) fn cool(&mut self) {
        let now = self.now;
        let mut warm = std::mem::take(&mut self.warm);
        warm.retain(|slot| {
            let Some(c) = self.conns.get_mut(*slot).filter(|c| c.warm) else {
                return false;
            };
            if c.quiet_since + QUIET > now {
                return true;
            }
            c.warm = false;
            match &mut c.role {
                Role::Server(server) => server.codec.shrink(),
                Role::Client(client) => client.codec.shrink(),
                Role::Tunnel(tunnel) if tunnel.waiting.is_empty() => {
                    tunnel.waiting = Queue::default()
                }
                _ => {}
            }
            c.wire.shrink();
            c.left.shrink_to_fit();
            c.held.shrink_to_fit();
            c.streams.shrink_to_fit();
            false
        });
        warm.shrink_to(2 * warm.len());
        // Slots hold what their last request came by: parts of configurations that may be gone since.
        for slot in self.free_streams.drain(..) {
            self.streams.try_remove(slot as usize);
        }
        if self.streams.is_empty() && self.streams.capacity() > KEPT_SLOTS {
            self.streams = Slab::new();
            self.free_streams = Vec::new();
        }
        if !warm.is_empty() {
            self.timers.add(now + QUIET, Timer::Quiet);
        }
        self.warm = warm;
    }

    /// What there is.
    pub(super) fn held(&self) -> Held {
        let mut held = Held {
            connections: self.conns.len(),
            requests: self.streams.iter().filter(|(_, s)| s.live).count(),
            request_slots: self.streams.len(),
            timers: self.timers.len() + self.due_conns.len() + self.due_streams.len(),
            ..Held::default()
        };
        for state in self.clusters.iter().flatten() {
            held.clusters += 1;
            held.endpoints += state.hosts().count();
            held.attempts += u64::from(state.requests);
            held.pending += u64::from(state.pending);
            held.upstream_connections += u64::from(state.connections);
            held.retries += u64::from(state.retries);
        }
        held
    }
}
