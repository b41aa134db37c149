//! What comes to the agent's Unix sockets.

mod authority;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::server::Connected;

use authority::Rewriter;

/// What one read takes from the socket.
const READ: usize = 16 * 1024;

/// The connections that come to `listener`.
pub fn incoming(listener: UnixListener) -> impl Stream<Item = io::Result<Connection>> {
    UnixListenerStream::new(listener).map(|accepted| accepted.map(Connection::new))
}

/// A connection whose requests have an authority that every server takes: see [`Rewriter`].
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    rewriter: Rewriter,
    /// Rewritten, and not read yet from here on.
    pending: Vec<u8>,
    read: usize,
}

impl Connection {
    fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            rewriter: Rewriter::default(),
            pending: Vec::new(),
            read: 0,
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if let Some(left) = this
                .pending
                .get(this.read..)
                .filter(|left| !left.is_empty())
            {
                let length = left.len().min(buffer.remaining());
                buffer.put_slice(left.get(..length).unwrap_or_default());
                this.read += length;
                return Poll::Ready(Ok(()));
            }
            this.pending.clear();
            this.read = 0;
            let mut bytes = [0; READ];
            let mut input = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut input))?;
            if input.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.rewriter
                .rewrite(input.filled(), &mut this.pending)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
