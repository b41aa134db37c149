//! The client and the application at the two ends of a data plane, on blocking sockets.

mod http1;
mod http2;
mod stream;

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::Failure;
use crate::pilot::Speaks;

pub(crate) use stream::Stream;

/// Asks, one request at a time.
pub(crate) trait Client {
    fn on(stream: Stream, authority: &str) -> Self;
    /// Sends a request.
    fn ask(&mut self) -> Result<(), Failure>;
    /// Reads the answer to its end, which must be a good one.
    fn hear(&mut self) -> Result<(), Failure>;
    /// The connection without anything that the client keeps for it.
    fn into_socket(self) -> TcpStream;
}

/// Answers, one request at a time.
pub(crate) trait Application {
    fn on(socket: TcpStream) -> Self;
    /// Reads a request to its end and answers it.
    fn answer(&mut self) -> Result<(), Failure>;
}

/// A version of HTTP: who speaks it at either end.
pub(crate) trait Version {
    type Client: Client;
    type Application: Application;
    const SPEAKS: Speaks;
}

/// gRPC calls.
pub(crate) enum Http2 {}

impl Version for Http2 {
    type Client = http2::Caller;
    type Application = http2::Greeter;
    const SPEAKS: Speaks = Speaks::Grpc;
}

/// GETs.
pub(crate) enum Http1 {}

impl Version for Http1 {
    type Client = http1::Getter;
    type Application = http1::Pages;
    const SPEAKS: Speaks = Speaks::Http;
}

/// What is read at once.
const READ: usize = 16 * 1024;

/// Reads what there is, at least a byte.
fn read<'b>(socket: &mut impl Read, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
    match socket.read(buffer)? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        n => Ok(buffer.get(..n).unwrap_or_default()),
    }
}

/// Writes all of it.
fn write(socket: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    socket.write_all(bytes)?;
    Ok(bytes.len())
}
