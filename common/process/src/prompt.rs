//! A connection whose other end must begin to speak in time. Servers of HTTP/2 wait for its preface
//! without a limit, so that a silent client would hold a connection for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// The length of HTTP/2's connection preface (RFC 9113 section 3.4); hardly a request of HTTP/1 is
/// shorter.
const PREFACE: usize = 24;

/// Fails to read once the time is up, unless the first 24 bytes have come.
#[derive(Debug)]
pub struct Prompt<S> {
    stream: S,
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    end: Pin<Box<Sleep>>,
    missing: usize,
}

impl<S> Prompt<S> {
    /// Gives the other end this long, from now. Must be called within a Tokio runtime.
    pub fn new(stream: S, time: Duration) -> Self {
        let waiting = Waiting {
            end: Box::pin(tokio::time::sleep(time)),
            missing: PREFACE,
        };
        Self {
            stream,
            waiting: Some(waiting),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prompt<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        let Some(waiting) = &mut this.waiting else {
            return read;
        };
        if read.is_ready() {
            let came = buf.filled().len().saturating_sub(before);
            waiting.missing = waiting.missing.saturating_sub(came);
            // Nothing at all is the end of the stream.
            if waiting.missing == 0 || came == 0 {
                this.waiting = None;
            }
            return read;
        }
        ready!(waiting.end.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client did not say what it wants in time",
        )))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prompt<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const TIME: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_too_little_is_given_up() {
        let (mut client, server) = duplex(64);
        let mut server = Prompt::new(server, TIME);
        client.write_all(b"PRI * HTTP").await.unwrap();
        let mut read = [0; 64];
        assert_eq!(server.read(&mut read).await.unwrap(), 10);
        let error = server.read(&mut read).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_spoken_may_then_be_silent() {
        let (mut client, server) = duplex(64);
        let mut server = Prompt::new(server, TIME);
        let mut read = [0; 64];
        for part in [&b"PRI * HTTP/2.0\r\n\r\n"[..], b"SM\r\n\r\n"] {
            client.write_all(part).await.unwrap();
            assert_eq!(server.read(&mut read).await.unwrap(), part.len());
        }
        let later = tokio::time::timeout(10 * TIME, server.read(&mut read)).await;
        assert!(later.is_err(), "still waiting");
    }
}
