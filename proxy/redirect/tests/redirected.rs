//! Real connections between two network namespaces, a pod and the world outside, with the rules loaded: each lands
//! where Istio's would, with its original destination, whichever back end loaded them. Needs root and the programs `ip`
//! and `iptables-restore`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod namespace;

use std::{
    cell::Cell,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use namespace::{Other, ip};
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use socket2::{Domain, SockRef, Socket, Type};

/// Bounds every wait; nothing is timed.
const PATIENCE: Duration = Duration::from_secs(10);
const EVERYTHING: [&str; 6] = ["-i", "*", "-b", "*", "-d", "15020"];
/// An address that no host has.
const VIP: &str = "192.0.2.77:8080";

/// The ways that rules are loaded.
const BACKENDS: [&[&str]; 3] = [
    &["--backend", "nftables"],
    &["--backend", "iptables", "--force-iptables-binary", "nft"],
    &["--backend", "iptables", "--force-iptables-binary", "legacy"],
];

thread_local! {
    /// How this thread loads rules.
    static BACKEND: Cell<&'static [&'static str]> = const { Cell::new(&[]) };
}

/// For each back end a pod with an address and a default route, and the world outside at the other end of its link.
fn with_pod(body: fn(Other)) {
    for backend in BACKENDS {
        eprintln!("{backend:?}");
        with_pod_by(backend, body);
    }
}

fn with_pod_by(backend: &'static [&'static str], body: fn(Other)) {
    namespace::fresh(move || {
        BACKEND.set(backend);
        let outside = Other::new();
        ip(&[
            "link",
            "add",
            "eth0",
            "type",
            "veth",
            "peer",
            "name",
            "out0",
            "netns",
            &outside.path(),
        ]);
        for address in ["10.9.0.2/24", "fd09::2/64"] {
            ip(&["addr", "add", address, "dev", "eth0", "nodad"]);
        }
        ip(&["link", "set", "eth0", "up"]);
        outside.inside(|| {
            for address in ["10.9.0.1/24", "fd09::1/64"] {
                ip(&["addr", "add", address, "dev", "out0", "nodad"]);
            }
            ip(&["link", "set", "out0", "up"]);
        });
        ip(&["route", "add", "default", "via", "10.9.0.1"]);
        ip(&["-6", "route", "add", "default", "via", "fd09::1"]);
        body(outside)
    })
}

fn redirect(arguments: &[&str]) {
    let arguments = [arguments, BACKEND.get()].concat();
    let (code, _, errors) = namespace::run(&arguments);
    assert_eq!(code, 0, "{errors}");
}

/// Listen in the calling thread's namespace.
fn listen(address: &str, transparent: bool) -> Socket {
    let address: SocketAddr = address.parse().unwrap();
    let domain = if address.is_ipv6() {
        Domain::IPV6
    } else {
        Domain::IPV4
    };
    let socket = Socket::new(domain, Type::STREAM, None).unwrap();
    if transparent && address.is_ipv6() {
        socket.set_ip_transparent_v6(true).unwrap();
    } else if transparent {
        socket.set_ip_transparent_v4(true).unwrap();
    }
    socket.set_reuse_address(true).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.bind(&address.into()).unwrap();
    socket.listen(8).unwrap();
    socket
}

fn connect(address: &str) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&address.parse().unwrap(), PATIENCE)
}

/// Accept the connection that this client made, and no other.
fn accept(listener: &Socket, client: &TcpStream) -> Socket {
    let (connection, peer) = listener
        .accept()
        .expect("the connection lands on this port");
    assert_eq!(peer.as_socket(), Some(client.local_addr().unwrap()));
    connection
}

fn original_destination(connection: &Socket) -> String {
    let ipv6 = connection.local_addr().unwrap().is_ipv6();
    let connection = SockRef::from(connection);
    let original = if ipv6 {
        connection.original_dst_v6()
    } else {
        connection.original_dst_v4()
    };
    original.unwrap().as_socket().unwrap().to_string()
}

fn local_address(connection: &Socket) -> String {
    connection
        .local_addr()
        .unwrap()
        .as_socket()
        .unwrap()
        .to_string()
}

