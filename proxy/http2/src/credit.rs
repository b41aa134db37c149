//! Credit that we give the peer (RFC 9113, 5.2 and 6.9). It is announced when half a window is owed: more often costs
//! frames, more seldom stalls the peer.

use crate::stream::Half;
use crate::{Connection, StreamId, wire};

impl Connection {
    /// Gives the peer credit for `n` bytes of [`crate::Event::Data`] that left the proxy, also of a stream that is gone.
    /// More than came is not given.
    pub fn release(&mut self, stream: StreamId, n: usize) {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        if !self.config.streams_wait_alone {
            self.credit_connection(n);
        }
        self.credit_stream(stream, n);
    }

    pub(crate) fn credit_connection(&mut self, n: u32) {
        let window = self.config.connection_window;
        let most = window - self.recv_window;
        self.owed = self.owed.saturating_add(n).min(most);
        if self.owed > 0 && self.owed >= window / 2 {
            self.recv_window += self.owed;
            wire::window_update(0, self.owed, self.output.buffer());
            self.output.count_control();
            self.owed = 0;
        }
    }

    pub(crate) fn credit_stream(&mut self, stream: StreamId, n: u32) {
        let window = self.recv_initial;
        let Some(row) = self.streams.get_mut(stream) else {
            return;
        };
        if row.recv == Half::Closed {
            return;
        }
        let most = i64::from(window) - i64::from(row.recv_window);
        row.owed = row
            .owed
            .saturating_add(n)
            .min(u32::try_from(most).unwrap_or(0));
        if row.owed > 0 && row.owed >= window / 2 {
            row.recv_window = row.recv_window.saturating_add_unsigned(row.owed);
            wire::window_update(stream.number, row.owed, self.output.buffer());
            self.output.count_control();
            row.owed = 0;
        }
    }
}
