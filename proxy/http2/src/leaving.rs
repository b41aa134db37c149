//! Going away (RFC 9113, 6.8).

use crate::{Connection, ConnectionError, ErrorCode, Role, wire};

/// How far we have gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// We stay.
    No,
    /// GOAWAY with 2^31-1 is sent: the peer opens no more streams once it has read it, those it opened before are taken.
    Announced,
    /// And a PING after it: its acknowledgment says that all of those have come.
    Asked,
    /// GOAWAY with the last stream taken is sent: later ones are dropped without a word.
    Final {
        /// That stream.
        last: u32,
    },
    /// GOAWAY with an error is sent: nothing is read any more.
    Broken,
}

/// What the PING of a graceful leave carries.
pub(crate) const LEAVE_PING: [u8; 8] = *b"leaving\0";

impl Connection {
    /// Sends GOAWAY at once. With NO_ERROR the streams that are open go on; with any other code nothing is read any more
    /// and the connection is to be closed once the output is written.
    pub fn go_away(&mut self, code: ErrorCode) {
        self.leave(code, "");
    }

    /// Leaves gracefully (RFC 9113, 6.8): of a server, GOAWAY with 2^31-1 unless that was announced, a PING, and once
    /// that is acknowledged GOAWAY with the last stream taken. A peer that does not acknowledge is for the caller's
    /// clock, and [`Connection::go_away`]. A client, which takes no streams, sends one GOAWAY.
    pub fn drain(&mut self) {
        if self.role == Role::Client && self.leaving == Leaving::No {
            self.leave(ErrorCode::NO_ERROR, "");
        }
        self.announce();
        if self.leaving == Leaving::Announced {
            self.leaving = Leaving::Asked;
            wire::ping(false, LEAVE_PING, self.output.buffer());
        }
    }

    /// The PING of `drain` came back: every stream that the peer opened before it knew has come.
    pub(crate) fn announcement_was_read(&mut self) {
        if self.leaving == Leaving::Asked {
            self.leave(ErrorCode::NO_ERROR, "");
        }
    }

    /// Begins to leave as a server that waits for its clients (RFC 9113, 6.8): GOAWAY with 2^31-1, and no more. A client
    /// may have requests under way that it sends only after it has answered a PING, so it is the caller's clock that
    /// says when to follow with [`Connection::go_away`]. Once the client has left, or this was said before: nothing.
    pub fn announce(&mut self) {
        if self.leaving == Leaving::No && self.role == Role::Server {
            self.leaving = Leaving::Announced;
            let out = self.output.buffer();
            wire::go_away(wire::MAX_31, ErrorCode::NO_ERROR, "", out);
        }
    }

    /// Ends the connection for an error of the peer's (RFC 9113, 5.4.1).
    pub(crate) fn fail(&mut self, error: ConnectionError) {
        self.error = Some(error);
        self.leave(error.code, error.reason);
    }

    fn leave(&mut self, code: ErrorCode, reason: &str) {
        let last = match self.leaving {
            Leaving::Broken => return,
            Leaving::Final { .. } if code == ErrorCode::NO_ERROR => return,
            // The number never increases.
            Leaving::Final { last } => last,
            Leaving::No | Leaving::Announced | Leaving::Asked => self.last_peer,
        };
        self.leaving = match code {
            ErrorCode::NO_ERROR => Leaving::Final { last },
            _ => Leaving::Broken,
        };
        wire::go_away(last, code, reason, self.output.buffer());
    }

    /// Whether no stream is open and none can come: write the output, then close.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        let none_comes = match self.role {
            Role::Client => self.is_going_away(),
            Role::Server => matches!(self.leaving, Leaving::Final { .. }),
        };
        self.is_closed() || (none_comes && self.streams.len() == 0)
    }

    /// Whether the connection broke: write the output, then close.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.leaving == Leaving::Broken
    }

    /// Whether either side has said GOAWAY.
    #[must_use]
    pub fn is_going_away(&self) -> bool {
        self.leaving != Leaving::No || self.peer_left_at.is_some()
    }
}
