//! Writing: once a turn for each connection that has something to say.

use std::time::Duration;

use super::{Todo, Worker};
use crate::conn::Role;

/// How long a connection that is to be closed waits for its last bytes to be taken, as long as none are, and for its
/// peer's end (Envoy's `delayed_close_timeout`).
const CLOSING: Duration = Duration::from_secs(1);

impl Worker {
    /// Notes that a connection has something to write at the end of this turn.
    pub(super) fn touch(&mut self, slot: usize) {
        if let Some(c) = self.conns.get_mut(slot)
            && !c.dirty
        {
            c.dirty = true;
            self.dirty.push(slot);
            if !c.warm {
                c.warm = true;
                self.warm(slot);
            }
        }
    }

    pub(super) fn write_dirty(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for slot in dirty.drain(..) {
            self.write(slot);
        }
        // Its memory serves the next turn, unless writing made some dirty again.
        if self.dirty.is_empty() {
            self.dirty = dirty;
        }
    }

    fn write(&mut self, slot: usize) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        c.dirty = false;
        if c.gone {
            return;
        }
        // First what waits: a full wire takes nothing, and once it is empty no edge would tell of it.
        c.wire.flush();
        if let Role::Server(_) | Role::Client(_) = c.role {
            loop {
                let codec = match &mut c.role {
                    Role::Server(s) => &mut s.codec,
                    Role::Client(u) => &mut u.codec,
                    _ => return,
                };
                let sent = c.wire.send(codec.output(), &mut self.sealed);
                codec.advance(sent);
                c.wire.flush();
                if sent == 0 || c.wire.broken {
                    break;
                }
            }
        }
        if c.wire.broken {
            if matches!(c.role, Role::Client(_)) {
                // What the endpoint said before it went lies in the socket: answers, and which requests it never took.
                c.wire.readable = true;
                self.on_readable(slot);
                if self.conns.get(slot).is_none_or(|c| c.gone) {
                    return;
                }
            }
            self.on_broken(slot, &std::io::Error::from(std::io::ErrorKind::BrokenPipe));
            return;
        }
        self.after_write(slot);
    }

    /// The kernel takes bytes again.
    pub(super) fn on_writable(&mut self, slot: usize) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        if matches!(c.role, Role::Dialing(_)) && self.connect_done(slot) {
            return;
        }
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        if c.wire.pending() > 0 || matches!(&c.role, Role::Server(_) | Role::Client(_)) {
            self.touch(slot);
        }
    }

    /// What room in the socket lets go on.
    fn after_write(&mut self, slot: usize) {
        let Some(c) = self.conns.get(slot) else {
            return;
        };
        match &c.role {
            Role::Server(s) => {
                let taken = s.codec.output().is_empty();
                let over = taken && c.wire.pending() == 0;
                let freed = taken && c.choked;
                if over {
                    self.wake_blocked(slot);
                }
                if freed {
                    self.let_go_on(slot);
                }
                self.end_if_done(slot);
            }
            Role::Client(u) if u.codec.output().is_empty() && c.wire.pending() == 0 => {
                let freed = c.choked;
                self.wake_blocked(slot);
                if freed {
                    self.let_go_on(slot);
                }
            }
            Role::Tunnel(_) => self.on_tunnel_room(slot),
            Role::Closing if c.wire.pending() == 0 && !c.lingers => self.close(slot),
            _ => {}
        }
    }

    /// What a connection had to write was taken: it may be read again, or carry more requests.
    fn let_go_on(&mut self, slot: usize) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        c.choked = false;
        match c.role {
            Role::Server(_) => self.resume(slot),
            Role::Client(_) => self.room_in_pool(slot),
            _ => {}
        }
    }

    /// HTTP/1 bodies that waited for room in the connection's output.
    fn wake_blocked(&mut self, slot: usize) {
        let Some(c) = self.conns.get(slot) else {
            return;
        };
        let current = match &c.role {
            Role::Server(s) => s.current,
            Role::Client(u) => u.current,
            _ => None,
        };
        let is_server = matches!(c.role, Role::Server(_));
        let Some(key) = current else {
            self.wake_blocked_streams(slot, is_server);
            return;
        };
        let Some(stream) = self.stream(key) else {
            return;
        };
        if is_server
            && (!stream.to_down.bytes.is_empty() || stream.to_down.end)
            && !stream.to_down.done
        {
            self.todo.push_back(Todo::PumpDown(key));
        } else if !is_server
            && (!stream.to_up.bytes.is_empty() || stream.to_up.end)
            && !stream.to_up.done
        {
            self.todo.push_back(Todo::PumpUp(key));
        }
    }

    /// Streams of HTTP/2 whose bodies were held back because the connection's output was full.
    fn wake_blocked_streams(&mut self, slot: usize, is_server: bool) {
        let Some(held) = self
            .conns
            .get_mut(slot)
            .map(|c| std::mem::take(&mut c.held))
        else {
            return;
        };
        for key in held {
            self.todo.push_back(if is_server {
                Todo::PumpDown(key)
            } else {
                Todo::PumpUp(key)
            });
        }
    }

    /// Ends a connection now.
    pub(super) fn close(&mut self, slot: usize) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        if c.gone {
            return;
        }
        c.gone = true;
        c.open = None;
        c.counted = None;
        let _ = self.poll.registry().deregister(&mut c.wire.socket);
        if c.wire.abort {
            let reset = Some(std::time::Duration::ZERO);
            let _ = socket2::SockRef::from(&c.wire.socket).set_linger(reset);
        } else {
            let _ = c.wire.socket.shutdown(std::net::Shutdown::Both);
        }
        self.gone.push(slot);
    }

    /// Ends a connection once what waits is written.
    pub(super) fn close_soon(&mut self, slot: usize) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        if c.gone {
            return;
        }
        if c.wire.abort {
            return self.close(slot);
        }
        match &c.role {
            Role::Server(s) => {
                c.wire.send_last(s.codec.output(), &mut self.sealed);
                c.lingers = !c.wire.ended;
            }
            Role::Client(u) => c.wire.send_last(u.codec.output(), &mut self.sealed),
            _ => {}
        }
        c.role = Role::Closing;
        c.wire.finish();
        if c.wire.broken || c.wire.pending() == 0 && !c.lingers {
            return self.close(slot);
        }
        c.last_pending = c.wire.pending();
        // What still comes is dropped.
        c.paused = false;
        c.left = Vec::new();
        if !c.again {
            c.again = true;
            c.wire.readable = !c.wire.ended;
            self.todo.push_back(Todo::Read(slot));
        }
        c.drained = Some(self.now + CLOSING);
        self.watch_conn(slot);
        self.touch(slot);
    }

    /// A connection has waited to close: it goes, unless some of its last bytes were taken since.
    pub(super) fn closing_timed_out(&mut self, slot: usize) {
        let Some(c) = self.conns.get_mut(slot) else {
            return;
        };
        let pending = c.wire.pending();
        if pending >= c.last_pending {
            return self.close(slot);
        }
        c.last_pending = pending;
        c.drained = Some(self.now + CLOSING);
    }
}
