//! Names that are not the mesh's, asked of the machine's own resolver (/etc/resolv.conf).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// How long one server may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Servers that are asked, one after the other: as many as the system's own resolver takes.
const SERVERS: usize = 3;

/// The servers of the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upstream {
    servers: Vec<SocketAddr>,
}

impl Upstream {
    /// The machine's own, as its resolv.conf names them.
    pub fn of_machine() -> Self {
        // Without that file there is nobody to ask.
        Self::of_resolv_conf(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
    }

    /// These servers.
    pub fn of(servers: Vec<SocketAddr>) -> Self {
        Self { servers }
    }

    fn of_resolv_conf(text: &str) -> Self {
        let servers = text
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                (words.next() == Some("nameserver")).then(|| words.next())?
            })
            .filter_map(|word| word.parse::<IpAddr>().ok())
            .map(|address| SocketAddr::new(address, 53))
            .take(SERVERS)
            .collect();
        Self { servers }
    }

    /// The records that lead from a name outside to its addresses; none when nobody knows them.
    pub async fn addresses(&self, name: Name, kind: RecordType) -> Vec<Record> {
        let mut query = Message::query();
        query.metadata.recursion_desired = true;
        query.add_query(Query::query(name, kind));
        let Ok(bytes) = query.to_vec() else {
            return vec![];
        };
        self.ask(&query, &bytes, true)
            .await
            .and_then(|answer| Message::from_vec(&answer).ok())
            .map(|answer| answer.answers)
            .unwrap_or_default()
    }

    /// What the first server that answers says to `query`, whose bytes are `bytes`; a refusal when none does.
    pub async fn ask(&self, query: &Message, bytes: &[u8], by_udp: bool) -> Option<Vec<u8>> {
        for server in &self.servers {
            let asked = async {
                match by_udp {
                    true => udp(*server, bytes).await,
                    false => tcp(*server, bytes).await,
                }
            };
            match tokio::time::timeout(PATIENCE, asked).await {
                Ok(Ok(answer)) => return Some(answer),
                Ok(Err(error)) => tracing::debug!(%server, %error, "DNS: no answer"),
                Err(_) => tracing::debug!(%server, "DNS: no answer in time"),
            }
        }
        let code = match self.servers.is_empty() {
            true => ResponseCode::Refused,
            false => ResponseCode::ServFail,
        };
        Message::error_msg(query.metadata.id, query.metadata.op_code, code)
            .to_vec()
            .ok()
    }
}

async fn udp(server: SocketAddr, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let own: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    // A port of its own for each question, and a peer: nobody else's answer is taken.
    let socket = UdpSocket::bind((own, 0)).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut answer = vec![0; 4096];
    loop {
        let length = socket.recv(&mut answer).await?;
        if length >= 12 && answer.get(..2) == query.get(..2) {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

async fn tcp(server: SocketAddr, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(query.len()).map_err(std::io::Error::other)?;
    stream.write_u16(length).await?;
    stream.write_all(query).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_machines_servers_are_those_of_resolv_conf() {
        let text = "# nameserver 9.9.9.9\nsearch a b\nnameserver 10.0.0.2\n  nameserver fe80::1\nnameserver x\nnameserver 10.0.0.3 \nnameserver 10.0.0.4\n";
        let all: Vec<SocketAddr> = ["10.0.0.2:53", "[fe80::1]:53", "10.0.0.3:53"]
            .iter()
            .map(|server| server.parse().unwrap())
            .collect();
        assert_eq!(Upstream::of_resolv_conf(text), Upstream::of(all));
    }
}
