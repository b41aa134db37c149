//! One connection to the application.

use std::io::{self, Read, Write};

use mio::net::TcpStream;

use super::{Protocol, http1, http2, tcp};

/// What is spoken on a connection.
pub(super) trait Speaker {
    /// Bytes came. An error ends the connection.
    fn take(&mut self, input: &[u8]) -> io::Result<()>;
    /// What is to be written now; more is made when there is room.
    fn output(&mut self) -> &[u8];
    /// So many bytes of it were written.
    fn advance(&mut self, n: usize);
}

pub(super) struct Connection {
    socket: TcpStream,
    speaker: Box<dyn Speaker + Send>,
}

impl Connection {
    pub(super) fn new(socket: TcpStream, protocol: Protocol) -> Self {
        Connection {
            socket,
            speaker: match protocol {
                Protocol::Http1 => Box::new(http1::Speaker::new()),
                Protocol::Http2 => Box::new(http2::Speaker::new()),
                Protocol::Tcp => Box::<tcp::Speaker>::default(),
            },
        }
    }

    /// Reads all that has come, answers, and writes what the socket takes. An error: it is over.
    pub(super) fn ready(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            match self.socket.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => self.speaker.take(buffer.get(..n).unwrap_or_default())?,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        loop {
            let output = self.speaker.output();
            if output.is_empty() {
                return Ok(());
            }
            match self.socket.write(output) {
                Ok(n) => self.speaker.advance(n),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}
