//! TLS over the worker's own buffers: records are decrypted where they were read and encrypted into what is written.

use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{ClientConfig, CommonState, ServerConfig};

/// Most plaintext in one record (RFC 8446, 5.1).
pub(crate) const RECORD: usize = 16 << 10;
/// What a record may add to it: header, content type, tag, and an explicit nonce for TLS 1.2.
pub(crate) const OVERHEAD: usize = 64;

/// One side of one TLS connection.
pub(crate) enum Session {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// What a call to [`Session::receive`] left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The handshake waits for more bytes.
    Handshaking,
    /// Plaintext can be sent; more bytes are welcome.
    Open,
    /// The peer will send no more.
    PeerClosed,
}

enum Step {
    Again,
    Stop(Progress),
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Session::Client(_) => "Client",
            Session::Server(_) => "Server",
        })
    }
}

impl Session {
    pub(crate) fn server(config: &Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        UnbufferedServerConnection::new(config.clone()).map(Session::Server)
    }

    pub(crate) fn client(
        config: &Arc<ClientConfig>,
        name: ServerName<'static>,
        alpn: Vec<Vec<u8>>,
    ) -> Result<Self, rustls::Error> {
        UnbufferedClientConnection::new_with_alpn(config.clone(), name, alpn).map(Session::Client)
    }

    /// Takes what `input` holds in whole records, hands plaintext to `plain`, appends what TLS itself has to say to
    /// `out`. Returns how many bytes of `input` are done with and the state. An `Err` means that the connection is
    /// over; an alert for the peer is then in `out`.
    pub(crate) fn receive(
        &mut self,
        input: &mut [u8],
        out: &mut Vec<u8>,
        mut plain: impl FnMut(&[u8]),
    ) -> (usize, Result<Progress, rustls::Error>) {
        let mut used = 0;
        loop {
            let rest = input.get_mut(used..).unwrap_or_default();
            let (discard, step) = match self {
                Session::Client(c) => step(c.process_tls_records(rest), out, &mut plain),
                Session::Server(s) => step(s.process_tls_records(rest), out, &mut plain),
            };
            used += discard;
            match step {
                Ok(Step::Again) => {}
                Ok(Step::Stop(progress)) => return (used, Ok(progress)),
                Err(error) => {
                    self.flush_alert(out);
                    return (used, Err(error));
                }
            }
        }
    }

    /// Encrypts `plain` into the front of `place`, which grows as needed and is never shortened: what is cleared once
    /// serves for ever. How many bytes of it are records now. What TLS itself has to say before them is appended to
    /// `first`. Nothing may be sent before the handshake is over.
    pub(crate) fn seal(
        &mut self,
        plain: &[u8],
        place: &mut Vec<u8>,
        first: &mut Vec<u8>,
    ) -> Result<usize, rustls::Error> {
        let room = plain.len() + (plain.len() / RECORD + 1) * OVERHEAD;
        self.write(first, room, place, |w, place| match w {
            Writer::Client(w) => w.encrypt(plain, place),
            Writer::Server(w) => w.encrypt(plain, place),
        })
    }

    /// Tells the peer that nothing more comes.
    pub(crate) fn close(&mut self, out: &mut Vec<u8>) {
        let mut place = Vec::new();
        let written = self.write(out, OVERHEAD * 2, &mut place, |w, place| match w {
            Writer::Client(w) => w.queue_close_notify(place),
            Writer::Server(w) => w.queue_close_notify(place),
        });
        out.extend_from_slice(place.get(..written.unwrap_or(0)).unwrap_or_default());
    }

