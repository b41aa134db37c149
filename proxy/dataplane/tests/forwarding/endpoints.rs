//! Endpoints that come and go.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use graph::cluster::UpstreamProtocol;
use graph::route::Action;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::authority::{Authority, SERVER};
use crate::graphs::{cluster, forward, graph, http, manager, route, secured};
use crate::peers::{ask1, free, http1, server, started};

/// Takes connections for `target`, says so by `taken`, and lets nothing pass before `pass` allows it.
async fn gate(target: SocketAddr, taken: Arc<Semaphore>, pass: Arc<Semaphore>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut inner, _) = listener.accept().await.unwrap();
            taken.add_permits(1);
            let pass = pass.clone();
            tokio::spawn(async move {
                pass.acquire().await.unwrap().forget();
                let mut outer = TcpStream::connect(target).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut inner, &mut outer).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_connection_to_an_endpoint_that_goes_while_it_is_made_serves_who_waited_and_ends() {
    for (protocol, alpn) in [
        (UpstreamProtocol::Http1, b"http/1.1".as_slice()),
        (UpstreamProtocol::Http2, b"h2"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let (upstream, _) = server("one").await;
        let (entry, middle) = (free(), free());
        let forwards = |log: &str| {
            let log = directory.path().join(log);
            let routes = vec![route("/", Action::Forward(Box::new(forward(0))))];
            http(manager(routes, log.to_str().unwrap()))
        };
        let clusters = vec![cluster(0, &[upstream], protocol)];
        let tls = authority.server(&[alpn]);
        let serving = secured(middle, Some(tls), forwards("inbound"), clusters);
        let _serving = started(middle, &serving).await;
        let (taken, pass) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let endpoint = gate(middle, taken.clone(), pass.clone()).await;
        let network = forwards("outbound");
        let calling = |endpoints: &[SocketAddr]| {
            let mut towards = cluster(0, endpoints, protocol);
            towards.transports = vec![authority.client(&[alpn], SERVER)];
            graph(entry, network.clone(), vec![towards])
        };
        let plane = started(entry, &calling(&[endpoint])).await;
        let mut client = http1(entry).await;
        let asked =
            tokio::spawn(async move { ask1(&mut client, "GET", "/", bytes::Bytes::new()).await });
        taken.acquire().await.unwrap().forget();
        plane.publish(&calling(&[]));
        // The worker answers once it has taken what was published.
        assert_eq!(plane.held().upstream_connections, 1);
        pass.add_permits(1);
        assert_eq!(asked.await.unwrap().status, 200);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while plane.held().upstream_connections > 0 {
            assert!(
                tokio::time::Instant::now() < deadline,
                "{protocol:?}: {:?}",
                plane.held()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
