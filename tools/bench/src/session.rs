//! One connection of a client that speaks mutual TLS itself, or none.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned};

use crate::failure::{Doing, Failure};
use crate::mesh::HOST;

/// How long a proxy may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection with mutual TLS on it.
pub(crate) struct Session(StreamOwned<ClientConnection, TcpStream>);

impl Session {
    /// Connects and agrees on TLS.
    pub(crate) fn open(target: SocketAddrV4, config: &Arc<ClientConfig>) -> Result<Self, Failure> {
        let doing = format!("a TLS connection to {target}");
        let mut socket = connect(target)?;
        let name = ServerName::try_from(HOST).doing(&doing)?;
        let mut tls = ClientConnection::new(config.clone(), name).doing(&doing)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket).doing(&doing)?;
        }
        Ok(Session(StreamOwned::new(tls, socket)))
    }

    /// Says goodbye and waits until the proxy has done so, which shows that it took the client's certificate. Says whether
    /// the session was a resumed one.
    pub(crate) fn end(mut self) -> Result<bool, Failure> {
        let doing = "the end of a session";
        let StreamOwned { conn, sock } = &mut self.0;
        let resumed = conn.handshake_kind() == Some(HandshakeKind::Resumed);
        conn.send_close_notify();
        while conn.wants_write() {
            conn.write_tls(sock).doing(doing)?;
        }
        sock.shutdown(Shutdown::Write).doing(doing)?;
        while conn.read_tls(sock).doing(doing)? > 0 {
            // An alert is an error here.
            conn.process_new_packets().doing(doing)?;
        }
        Ok(resumed)
    }

    /// One request, and the whole answer to it.
    pub(crate) fn ask(&mut self) -> Result<(), Failure> {
        ask(&mut self.0)
    }

    /// One request, after which the connection stays.
    pub(crate) fn keep(mut self) -> Result<Kept, Failure> {
        ask(&mut self.0)?;
        Ok(Kept::Tls(Box::new(self)))
    }
}

/// A connection that is left alone: nothing is asked of it but that it stays.
pub(crate) enum Kept {
    Plain(TcpStream),
    Tls(Box<Session>),
}

impl Kept {
    /// A plaintext connection that has carried one request.
    pub(crate) fn plain(target: SocketAddrV4) -> Result<Self, Failure> {
        let mut socket = connect(target)?;
        ask(&mut socket)?;
        Ok(Kept::Plain(socket))
    }

    /// That the proxy has not closed it.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let socket = match self {
            Kept::Plain(socket) => socket,
            Kept::Tls(session) => &session.0.sock,
        };
        socket.set_nonblocking(true).doing("an idle connection")?;
        match socket.peek(&mut [0]) {
            Ok(0) => Err(Failure("the proxy closed an idle connection".to_owned())),
            _ => Ok(()),
        }
    }
}

fn connect(target: SocketAddrV4) -> Result<TcpStream, Failure> {
    let doing = format!("a connection to {target}");
    let socket = TcpStream::connect_timeout(&target.into(), PATIENCE).doing(&doing)?;
    socket.set_nodelay(true).doing(&doing)?;
    socket.set_read_timeout(Some(PATIENCE)).doing(&doing)?;
    Ok(socket)
}

/// Asks for 1 KiB by HTTP/1.1 and reads it.
fn ask(stream: &mut (impl Read + Write)) -> Result<(), Failure> {
    let doing = "a request";
    let request = format!("GET /bytes/1024 HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    stream.write_all(request.as_bytes()).doing(doing)?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer).doing(doing)?;
        answer.extend_from_slice(buffer.get(..n).unwrap_or_default());
        let head = answer.windows(4).position(|w| w == b"\r\n\r\n");
        match head {
            _ if n == 0 => return Err(Failure("a connection ended before its answer".to_owned())),
            Some(head) if !answer.starts_with(b"HTTP/1.1 200 ") => {
                let head =
                    String::from_utf8_lossy(answer.get(..head).unwrap_or_default()).into_owned();
                return Err(Failure(format!("a request was answered {head}")));
            }
            Some(head) if answer.len() >= head + 4 + 1024 => return Ok(()),
            _ => {}
        }
    }
}
