//! The DNS server's sockets: UDP and TCP (RFC 1035, 4.2).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;

use super::answer;
use crate::store::Store;

/// TCP connections served at once.
const CONNECTIONS: usize = 128;
/// How long a TCP connection may say nothing.
const IDLE: Duration = Duration::from_secs(10);
/// How long a server rests after an error of its socket.
const REST: Duration = Duration::from_millis(100);
/// UDP answers longer than this are cut for clients that announce no more (RFC 1035, 4.2.1).
const PLAIN_UDP: usize = 512;

/// What the servers answer from.
#[derive(Clone)]
pub struct Zone {
    /// The objects.
    pub store: Arc<Store>,
    /// The cluster domain, such as `cluster.local`.
    pub domain: Arc<str>,
}

impl Zone {
    fn respond(&self, query: &[u8], least: usize) -> Option<Vec<u8>> {
        let query = Message::from_vec(query).ok()?;
        let response = answer(&query, &self.store.view(), &self.domain)?;
        let bytes = response.to_vec().ok()?;
        let limit = least.max(match &query.edns {
            Some(edns) => usize::from(edns.max_payload().min(1232)),
            None => PLAIN_UDP,
        });
        if bytes.len() <= limit {
            Some(bytes)
        } else {
            response.truncate().to_vec().ok()
        }
    }
}

/// Answers queries by UDP for as long as it is polled.
pub async fn udp(socket: UdpSocket, zone: Zone) -> Infallible {
    let mut buffer = vec![0_u8; 4096];
    loop {
        let (length, from) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // ICMP errors of earlier answers come back here; they are nobody's business.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => continue,
            Err(error) => {
                rest("UDP", &error).await;
                continue;
            }
        };
        let query = buffer.get(..length).unwrap_or_default();
        if let Some(response) = zone.respond(query, PLAIN_UDP) {
            let _ = socket.send_to(&response, from).await;
        }
    }
}

/// Answers queries by TCP for as long as it is polled.
pub async fn tcp(listener: TcpListener, zone: Zone) -> Infallible {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // Nobody closes it.
        let place = Arc::clone(&places).acquire_owned().await;
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                rest("TCP", &error).await;
                continue;
            }
        };
        let zone = zone.clone();
        tokio::spawn(async move {
            // A client that breaks off loses its own answer only.
            let _ = connection(stream, &zone).await;
            drop(place);
        });
    }
}

/// Descriptors or memory run out for a while: the mesh's names must not be gone for good then.
async fn rest(protocol: &str, error: &std::io::Error) {
    tracing::warn!(protocol, %error, "DNS: a query is lost");
    tokio::time::sleep(REST).await;
}

async fn connection(mut stream: TcpStream, zone: &Zone) -> std::io::Result<()> {
    loop {
        let Ok(length) = tokio::time::timeout(IDLE, stream.read_u16()).await else {
            return Ok(());
        };
        let mut query = vec![0_u8; usize::from(length?)];
        match tokio::time::timeout(IDLE, stream.read_exact(&mut query)).await {
            Ok(read) => read?,
            Err(_) => return Ok(()),
        };
        let Some(response) = zone.respond(&query, usize::from(u16::MAX)) else {
            return Ok(());
        };
        let Ok(length) = u16::try_from(response.len()) else {
            return Ok(());
        };
        stream.write_u16(length).await?;
        stream.write_all(&response).await?;
    }
}
