//! The netlink socket: opened in the calling thread's network namespace, bounded in time and size.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    time::Duration,
};

use nix::{
    libc,
    sys::{
        socket::{self, MsgFlags, setsockopt, sockopt},
        time::TimeVal,
    },
};

use crate::Error;

/// The kernel answers while it takes the message in, so this is only met when something is wrong.
const PATIENCE: Duration = Duration::from_secs(10);
/// Room for one datagram of answers: with capped answers, one holds a single answer of some hundred bytes.
const DATAGRAM: usize = 64 * 1024;

/// A netlink socket with a time limit on answers.
#[derive(Debug)]
pub(super) struct Socket(netlink_sys::Socket);

impl Socket {
    /// Open a socket of the netlink protocol.
    ///
    /// # Errors
    /// [`Error::NoNfTables`] when the kernel has no such protocol.
    pub(super) fn open(protocol: isize) -> Result<Self, Error> {
        const DURING: &str = "opening a netlink socket";
        let mut socket =
            netlink_sys::Socket::new(protocol).map_err(|errno| match errno.raw_os_error() {
                Some(
                    libc::EPROTONOSUPPORT
                    | libc::ENOPROTOOPT
                    | libc::EAFNOSUPPORT
                    | libc::EOPNOTSUPP,
                ) => Error::NoNfTables {
                    during: DURING,
                    errno,
                },
                Some(libc::EPERM | libc::EACCES) => Error::NotPermitted {
                    during: DURING,
                    errno,
                },
                _ => Error::Socket {
                    during: DURING,
                    source: errno,
                },
            })?;
        socket.bind_auto().map_err(failed("binding it"))?;
        // Old kernels lack these two; answers are then only less rich.
        let _ = socket.set_cap_ack(true);
        let _ = socket.set_ext_ack(true);
        let limit = TimeVal::new(PATIENCE.as_secs().cast_signed(), 0);
        setsockopt(&socket, sockopt::ReceiveTimeout, &limit)
            .map_err(|errno| failed("limiting its time")(errno.into()))?;
        Ok(Self(socket))
    }

    /// Send all messages of a transaction as one datagram, which the kernel takes or refuses whole.
    pub(super) fn send(&self, datagram: &[u8]) -> Result<(), Error> {
        // The kernel refuses datagrams larger than the send buffer; the forced form may pass the system's limit,
        // and who may not force it may not change rules either.
        let _ = setsockopt(
            &self.0,
            sockopt::SndBufForce,
            &datagram.len().saturating_add(4096),
        );
        let to = socket::NetlinkAddr::new(0, 0);
        let sent = socket::sendto(self.0.as_fd().as_raw_fd(), datagram, &to, MsgFlags::empty())
            .map_err(|errno| failed("sending the transaction")(errno.into()))?;
        if sent == datagram.len() {
            Ok(())
        } else {
            Err(Error::Answer("the transaction was sent in part"))
        }
    }

    /// Receive one datagram of answers.
    pub(super) fn receive(&self) -> Result<Vec<u8>, Error> {
        let mut buffer = vec![0; DATAGRAM];
        loop {
            match socket::recv(self.0.as_fd().as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(length) => {
                    buffer.truncate(length);
                    return Ok(buffer);
                }
                // ENOBUFS: there were more answers than room; those that were kept can still be read.
                Err(nix::Error::EINTR | nix::Error::ENOBUFS) => {}
                Err(nix::Error::EAGAIN) => {
                    return Err(failed("waiting for the kernel's answer")(
                        io::ErrorKind::TimedOut.into(),
                    ));
                }
                Err(errno) => return Err(failed("reading the kernel's answer")(errno.into())),
            }
        }
    }
}

fn failed(during: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::Socket { during, source }
}
