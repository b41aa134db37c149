//! The DNS server's sockets: UDP and TCP (RFC 1035, 4.2).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;

use super::upstream::Upstream;
use super::{answer, is_ours, leads_out};
use crate::store::Store;

/// TCP connections served at once.
const CONNECTIONS: usize = 128;
/// Queries by UDP answered at once; those for other names wait for the machine's resolver.
const QUERIES: usize = 512;
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
    /// Who is asked for all other names.
    pub upstream: Arc<Upstream>,
}

impl Zone {
    async fn respond(&self, bytes: &[u8], least: usize) -> Option<Vec<u8>> {
        let query = Message::from_vec(bytes).ok()?;
        let limited = least < usize::from(u16::MAX);
        if !is_ours(&query, &self.domain) {
            return self.upstream.ask(&query, bytes, limited).await;
        }
        let mut response = answer(&query, &self.store.view(), &self.domain)?;
        if let Some((target, kind)) = leads_out(&response, &self.domain) {
            // Clients that are no resolvers themselves follow no name: they want its addresses too.
            response.add_answers(self.upstream.addresses(target, kind).await);
        }
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
    let socket = Arc::new(socket);
    let places = Arc::new(Semaphore::new(QUERIES));
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
        // More than that at once are lost, as queries by UDP may be: their clients ask again.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let query = buffer.get(..length).unwrap_or_default().to_vec();
        let (socket, zone) = (Arc::clone(&socket), zone.clone());
        tokio::spawn(async move {
            if let Some(response) = zone.respond(&query, PLAIN_UDP).await {
                let _ = socket.send_to(&response, from).await;
            }
            drop(place);
        });
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
        let Some(response) = zone.respond(&query, usize::from(u16::MAX)).await else {
            return Ok(());
        };
        let Ok(length) = u16::try_from(response.len()) else {
            return Ok(());
        };
        stream.write_u16(length).await?;
        stream.write_all(&response).await?;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hickory_proto::op::{OpCode, Query, ResponseCode};
    use hickory_proto::rr::rdata::A;
    use hickory_proto::rr::{Name, RData, Record, RecordType};
    use serde_json::json;

    use super::*;

    /// A resolver that gives every name the same address, and counts.
    async fn resolver() -> (SocketAddr, Arc<AtomicUsize>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut buffer = vec![0; 512];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                let query = Message::from_vec(&buffer[..length]).unwrap();
                let mut response = Message::response(query.metadata.id, OpCode::Query);
                let question = query.queries[0].clone();
                let data = RData::A(A::new(192, 0, 2, 1));
                response.add_answers([Record::from_rdata(question.name().clone(), 60, data)]);
                response.add_query(question);
                let _ = socket.send_to(&response.to_vec().unwrap(), from).await;
            }
        });
        (address, asked)
    }

    fn zone(servers: Vec<SocketAddr>) -> Zone {
        let store = Store::default();
        for service in [
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
                "spec": {"clusterIP": "10.96.1.2"}}),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "ext", "namespace": "default"},
                "spec": {"type": "ExternalName", "externalName": "example.com"}}),
        ] {
            store.create(service).unwrap();
        }
        Zone {
            store: Arc::new(store),
            domain: "cluster.local".into(),
            upstream: Arc::new(Upstream::of(servers)),
        }
    }

    async fn ask(zone: &Zone, name: &str) -> (ResponseCode, Vec<String>) {
        let mut query = Message::query();
        query.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
        let bytes = zone
            .respond(&query.to_vec().unwrap(), PLAIN_UDP)
            .await
            .unwrap();
        let response = Message::from_vec(&bytes).unwrap();
        assert_eq!(response.metadata.id, query.metadata.id);
        let answers = response.answers.iter();
        (
            response.metadata.response_code,
            answers.map(|record| record.data.to_string()).collect(),
        )
    }

    #[tokio::test]
    async fn other_names_are_asked_of_the_machines_resolver_and_the_meshs_own_never() {
        let (address, asked) = resolver().await;
        // The first one is not there: nobody has that port.
        let zone = zone(vec!["127.0.0.1:9".parse().unwrap(), address]);
        let found = |text: &[&str]| {
            let all = text.iter().map(|text| (*text).to_owned()).collect();
            (ResponseCode::NoError, all)
        };
        assert_eq!(ask(&zone, "example.org.").await, found(&["192.0.2.1"]));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        for ours in [
            "nope.default.svc.cluster.local.",
            "word.",
            "5.0.244.10.in-addr.arpa.",
        ] {
            assert_eq!(ask(&zone, ours).await.0, ResponseCode::NXDomain, "{ours}");
        }
        assert_eq!(
            ask(&zone, "web.default.svc.cluster.local.").await,
            found(&["10.96.1.2"])
        );
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(
            ask(&zone, "ext.default.svc.cluster.local.").await,
            found(&["example.com.", "192.0.2.1"])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_resolver_that_does_not_answer_is_a_failure_and_none_a_refusal() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let deaf = zone(vec![silent.local_addr().unwrap()]);
        assert_eq!(ask(&deaf, "example.org.").await.0, ResponseCode::ServFail);
        assert_eq!(
            ask(&zone(vec![]), "example.org.").await.0,
            ResponseCode::Refused
        );
    }
}
