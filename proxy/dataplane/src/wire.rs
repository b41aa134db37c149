//! One socket with or without TLS around it: bytes in, bytes out, nothing about what they mean.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;

use crate::tls::{self, Session};

/// Bytes written but not taken by the kernel beyond which nothing more is encrypted.
const ENOUGH_UNSENT: usize = 256 << 10;
/// Plaintext encrypted and written at once: whole records.
const SEALED: usize = 64 << 10;
/// Bytes asked of the kernel at once: as many as another of us writes at once, so that no record is cut.
const ROOM: usize = SEALED + (SEALED / tls::RECORD + 1) * tls::OVERHEAD;

/// A socket and what stands between it and the codec.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) socket: TcpStream,
    /// `None` in the clear. Taken out while its plaintext is handled.
    pub(crate) tls: Option<Box<Session>>,
    /// TLS: handshake is over. In the clear: always.
    pub(crate) open: bool,
    /// Bytes read that are not a whole record yet, or wait for a paused codec.
    pub(crate) unread: Vec<u8>,
    /// Bytes for the socket.
    unsent: Vec<u8>,
    /// How many of them are gone.
    gone: usize,
    /// The kernel may have bytes.
    pub(crate) readable: bool,
    /// The kernel may take bytes.
    pub(crate) writable: bool,
    /// The kernel has told that the peer's end lies behind what there is to read.
    pub(crate) hung_up: bool,
    /// The peer sends no more.
    pub(crate) ended: bool,
    /// This side sends no more once `unsent` is gone.
    closing: bool,
    /// The socket is broken.
    pub(crate) broken: bool,
    /// The peer is told by a reset, not by an end, that this is over.
    pub(crate) abort: bool,
}

impl Wire {
    pub(crate) fn new(socket: TcpStream, tls: Option<Box<Session>>) -> Self {
        let open = tls.is_none();
        Wire {
            socket,
            tls,
            open,
            unread: Vec::new(),
            unsent: Vec::new(),
            gone: 0,
            readable: false,
            writable: false,
            hung_up: false,
            ended: false,
            closing: false,
            broken: false,
            abort: false,
        }
    }

    /// Reads once into `buffer` after what was left over. How many bytes of it count now, and whether any came.
    pub(crate) fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<(usize, bool)> {
        let kept = self.unread.len();
        if buffer.len() < kept + ROOM {
            // Grows to its size once for the life of the worker: what lies beyond the count is never read as data.
            buffer.resize(kept + ROOM, 0);
        }
        if let Some(place) = buffer.get_mut(..kept) {
            place.copy_from_slice(&self.unread);
        }
        let result = self
            .socket
            .read(buffer.get_mut(kept..kept + ROOM).unwrap_or_default());
        let n = match result {
            Ok(0) => {
                self.ended = true;
                self.readable = false;
                0
            }
            Ok(n) => {
                // Edge-triggered: after a short read the next edge tells, unless the end has been told already.
                self.readable = n == ROOM || self.hung_up;
                n
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                0
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => 0,
            Err(e) => {
                self.readable = false;
                return Err(e);
            }
        };
        self.unread.clear();
        Ok((kept + n, n > 0))
    }

    /// Keeps bytes for the next read.
    pub(crate) fn keep(&mut self, rest: &[u8]) {
        self.unread.extend_from_slice(rest);
    }

    /// Where TLS appends what it says by itself.
    pub(crate) fn outgoing(&mut self) -> &mut Vec<u8> {
        &mut self.unsent
    }

    /// Whether more plaintext is welcome.
    pub(crate) fn takes_more(&self) -> bool {
        self.open && !self.closing && !self.broken && self.pending() < ENOUGH_UNSENT
    }

    /// Bytes that wait for the socket.
    pub(crate) fn pending(&self) -> usize {
        self.unsent.len() - self.gone
    }

    /// Puts plaintext on its way: all of it or, where the socket is blocked and enough waits, nothing.
    /// How many bytes were taken. `sealed` is room for records, of the worker's.
    pub(crate) fn send(&mut self, plain: &[u8], sealed: &mut Vec<u8>) -> usize {
        if self.takes_more() {
            self.put(plain, sealed)
        } else {
            0
        }
    }

    /// Puts the last plaintext on its way, however much waits before it.
    pub(crate) fn send_last(&mut self, plain: &[u8], sealed: &mut Vec<u8>) {
        if self.open && !self.closing && !self.broken {
            self.put(plain, sealed);
        }
    }

    fn put(&mut self, plain: &[u8], sealed: &mut Vec<u8>) -> usize {
        let Some(mut tls) = self.tls.take() else {
            return self.write_or_keep(plain);
        };
        for part in plain.chunks(SEALED) {
            match tls.seal(part, sealed, &mut self.unsent) {
                Ok(n) => self.write_or_keep(sealed.get(..n).unwrap_or_default()),
                Err(_) => {
                    self.broken = true;
                    0
                }
            };
            if self.broken {
                break;
            }
        }
        self.tls = Some(tls);
        if self.broken { 0 } else { plain.len() }
    }

    /// Straight to the kernel where nothing waits before them; the rest is kept. All are taken unless the socket broke.
    fn write_or_keep(&mut self, bytes: &[u8]) -> usize {
        let mut n = 0;
        if self.pending() == 0 && self.writable && !bytes.is_empty() {
            match self.socket.write(bytes) {
                Ok(written) => {
                    n = written;
                    self.writable = n == bytes.len();
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.broken = true;
                    return 0;
                }
            }
        }
        let rest = bytes.get(n..).unwrap_or_default();
        self.unsent.extend_from_slice(rest);
        bytes.len()
    }

    /// Writes what waits as far as the kernel takes it.
    pub(crate) fn flush(&mut self) {
        while self.writable && self.gone < self.unsent.len() {
            match self
                .socket
                .write(self.unsent.get(self.gone..).unwrap_or_default())
            {
                Ok(0) => self.broken = true,
                Ok(n) => self.gone += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.broken = true,
            }
            if self.broken {
                return;
            }
        }
        if self.gone == self.unsent.len() {
            self.unsent.clear();
            self.gone = 0;
            // An idle connection holds no buffer.
            if self.unsent.capacity() > 4 << 10 {
                self.unsent = Vec::new();
            }
            if self.closing {
                let _ = self.socket.shutdown(std::net::Shutdown::Write);
            }
        } else if self.gone > ENOUGH_UNSENT {
            self.unsent.drain(..self.gone);
            self.gone = 0;
        }
    }

    /// Gives back the memory that an idle connection does not need.
    pub(crate) fn shrink(&mut self) {
        self.unread.shrink_to_fit();
        if self.unsent.is_empty() {
            self.unsent = Vec::new();
        }
    }

    /// Ends this side's direction after what is on its way.
    pub(crate) fn finish(&mut self) {
        if self.closing {
            return;
        }
        if let Some(tls) = &mut self.tls
            && self.open
        {
            tls.close(&mut self.unsent);
        }
        self.closing = true;
        self.flush();
    }

    /// Whether this side has ended and everything was written.
    pub(crate) fn is_finished(&self) -> bool {
        self.closing && self.pending() == 0
    }

    /// This side's address.
    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok().map(canonical)
    }
}

/// An IPv4 address in IPv6's form as the IPv4 address that it is.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
