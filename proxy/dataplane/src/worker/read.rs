//! Reading: from the kernel through TLS to whoever the bytes are for.

use super::{Todo, Worker};
use crate::conn::Role;
use crate::tls::Progress;

/// Bytes of a connection that is to be closed that are taken and dropped, so that what it was told last arrives.
const DROPPED: usize = 1 << 20;
/// Reads of one connection in a row before others get their turn.
const READS: usize = 4;

impl Worker {
    pub(super) fn on_readable(&mut self, slot: usize) {
        if matches!(self.conns.get(slot).map(|c| &c.role), Some(Role::Dialing(d)) if !d.connected) {
            // Nothing is read before the connection is there; its edge is kept.
            return;
        }
        for _ in 0..READS {
            let Some(c) = self.conns.get_mut(slot) else {
                return;
            };
            if c.gone || c.paused || !c.wire.readable {
                return;
            }
            let mut buffer = std::mem::take(&mut self.buffer);
            let read = c.wire.read(&mut buffer);
            match read {
                Ok((count, any)) => {
                    if any {
                        c.quiet_since = self.now;
                        c.forgive(self.now);
                        self.feed(slot, buffer.get_mut(..count).unwrap_or_default());
                    } else {
                        c.wire.keep(buffer.get(..count).unwrap_or_default());
                    }
                    self.buffer = buffer;
                    self.notice_early_end(slot);
                    let Some(c) = self.conns.get(slot) else {
                        return;
                    };
                    if c.wire.ended && !c.gone && !c.paused {
                        self.on_end(slot);
                        return;
                    }
                }
                Err(error) => {
                    self.buffer = buffer;
                    self.on_broken(slot, &error);
                    return;
                }
            }
        }
        if let Some(c) = self.conns.get_mut(slot)
            && c.wire.readable
            && !c.again
        {
            c.again = true;
            self.later.push(slot);
        }
    }

