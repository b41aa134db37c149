//! One connection of the load: a socket and the codec of its version.

use std::io::{self, Read, Write};
use std::net::SocketAddrV4;
use std::time::Duration;

use mio::net::TcpStream;

use super::Version;
use crate::failure::{Doing, Failure};

/// A codec.
// There are few links, and their codecs are what they are for.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Codec {
    One(http1::Connection),
    Two(http2::Connection),
    /// Bytes that wait to be written.
    Tcp(Vec<u8>),
}

/// A connection.
pub(crate) struct Link {
    pub(crate) socket: TcpStream,
    pub(crate) codec: Codec,
    /// Requests under way.
    pub(crate) open: usize,
    /// The one request under way, where there can be one only.
    pub(crate) current: Option<usize>,
    /// Requests whose content waits for room in the output.
    pub(crate) waiting: Vec<usize>,
}

impl Link {
    pub(crate) fn connect(target: SocketAddrV4, version: Version) -> Result<Self, Failure> {
        let doing = format!("a connection to {target}");
        let socket = std::net::TcpStream::connect_timeout(&target.into(), Duration::from_secs(10))
            .doing(&doing)?;
        socket.set_nodelay(true).doing(&doing)?;
        socket.set_nonblocking(true).doing(&doing)?;
        Ok(Link {
            socket: TcpStream::from_std(socket),
            codec: match version {
                Version::Tcp => Codec::Tcp(Vec::new()),
                Version::Http1 => Codec::One(http1::Connection::new(
                    http1::Role::Client,
                    http1::Config::default(),
                )),
                Version::Http2 => Codec::Two(http2::Connection::new(
                    http2::Role::Client,
                    http2::Config {
                        // A client's windows are not what is measured.
                        initial_window: 16 << 20,
                        connection_window: 64 << 20,
                        max_window_updates_per_data: u32::MAX,
                        ..Default::default()
                    },
                )),
            },
            open: 0,
            current: None,
            waiting: Vec::new(),
        })
    }

    /// Reads what has come; None when nothing has.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.socket.read(buffer) {
                Ok(n) => return Ok(Some(n)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Writes what the socket takes.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        loop {
            let output = match &self.codec {
                Codec::One(one) => one.output(),
                Codec::Two(two) => two.output(),
                Codec::Tcp(bytes) => bytes,
            };
            if output.is_empty() {
                return Ok(());
            }
            match self.socket.write(output) {
                Ok(n) => match &mut self.codec {
                    Codec::One(one) => one.advance(n),
                    Codec::Two(two) => two.advance(n),
                    Codec::Tcp(bytes) => drop(bytes.drain(..n)),
                },
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Bytes that wait to be written.
    pub(crate) fn unwritten(&self) -> usize {
        match &self.codec {
            Codec::One(one) => one.output().len(),
            Codec::Two(two) => two.output_len(),
            Codec::Tcp(bytes) => bytes.len(),
        }
    }
}