/// Run as the proxy's user: a thread of its own with that user for what it opens, sockets too. Real and effective ids
/// stay, as the C library would change those of the whole process.
fn as_user<T: Send>(user: u32, group: u32, body: impl FnOnce() -> T + Send) -> T {
    let work = || {
        setfsgid(Gid::from_raw(group));
        setfsuid(Uid::from_raw(user));
        body()
    };
    thread::scope(|scope| {
        scope
            .spawn(work)
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn as_proxy<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    as_user(1337, 1337, body)
}

#[test]
fn what_an_application_sends_to_an_unowned_address_lands_on_15001_with_its_destination() {
    with_pod(|_outside| {
        redirect(&EVERYTHING);
        let proxy = listen("0.0.0.0:15001", false);
        for (user, group) in [(0, 0), (1000, 1000), (65534, 65534)] {
            let client = as_user(user, group, || connect(VIP)).unwrap();
            assert_eq!(original_destination(&accept(&proxy, &client)), VIP);
        }
    });
}

#[test]
fn what_the_proxys_user_or_group_sends_goes_out_as_it_is() {
    with_pod(|outside| {
        redirect(&EVERYTHING);
        let _proxy = listen("0.0.0.0:15001", false);
        let server = outside.inside(|| listen("10.9.0.1:9000", false));
        for (user, group) in [(1337, 1337), (1337, 0), (0, 1337)] {
            let client = as_user(user, group, || connect("10.9.0.1:9000")).unwrap();
            assert_eq!(local_address(&accept(&server, &client)), "10.9.0.1:9000");
        }
    });
}

#[test]
fn what_comes_in_lands_on_15006_with_its_destination_but_for_excluded_and_tunnel_ports() {
    with_pod(|outside| {
        redirect(&EVERYTHING);
        let proxy = listen("0.0.0.0:15006", false);
        let client = outside.inside(|| connect("10.9.0.2:8080")).unwrap();
        assert_eq!(
            original_destination(&accept(&proxy, &client)),
            "10.9.0.2:8080"
        );
        for direct in ["10.9.0.2:15020", "10.9.0.2:15008"] {
            let listener = listen(direct, false);
            let client = outside.inside(move || connect(direct)).unwrap();
            assert_eq!(local_address(&accept(&listener, &client)), direct);
        }
    });
}

#[test]
fn inside_the_pod_loopback_stays_and_a_call_to_itself_passes_the_inbound_side() {
    with_pod(|_outside| {
        redirect(&EVERYTHING);
        let (application, inbound) = (
            listen("0.0.0.0:8080", false),
            listen("0.0.0.0:15006", false),
        );
        // The application to itself, by loopback and by the pod's address: the proxy is not asked.
        for address in ["127.0.0.1:8080", "10.9.0.2:8080"] {
            let client = connect(address).unwrap();
            assert_eq!(local_address(&accept(&application, &client)), address);
        }
        // The proxy to this pod's address, since the application called its own service.
        let client = as_proxy(|| connect("10.9.0.2:8080")).unwrap();
        assert_eq!(
            original_destination(&accept(&inbound, &client)),
            "10.9.0.2:8080"
        );
        // The proxy's inbound side to the application, from its own source address.
        let from_proxy = as_proxy(|| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket
                .bind(&"127.0.0.6:0".parse::<SocketAddr>().unwrap().into())
                .unwrap();
            socket
                .connect(&"10.9.0.2:8080".parse::<SocketAddr>().unwrap().into())
                .unwrap();
            TcpStream::from(socket)
        });
        accept(&application, &from_proxy);
    });
}

#[test]
fn ipv6_connections_are_redirected_when_both_families_are_wanted() {
    with_pod(|outside| {
        redirect(&["-i", "*", "-b", "*", "--dual-stack"]);
        let (outbound, inbound) = (listen("[::]:15001", false), listen("[::]:15006", false));
        let client = connect("[2001:db8::77]:8080").unwrap();
        assert_eq!(
            original_destination(&accept(&outbound, &client)),
            "[2001:db8::77]:8080"
        );
        let client = outside.inside(|| connect("[fd09::2]:8080")).unwrap();
        assert_eq!(
            original_destination(&accept(&inbound, &client)),
            "[fd09::2]:8080"
        );
    });
}

#[test]
fn tproxy_hands_over_inbound_connections_with_both_addresses_as_they_were() {
    with_pod(|outside| {
        redirect(&["-m", "TPROXY", "-i", "*", "-b", "*"]);
        let proxy = listen("0.0.0.0:15006", true);
        let client = outside.inside(|| connect("10.9.0.2:8080")).unwrap();
        let connection = accept(&proxy, &client);
        assert_eq!(local_address(&connection), "10.9.0.2:8080");
        exchange(client, connection);
    });
}

#[test]
fn tproxy_does_so_over_ipv6() {
    with_pod(|outside| {
        redirect(&["-m", "TPROXY", "-i", "*", "-b", "*", "--dual-stack"]);
        let proxy = listen("[::]:15006", true);
        let client = outside.inside(|| connect("[fd09::2]:8080")).unwrap();
        let connection = accept(&proxy, &client);
        assert_eq!(local_address(&connection), "[fd09::2]:8080");
        exchange(client, connection);
    });
}

/// Later packets of a connection find the same socket, in both directions.
fn exchange(mut client: TcpStream, connection: Socket) {
    let mut connection = TcpStream::from(connection);
    let mut answer = [0; 4];
    client.write_all(b"ping").unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"ping");
    connection.write_all(b"pong").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"pong");
}

#[test]
fn dns_requests_land_at_the_agent_but_the_agents_own_go_out() {
    with_pod(|outside| asks_dns(outside, "127.0.0.1:15053", "10.9.0.1:53", "0.0.0.0:0"));
}

#[test]
fn dns_requests_over_ipv6_do_so_too() {
    with_pod(|outside| asks_dns(outside, "[::1]:15053", "[fd09::1]:53", "[::]:0"));
}

