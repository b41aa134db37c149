//! Which requests are on which connection. A connection lists its requests and each request knows its places in the two
//! lists, so that coming and going cost the same however many there are.

use super::Worker;
use crate::conn::Conn;
use crate::stream::{StreamKey, live};

/// One of the two connections of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The client's.
    Down,
    /// The endpoint's.
    Up,
}

impl Conn {
    /// Puts a request on the connection; its place there.
    pub(super) fn enlist(&mut self, key: StreamKey) -> u32 {
        self.streams.push(key);
        // There are no more requests than their slots, which are u32.
        (self.streams.len() - 1) as u32
    }
}

impl Worker {
    /// Takes a request off a connection where it had this place.
    pub(super) fn delist(&mut self, slot: usize, key: StreamKey, side: Side, place: u32) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        let at = place as usize;
        if c.streams.get(at) != Some(&key) {
            return;
        }
        c.streams.swap_remove(at);
        if let Some(moved) = c.streams.get(at).copied()
            && let Some(s) = live(&mut self.streams, moved)
        {
            match side {
                Side::Down => s.down_at = place,
                Side::Up => s.up_at = place,
            }
        }
    }

    /// Does `work` for all requests of a connection.
    pub(super) fn streams_of(&mut self, slot: usize, work: impl Fn(&mut Worker, StreamKey)) {
        let keys = self.conns.get(slot).map(|c| c.streams.clone());
        for key in keys.into_iter().flatten() {
            work(self, key);
        }
    }
}