    fn write(
        &mut self,
        out: &mut Vec<u8>,
        room: usize,
        place: &mut Vec<u8>,
        write: impl Fn(Writer<'_, '_>, &mut [u8]) -> Result<usize, EncryptError>,
    ) -> Result<usize, rustls::Error> {
        // What TLS has to say first (tickets, a key update) may stand before the state in which data goes out.
        for _ in 0..8 {
            let again = match self {
                Session::Client(c) => {
                    let status = c.process_tls_records(&mut []);
                    match status.state? {
                        ConnectionState::WriteTraffic(mut w) => {
                            return fill(place, room, |place| write(Writer::Client(&mut w), place));
                        }
                        other => say(other, out),
                    }
                }
                Session::Server(s) => {
                    let status = s.process_tls_records(&mut []);
                    match status.state? {
                        ConnectionState::WriteTraffic(mut w) => {
                            return fill(place, room, |place| write(Writer::Server(&mut w), place));
                        }
                        other => say(other, out),
                    }
                }
            };
            if !again {
                break;
            }
        }
        Err(rustls::Error::HandshakeNotComplete)
    }

    fn flush_alert(&mut self, out: &mut Vec<u8>) {
        for _ in 0..4 {
            let again = match self {
                Session::Client(c) => c
                    .process_tls_records(&mut [])
                    .state
                    .is_ok_and(|s| say(s, out)),
                Session::Server(s) => s
                    .process_tls_records(&mut [])
                    .state
                    .is_ok_and(|s| say(s, out)),
            };
            if !again {
                return;
            }
        }
    }

    fn state(&self) -> &CommonState {
        match self {
            Session::Client(c) => c,
            Session::Server(s) => s,
        }
    }

    /// The protocol both sides agreed on.
    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        self.state().alpn_protocol()
    }

    /// The peer's chain, leaf first.
    pub(crate) fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.state().peer_certificates()
    }
}

type ClientData = rustls::client::ClientConnectionData;
type ServerData = rustls::server::ServerConnectionData;

enum Writer<'a, 'c> {
    Client(&'a mut rustls::unbuffered::WriteTraffic<'c, ClientData>),
    Server(&'a mut rustls::unbuffered::WriteTraffic<'c, ServerData>),
}

fn fill(
    place: &mut Vec<u8>,
    mut room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
) -> Result<usize, rustls::Error> {
    loop {
        if place.len() < room {
            place.resize(room, 0);
        }
        match write(place) {
            Ok(n) => return Ok(n),
            Err(EncryptError::InsufficientSize(size)) if size.required_size > room => {
                room = size.required_size
            }
            Err(_) => return Err(rustls::Error::EncryptError),
        }
    }
}

/// Lets TLS say what it has to; whether it had anything.
fn say<D>(state: ConnectionState<'_, '_, D>, out: &mut Vec<u8>) -> bool {
    match state {
        ConnectionState::EncodeTlsData(mut encoder) => {
            let at = out.len();
            let mut room = 4 << 10;
            loop {
                out.resize(at + room, 0);
                match encoder.encode(out.get_mut(at..).unwrap_or_default()) {
                    Ok(n) => {
                        out.truncate(at + n);
                        return true;
                    }
                    Err(EncodeError::InsufficientSize(size)) if size.required_size > room => {
                        room = size.required_size
                    }
                    Err(_) => {
                        out.truncate(at);
                        return false;
                    }
                }
            }
        }
        ConnectionState::TransmitTlsData(transmit) => {
            transmit.done();
            true
        }
        _ => false,
    }
}

fn step<D>(
    status: UnbufferedStatus<'_, '_, D>,
    out: &mut Vec<u8>,
    plain: &mut impl FnMut(&[u8]),
) -> (usize, Result<Step, rustls::Error>) {
    let mut discard = status.discard;
    let step = match status.state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => {
            let mut failed = None;
            while let Some(record) = traffic.next_record() {
                match record {
                    Ok(record) => {
                        discard += record.discard;
                        plain(record.payload);
                    }
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            failed.map_or(Ok(Step::Again), Err)
        }
        Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
            Ok(Step::Stop(Progress::PeerClosed))
        }
        Ok(ConnectionState::BlockedHandshake) => Ok(Step::Stop(Progress::Handshaking)),
        Ok(ConnectionState::WriteTraffic(_)) => Ok(Step::Stop(Progress::Open)),
        Ok(other) => {
            if say(other, out) {
                Ok(Step::Again)
            } else {
                Ok(Step::Stop(Progress::Handshaking))
            }
        }
        Err(error) => Err(error),
    };
    (discard, step)
}
