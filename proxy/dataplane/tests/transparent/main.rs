//! Interception mode TPROXY: a pod's application sees its clients' own addresses, behind the rules as `istio-iptables`
//! loads them. Needs root and the program `ip`.
#![allow(unreachable_pub)] // a program of tests has no outside
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[allow(dead_code)] // of what these tests share with those of forwarding, some need less
#[path = "../forwarding/graphs.rs"]
mod graphs;
mod pod;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dataplane::{DataPlane, Telemetry};
use graph::Graph;
use graph::chain::Network;
use graph::cluster::UpstreamProtocol;
use graph::route::Action;
use pod::Pod;
use socket2::{Domain, Socket, Type};

/// Bounds every wait; nothing is timed.
const PATIENCE: Duration = Duration::from_secs(10);
const INBOUND: &str = "0.0.0.0:15006";
const APPLICATION: &str = "10.9.0.2:8080";

/// Istio's inbound listener of that mode, to the application.
fn configuration(network: Network, protocol: UpstreamProtocol, source_kept: bool) -> Arc<Graph> {
    let mut to = graphs::cluster(0, &[APPLICATION.parse().unwrap()], protocol);
    // As Istio's inbound passthrough cluster has it; a client's own address comes before it.
    Arc::make_mut(&mut to.settings).bind = Some([127, 0, 0, 6].into());
    let mut graph = graphs::graph(INBOUND.parse().unwrap(), network, vec![to]);
    let made = Arc::get_mut(&mut graph).unwrap();
    let listener = Arc::get_mut(&mut made.listeners[0]).unwrap();
    listener.transparent = true;
    listener.restores_destination = true;
    listener.original_source_mark = source_kept.then_some(1337);
    graph
}

fn http() -> Network {
    let routes = vec![graphs::route(
        "/",
        Action::Forward(Box::new(graphs::forward(0))),
    )];
    graphs::http(graphs::manager(routes, "/dev/null"))
}

/// A worker as the proxy.
fn plane(graph: &Arc<Graph>) -> DataPlane {
    pod::as_proxy(|| {
        let telemetry = Telemetry::new(
            Arc::new(stats::Registry::new(1, "")),
            stats::istio::Workload::default(),
            "",
        );
        let plane = DataPlane::start(1, &Arc::new(telemetry)).unwrap();
        plane.publish(graph);
        // Whoever answers this has taken the configuration and listens: before that the rules let connections pass.
        assert_eq!(plane.held().requests, 0);
        plane
    })
}

/// An application that answers each request with who asks; how many connections it had.
fn application() -> Arc<AtomicUsize> {
    let listener = TcpListener::bind(APPLICATION).unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            count.fetch_add(1, Ordering::Relaxed);
            std::thread::spawn(move || answer(socket.unwrap()));
        }
    });
    connections
}

fn answer(socket: TcpStream) {
    let peer = socket.peer_addr().unwrap().ip().to_string();
    let mut lines = BufReader::new(socket.try_clone().unwrap()).lines();
    while let Some(Ok(line)) = lines.next() {
        if line.is_empty() {
            let length = peer.len();
            let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{peer}");
            if (&socket).write_all(text.as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// A client's connection from an address of the world outside.
fn from(address: &str) -> TcpStream {
    let local: SocketAddr = format!("{address}:0").parse().unwrap();
    let remote: SocketAddr = APPLICATION.parse().unwrap();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.bind(&local.into()).unwrap();
    socket.connect_timeout(&remote.into(), PATIENCE).unwrap();
    socket.into()
}

/// Asks on a connection; the status and what was answered.
fn ask(mut socket: &TcpStream) -> (String, String) {
    socket
        .write_all(b"GET / HTTP/1.1\r\nhost: service\r\n\r\n")
        .unwrap();
    let mut reader = BufReader::new(socket);
    let (mut status, mut length) = (String::new(), 0);
    reader.read_line(&mut status).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(n) = line.strip_prefix("content-length: ") {
            length = n.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let status = status.split(' ').nth(1).unwrap().to_owned();
    (status, String::from_utf8(body).unwrap())
}

#[test]
fn each_request_reaches_the_application_from_its_clients_address_by_connections_of_that_client_alone()
 {
    pod::with(|pod: Pod| {
        pod.redirect(&["-m", "TPROXY", "-i", "*", "-b", "*"]);
        let connections = application();
        let _plane = plane(&configuration(http(), UpstreamProtocol::Http1, true));
        pod.outside(|| {
            let (one, other) = (from("10.9.0.1"), from("10.9.0.3"));
            let another_of_one = from("10.9.0.1");
            for _ in 0..5 {
                assert_eq!(ask(&one), ("200".to_owned(), "10.9.0.1".to_owned()));
                assert_eq!(ask(&other), ("200".to_owned(), "10.9.0.3".to_owned()));
                assert_eq!(ask(&another_of_one).1, "10.9.0.1");
            }
        });
        assert_eq!(
            connections.load(Ordering::Relaxed),
            2,
            "one for each client"
        );
    });
}

#[test]
fn bytes_reach_the_application_from_their_clients_address() {
    pod::with(|pod: Pod| {
        pod.redirect(&["-m", "TPROXY", "-i", "*", "-b", "*"]);
        application();
        let _plane = plane(&configuration(
            graphs::tcp(0),
            UpstreamProtocol::Http1,
            true,
        ));
        pod.outside(|| {
            for address in ["10.9.0.1", "10.9.0.3"] {
                assert_eq!(ask(&from(address)), ("200".to_owned(), address.to_owned()));
            }
        });
    });
}

#[test]
fn without_the_filter_the_application_sees_the_clusters_source_address() {
    pod::with(|pod: Pod| {
        pod.redirect(&["-m", "TPROXY", "-i", "*", "-b", "*"]);
        application();
        let _plane = plane(&configuration(http(), UpstreamProtocol::Http1, false));
        pod.outside(|| assert_eq!(ask(&from("10.9.0.1")).1, "127.0.0.6"));
    });
}
