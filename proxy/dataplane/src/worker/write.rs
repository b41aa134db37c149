//! Writing: once a turn for each connection that has something to say.

use super::{Todo, Worker};
use crate::conn::Role;

impl Worker {
    /// Notes that a connection has something to write at the end of this turn.
    pub(super) fn touch(&mut self, slot: usize) {
        if let Some(c) = self.conns.get_mut(slot)
            && !c.dirty
        {
            c.dirty = true;
            self.dirty.push(slot);
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
                let sent = c.wire.send(codec.output());
                codec.advance(sent);
                c.wire.flush();
                if sent == 0 || c.wire.broken {
                    break;
                }
            }
        }
        if c.wire.broken {
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
                let over = s.codec.output().is_empty() && c.wire.pending() == 0;
                if over {
                    self.wake_blocked(slot);
                }
                self.end_if_done(slot);
            }
            Role::Client(u) if u.codec.output().is_empty() && c.wire.pending() == 0 => {
                self.wake_blocked(slot);
            }
            Role::Tunnel(_) => self.on_tunnel_room(slot),
            Role::Closing if c.wire.pending() == 0 => self.close(slot),
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
        let _ = c.wire.socket.shutdown(std::net::Shutdown::Both);
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
        if let Role::Server(_) | Role::Client(_) = c.role {
            let codec = match &mut c.role {
                Role::Server(s) => &mut s.codec,
                Role::Client(u) => &mut u.codec,
                _ => return,
            };
            let sent = c.wire.send(codec.output());
            codec.advance(sent);
        }
        c.role = Role::Closing;
        c.wire.finish();
        if c.wire.pending() == 0 || c.wire.broken {
            self.close(slot);
        } else {
            self.touch(slot);
        }
    }
}