    /// A connection had enough of the turn before.
    pub(super) fn go_on_reading(&mut self, slot: usize) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        c.again = false;
        if std::mem::take(&mut c.busy) && c.paused {
            self.resume(slot);
        } else {
            self.on_readable(slot);
        }
    }

    /// Feeds what was kept while the connection's chain was unknown.
    pub(super) fn feed_unread(&mut self, slot: usize) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        let mut kept = std::mem::take(&mut c.wire.unread);
        if !kept.is_empty() {
            self.feed(slot, &mut kept);
        }
    }

    /// Takes bytes as they came from the socket.
    fn feed(&mut self, slot: usize, bytes: &mut [u8]) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        if matches!(c.role, Role::Inspecting(_)) {
            c.wire.keep(bytes);
            self.try_chain(slot, false);
            return;
        }
        if matches!(c.role, Role::Closing) {
            c.dropped += bytes.len();
            if c.dropped > DROPPED {
                self.close(slot);
            }
            return;
        }
        let Some(mut tls) = c.wire.tls.take() else {
            self.on_plain(slot, bytes);
            return;
        };
        let mut own = Vec::new();
        let opened = c.wire.open;
        let tunnel = opened && matches!(c.role, Role::Tunnel(_));
        // All that one read holds goes on in one write.
        let mut gathered = std::mem::take(&mut self.gathered);
        // Data that came with the last of the handshake is handed on once the connection is known to be good.
        let mut early = Vec::new();
        let (used, progress) = tls.receive(bytes, &mut own, |plain| {
            if tunnel {
                gathered.extend_from_slice(plain);
            } else if opened {
                self.on_plain(slot, plain);
            } else {
                early.extend_from_slice(plain);
            }
        });
        if !gathered.is_empty() {
            self.on_plain(slot, &gathered);
            gathered.clear();
        }
        self.gathered = gathered;
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        c.wire.outgoing().extend_from_slice(&own);
        c.wire.tls = Some(tls);
        c.wire.keep(bytes.get(used..).unwrap_or_default());
        if !own.is_empty() {
            self.touch(slot);
        }
        let done = matches!(progress, Ok(Progress::Open | Progress::PeerClosed));
        if !opened && (done || !early.is_empty()) {
            self.tls_opened(slot);
            if !early.is_empty() {
                self.on_plain(slot, &early);
            }
        }
        match progress {
            Ok(Progress::Handshaking) => {}
            Ok(Progress::Open) => {}
            Ok(Progress::PeerClosed) => {
                if let Some(c) = self.conns.get_mut(slot) {
                    c.wire.ended = true;
                    c.wire.readable = false;
                }
            }
            Err(error) => self.on_tls_error(slot, &error),
        }
    }

    /// The handshake is over.
    fn tls_opened(&mut self, slot: usize) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        c.wire.open = true;
        match &c.role {
            Role::Accepting(..) => self.accepted(slot),
            Role::Dialing(_) => self.dialed(slot),
            _ => {}
        }
    }

    fn on_tls_error(&mut self, slot: usize, error: &rustls::Error) {
        let Some(c) = self.conns.get(slot) else {
            return;
        };
        tracing::debug!("connection {}: TLS: {error}", c.number);
        match &c.role {
            Role::Dialing(_) => {
                let text = format!("TLS_error:|{error}|");
                self.dial_failed(slot, &text);
            }
            Role::Accepting(..) => self.close_soon(slot),
            _ => self.on_broken(slot, &std::io::Error::other(error.to_string())),
        }
    }

    /// Takes plaintext.
    pub(super) fn on_plain(&mut self, slot: usize, bytes: &[u8]) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        if c.gone {
            return;
        }
        if !c.left.is_empty() {
            c.left.extend_from_slice(bytes);
            return;
        }
        let left = match c.role {
            Role::Server(_) => self.on_server_bytes(slot, bytes),
            Role::Client(_) => self.on_client_bytes(slot, bytes),
            Role::Tunnel(_) => self.on_tunnel_bytes(slot, bytes),
            _ => 0,
        };
        if left > 0
            && let Some(c) = self.conns.get_mut(slot)
        {
            c.left
                .extend_from_slice(bytes.get(bytes.len() - left..).unwrap_or_default());
            c.paused = true;
        }
    }

    /// Goes on with a connection whose reading rested.
    pub(super) fn resume(&mut self, slot: usize) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        if !c.paused || c.gone {
            return;
        }
        c.paused = false;
        let left = std::mem::take(&mut c.left);
        if !left.is_empty() {
            self.on_plain(slot, &left);
        }
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        if !c.paused && !c.again && !c.gone {
            c.again = true;
            // Edges were missed while reading rested.
            c.wire.readable = !c.wire.ended || c.wire.readable;
            self.todo.push_back(Todo::Read(slot));
            if c.wire.ended {
                self.on_end(slot);
            }
        }
    }

    /// Goes on with a client's connection whose codec waited for the answer to an upgrade.
    pub(super) fn after_upgrade(&mut self, slot: usize) {
        if self.conns.get(slot).is_some_and(|c| c.paused) {
            self.resume(slot);
        } else {
            self.on_plain(slot, b"");
        }
    }

    /// A client that has left while reading rests is gone: nothing would tell of it again until its request is over, and
    /// perhaps it never is. (Envoy: `detectEarlyCloseWhenReadDisabled`.) An endpoint may have said all it has to say.
    pub(super) fn notice_early_end(&mut self, slot: usize) {
        let Some(c) = self.conns.get(slot) else {
            return;
        };
        if c.paused && c.wire.hung_up && !c.gone && matches!(c.role, Role::Server(_)) {
            self.server_gone(slot);
        }
    }

    /// The peer sends no more.
    fn on_end(&mut self, slot: usize) {
        match self.conns.get(slot).map(|c| &c.role) {
            // What came does not tell what it is, and no more comes.
            Some(Role::Inspecting(_)) => {
                if let Some(c) = self.conns.get_mut(slot) {
                    c.wire.abort = !c.wire.unread.is_empty();
                }
                self.close(slot);
            }
            Some(Role::Server(_)) => self.on_server_end(slot),
            Some(Role::Client(_)) => self.on_client_end(slot),
            Some(Role::Tunnel(_)) => self.on_tunnel_end(slot),
            Some(Role::Dialing(_)) => self.dial_failed(slot, "connection_termination"),
            Some(Role::Accepting(..) | Role::Closing) => self.close(slot),
            None => {}
        }
    }

    /// The socket is broken.
    pub(super) fn on_broken(&mut self, slot: usize, error: &std::io::Error) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        tracing::debug!("connection {}: {error}", c.number);
        c.wire.broken = true;
        match &c.role {
            Role::Server(_) => self.on_server_end(slot),
            Role::Client(_) => self.on_client_cut(slot),
            Role::Tunnel(_) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                self.tunnel_reset(slot);
            }
            Role::Tunnel(_) => self.tunnel_gone(slot),
            Role::Dialing(_) => self.dial_failed(slot, &error.to_string()),
            Role::Inspecting(_) | Role::Accepting(..) | Role::Closing => self.close(slot),
        }
    }
}