fn asks_dns(outside: Other, agent: &str, asked: &'static str, any: &str) {
    redirect(&[
        "-i",
        "*",
        "--redirect-dns",
        "--capture-all-dns",
        "--dual-stack",
    ]);
    let udp = |address: &str| {
        let socket = std::net::UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    };
    let agent = as_proxy(|| udp(agent));
    let server = outside.inside(move || udp(asked));
    let mut buffer = [0; 16];
    let application = udp(any);
    application.send_to(b"question", asked).unwrap();
    let (length, from) = agent
        .recv_from(&mut buffer)
        .expect("the request reaches the agent");
    assert_eq!(&buffer[..length], b"question");
    as_proxy(|| {
        let upstream = udp(any);
        upstream.send_to(b"upstream", asked).unwrap();
        let (length, from) = server
            .recv_from(&mut buffer)
            .expect("the agent's request reaches the server");
        assert_eq!(&buffer[..length], b"upstream");
        server.send_to(b"answer", from).unwrap();
        let (length, _) = upstream
            .recv_from(&mut buffer)
            .expect("the answer reaches the agent");
        assert_eq!(&buffer[..length], b"answer");
    });
    // And the agent's answer comes back as from the server that was asked.
    agent.send_to(b"reply", from).unwrap();
    let (length, from) = application
        .recv_from(&mut buffer)
        .expect("the answer reaches the application");
    assert_eq!(
        (&buffer[..length], from.to_string().as_str()),
        (&b"reply"[..], asked)
    );
}

#[test]
fn excluded_ports_and_networks_go_out_as_they_are() {
    with_pod(|outside| {
        redirect(&["-i", "*", "-x", "10.9.0.1/32", "-o", "9001", "-b", "*"]);
        let proxy = listen("0.0.0.0:15001", false);
        let server = outside.inside(|| {
            ip(&["addr", "add", "192.0.2.9/32", "dev", "lo"]);
            (
                listen("10.9.0.1:9000", false),
                listen("192.0.2.9:9001", false),
            )
        });
        for (listener, address) in [(&server.0, "10.9.0.1:9000"), (&server.1, "192.0.2.9:9001")] {
            let client = connect(address).unwrap();
            assert_eq!(local_address(&accept(listener, &client)), address);
        }
        let client = connect("192.0.2.9:9000").unwrap();
        assert_eq!(
            original_destination(&accept(&proxy, &client)),
            "192.0.2.9:9000"
        );
    });
}

#[test]
fn only_the_groups_that_are_named_are_redirected_or_all_but_those() {
    with_pod(|outside| {
        let proxy = listen("0.0.0.0:15001", false);
        let server = outside.inside(|| listen("10.9.0.1:9000", false));
        for (flag, redirected, direct) in [
            ("--istio-outbound-owner-groups", 202, 203),
            ("--istio-outbound-owner-groups-exclude", 203, 202),
        ] {
            redirect(&["-i", "*", flag, "202"]);
            let client = as_user(1000, redirected, || connect("10.9.0.1:9000")).unwrap();
            assert_eq!(
                original_destination(&accept(&proxy, &client)),
                "10.9.0.1:9000"
            );
            let client = as_user(1000, direct, || connect("10.9.0.1:9000")).unwrap();
            assert_eq!(local_address(&accept(&server, &client)), "10.9.0.1:9000");
        }
    });
}

#[test]
fn the_proxys_own_user_and_group_may_be_others() {
    with_pod(|outside| {
        redirect(&["-i", "*", "-u", "2000", "-g", "3000"]);
        let proxy = listen("0.0.0.0:15001", false);
        let server = outside.inside(|| listen("10.9.0.1:9000", false));
        for (user, group) in [(2000, 1), (1, 3000)] {
            let client = as_user(user, group, || connect("10.9.0.1:9000")).unwrap();
            accept(&server, &client);
        }
        let client = as_user(1337, 1337, || connect("10.9.0.1:9000")).unwrap();
        accept(&proxy, &client);
    });
}

#[test]
fn after_cleanup_nothing_is_redirected() {
    with_pod(|outside| {
        redirect(&EVERYTHING);
        redirect(&["--cleanup-only"]);
        let _proxy = listen("0.0.0.0:15001", false);
        let server = outside.inside(|| listen("10.9.0.1:9000", false));
        let client = connect("10.9.0.1:9000").unwrap();
        accept(&server, &client);
    });
}

#[test]
fn validation_passes_with_the_rules_and_fails_with_code_126_without() {
    with_pod(|_outside| {
        let validate = || as_proxy(|| namespace::run(&["--run-validation", "--skip-rule-apply"]));
        let (code, _, errors) = validate();
        assert_eq!(code, 126, "{errors}");
        assert!(
            errors.contains("10.9.0.2:15002") && errors.contains("15006"),
            "{errors}"
        );
        redirect(&EVERYTHING);
        let (code, _, errors) = validate();
        assert_eq!(code, 0, "{errors}");
    });
}
