//! Two data planes with mutual TLS between them.

use std::net::SocketAddr;

use bytes::Bytes;
use graph::cluster::UpstreamProtocol;
use graph::listener::DisabledPorts;
use graph::manager::{ClientCertDetails, ForwardClientCert};
use graph::route::Action;

use crate::authority::{Authority, CLIENT, SERVER};
use crate::graphs::{cluster, forward, graph, http, manager, route, secured, tcp};
use crate::peers::{ask1, ask2, free, http1, http2, lines, server, started};

/// What a pair is made of; it serves until it is dropped.
struct Pair {
    entry: SocketAddr,
    _planes: [dataplane::DataPlane; 2],
}

/// client -> plane -> mutual TLS -> plane -> upstream
async fn pair(
    upstream: SocketAddr,
    protocol: UpstreamProtocol,
    expects: &str,
    logs: &std::path::Path,
) -> Pair {
    let authority = Authority::new();
    let (entry, middle) = (free(), free());
    let forwards = |log: &str| {
        let log = logs.join(log);
        manager(
            vec![route("/", Action::Forward(Box::new(forward(0))))],
            log.to_str().unwrap(),
        )
    };
    let mut inbound = forwards("inbound");
    inbound.forward_client_cert = ForwardClientCert::AppendForward;
    inbound.set_current_client_cert = ClientCertDetails {
        subject: true,
        uri: true,
        dns: true,
        ..Default::default()
    };
    let alpn: &[&[u8]] = &[b"h2", b"http/1.1"];
    let offered: &[&[u8]] = if protocol == UpstreamProtocol::Http2 {
        &[b"h2"]
    } else {
        &[b"http/1.1"]
    };
    let serving = secured(
        middle,
        Some(authority.server(alpn)),
        http(inbound),
        vec![cluster(0, &[upstream], protocol)],
    );
    let mut towards = cluster(0, &[middle], protocol);
    towards.transports = vec![authority.client(offered, expects)];
    let calling = graph(entry, http(forwards("outbound")), vec![towards]);
    let planes = [
        started(middle, &serving).await,
        started(entry, &calling).await,
    ];
    Pair {
        entry,
        _planes: planes,
    }
}

#[tokio::test]
async fn requests_pass_two_hops_and_the_server_knows_its_client() {
    for protocol in [UpstreamProtocol::Http1, UpstreamProtocol::Http2] {
        let directory = tempfile::tempdir().unwrap();
        let (upstream, _) = server("one").await;
        let pair = pair(upstream, protocol, SERVER, directory.path()).await;
        let body = Bytes::from(vec![b'x'; 300_000]);
        let mut two = http2(pair.entry).await;
        let mut one = http1(pair.entry).await;
        for _ in 0..20 {
            assert_eq!(
                ask2(&mut two, "POST", "/echo", body.clone()).await.body,
                body,
                "{protocol:?}"
            );
            assert_eq!(
                ask1(&mut one, "POST", "/echo", body.clone()).await.body,
                body,
                "{protocol:?}"
            );
        }
        let answer = ask2(&mut two, "GET", "/", Bytes::new()).await;
        let certificate = answer.headers["seen-client-cert"].to_str().unwrap();
        assert!(
            certificate.starts_with(&format!("By={SERVER};Hash=")),
            "{certificate}"
        );
        assert!(
            certificate.contains(&format!("URI={CLIENT}")),
            "{certificate}"
        );
        assert_eq!(lines(&directory.path().join("inbound"), 41).await.len(), 41);
        assert_eq!(
            lines(&directory.path().join("outbound"), 41).await.len(),
            41
        );
    }
}

#[tokio::test]
async fn a_server_with_another_name_gets_no_request() {
    let directory = tempfile::tempdir().unwrap();
    let (upstream, _) = server("one").await;
    let other = "spiffe://cluster.local/ns/default/sa/other";
    let pair = pair(upstream, UpstreamProtocol::Http2, other, directory.path()).await;
    let mut client = http2(pair.entry).await;
    let answer = ask2(&mut client, "GET", "/", Bytes::new()).await;
    assert_eq!(answer.status, 503);
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(body.contains("remote connection failure"), "{body}");
    let line = lines(&directory.path().join("outbound"), 1).await.remove(0);
    assert!(
        line.contains(" 503 UF,URX ") || line.contains(" 503 URX,UF "),
        "{line}"
    );
}

#[tokio::test]
async fn bytes_pass_two_hops() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let upstream = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = upstream.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = upstream.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = socket.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
                let _ = to.shutdown().await;
            });
        }
    });
    let authority = Authority::new();
    let (entry, middle) = (free(), free());
    let mut serving = secured(
        middle,
        // A client that offers none of these goes on without, as with Envoy.
        Some(authority.server(&[b"h2", b"http/1.1"])),
        tcp(0),
        vec![cluster(0, &[endpoint], UpstreamProtocol::Http1)],
    );
    let graph_in_it = std::sync::Arc::get_mut(&mut serving).unwrap();
    let listener = std::sync::Arc::get_mut(&mut graph_in_it.listeners[0]).unwrap();
    listener.tls_inspector = Some(DisabledPorts::default());
    let mut towards = cluster(0, &[middle], UpstreamProtocol::Http1);
    towards.transports = vec![authority.client(&[b"istio"], SERVER)];
    let _planes = [
        started(middle, &serving).await,
        started(entry, &graph(entry, tcp(0), vec![towards])).await,
    ];
    let mut client = tokio::net::TcpStream::connect(entry).await.unwrap();
    let sent: Vec<u8> = (0..2_000_000u32).map(|n| (n % 241) as u8).collect();
    let (mut from, mut to) = client.split();
    let mut back = Vec::new();
    let (written, read) = tokio::join!(
        async {
            to.write_all(&sent).await.unwrap();
            to.shutdown().await.unwrap();
            sent.len()
        },
        from.read_to_end(&mut back)
    );
    assert_eq!((written, read.unwrap()), (sent.len(), sent.len()));
    assert!(back == sent);
}
