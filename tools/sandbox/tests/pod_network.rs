//! Pods and services as programs in them meet them. Needs root and nf_tables.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![allow(missing_docs)]

#[macro_use]
mod harness;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use harness::{LIMIT, Room, traces};
use sandbox::container::Exit;
use sandbox::network::{Network, NetworkConfig, PodNetwork, Protocol, ServiceForward};

const VIP: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 42);

fn main() {
    sandbox::reexec::run_if_asked();
    if std::env::args().nth(1).as_deref() == Some("make-network") {
        println!("{}", Network::create(NetworkConfig::default()).unwrap_err());
        return;
    }
    harness::run(tests![
        two_pods_and_the_node_reach_each_other,
        a_pod_has_lo_and_one_address_and_any_user_may_bind_low_ports,
        a_container_lives_in_its_pods_network,
        a_service_spreads_connections_and_keeps_each_where_it_is,
        a_service_of_udp_is_answered_from_its_address,
        the_node_reaches_services_with_its_own_address,
        a_pod_reaches_itself_by_its_service,
        a_service_without_backends_refuses_at_once,
        replacing_services_leaves_connections_alone,
        a_removed_pod_is_gone_and_its_id_free,
        two_networks_do_not_meet,
        threads_of_a_thread_in_the_node_live_in_the_node,
        a_network_leaves_nothing_in_the_host,
        who_is_not_root_is_told_so,
    ])
}

fn network() -> Network {
    Network::create(NetworkConfig::default()).unwrap()
}

/// Answers every connection with `name`, the peer's address, and then each byte with itself.
fn serve(pod: &PodNetwork, name: &'static str) -> SocketAddr {
    let listener = pod
        .enter(|| TcpListener::bind(("0.0.0.0", 80)).unwrap())
        .unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else {
                return;
            };
            std::thread::spawn(move || {
                let peer = connection.peer_addr().unwrap().ip();
                writeln!(connection, "{name} {peer}").unwrap();
                let mut byte = [0];
                while connection.read(&mut byte).is_ok_and(|read| read == 1) {
                    connection.write_all(name.as_bytes()).unwrap();
                }
            });
        }
    });
    SocketAddr::from((pod.ip, 80))
}

fn service(backends: &[SocketAddr]) -> ServiceForward {
    ServiceForward {
        vip: VIP.into(),
        protocol: Protocol::Tcp,
        port: 8080,
        backends: backends.to_vec(),
    }
}

fn connect(to: impl Into<SocketAddr>) -> std::io::Result<(TcpStream, String)> {
    let mut stream = TcpStream::connect_timeout(&to.into(), LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut greeting = String::new();
    let mut byte = [0];
    while stream.read(&mut byte)? == 1 && byte[0] != b'\n' {
        greeting.push(byte[0].into());
    }
    Ok((stream, greeting))
}

fn two_pods_and_the_node_reach_each_other() {
    let network = network();
    let (a, b) = (network.add_pod("a").unwrap(), network.add_pod("b").unwrap());
    let address = serve(&b, "b");
    let (_, greeting) = a.enter(|| connect(address)).unwrap().unwrap();
    assert_eq!(
        greeting,
        format!("b {}", a.ip),
        "the source is the pod's own address"
    );
    let (_, greeting) = network.enter(|| connect(address)).unwrap().unwrap();
    assert_eq!(greeting, "b 10.244.0.1", "a probe comes from the node");
    let at_node = network
        .enter(|| TcpListener::bind("10.244.0.1:53").unwrap())
        .unwrap();
    let accepted = std::thread::spawn(move || at_node.accept().unwrap().1);
    let _stream = a
        .enter(|| TcpStream::connect("10.244.0.1:53").unwrap())
        .unwrap();
    assert_eq!(accepted.join().unwrap().ip(), a.ip);
}

fn a_pod_has_lo_and_one_address_and_any_user_may_bind_low_ports() {
    let room = Room::new();
    let network = network();
    let pod = network.add_pod("pod").unwrap();
    let script = "ls /sys/class/net | tr '\\n' ' '; cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/eth0/rp_filter /sys/class/net/lo/flags";
    let mut spec = room.shell("app", script);
    spec.netns = Some(pod.netns());
    let (exit, lines) = room.run(spec);
    assert_eq!(exit, Exit::Code(0));
    // 0x9 is up and loopback.
    assert_eq!(
        lines,
        ["stdout eth0 lo 0", "stdout 0", "stdout 0", "stdout 0x9"]
    );
}

fn a_container_lives_in_its_pods_network() {
    let room = Room::new();
    let network = network();
    let (a, b) = (network.add_pod("a").unwrap(), network.add_pod("b").unwrap());
    serve(&b, "b");
    // The kernel lists local sockets of the namespace: the container's own.
    let mut spec = room.shell(
        "app",
        "cut -d: -f2 /proc/net/dev | wc -l; cat /proc/net/fib_trie | grep -c '/32 host LOCAL'",
    );
    spec.netns = Some(a.netns());
    let (exit, lines) = room.run(spec);
    assert_eq!(exit, Exit::Code(0), "{lines:?}");
    assert_ne!(lines[1], "stdout 0");
}

fn a_service_spreads_connections_and_keeps_each_where_it_is() {
    let network = network();
    let client = network.add_pod("client").unwrap();
    let backends: Vec<SocketAddr> = ["one", "two", "three"]
        .into_iter()
        .map(|name| serve(&network.add_pod(name).unwrap(), name))
        .collect();
    network.set_services(&[service(&backends)]).unwrap();
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..120 {
        let (_, greeting) = client.enter(|| connect((VIP, 8080))).unwrap().unwrap();
        let (name, peer) = greeting.split_once(' ').unwrap();
        assert_eq!(peer, client.ip.to_string());
        *counts.entry(name.to_owned()).or_default() += 1;
    }
    // Each gets 40 on average; fewer than 10 has a chance below one in 10^10.
    assert!(
        counts.len() == 3 && counts.values().all(|count| *count >= 10),
        "{counts:?}"
    );

    let (mut stream, greeting) = client.enter(|| connect((VIP, 8080))).unwrap().unwrap();
    let name = greeting.split(' ').next().unwrap().to_owned();
    for _ in 0..50 {
        stream.write_all(b"x").unwrap();
        let mut answer = vec![0; name.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(String::from_utf8(answer).unwrap(), name);
    }
}

fn a_service_of_udp_is_answered_from_its_address() {
    let network = network();
    let (client, server) = (
        network.add_pod("client").unwrap(),
        network.add_pod("server").unwrap(),
    );
    let socket = server
        .enter(|| UdpSocket::bind("0.0.0.0:53").unwrap())
        .unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 16];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        socket.send_to(&buffer[..length], from).unwrap();
    });
    let dns = ServiceForward {
        vip: VIP.into(),
        protocol: Protocol::Udp,
        port: 53,
        backends: vec![(server.ip, 53).into()],
    };
    network.set_services(&[dns]).unwrap();
    let socket = client
        .enter(|| UdpSocket::bind("0.0.0.0:0").unwrap())
        .unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket.connect((VIP, 53)).unwrap();
    socket.send(b"question").unwrap();
    let mut answer = [0; 16];
    let length = socket.recv(&mut answer).unwrap();
    assert_eq!(&answer[..length], b"question");
}

fn the_node_reaches_services_with_its_own_address() {
    let network = network();
    let server = network.add_pod("server").unwrap();
    let address = serve(&server, "server");
    network.set_services(&[service(&[address])]).unwrap();
    let (_, greeting) = network.enter(|| connect((VIP, 8080))).unwrap().unwrap();
    assert_eq!(greeting, "server 10.244.0.1");
}

fn a_pod_reaches_itself_by_its_service() {
    let network = network();
    let pod = network.add_pod("pod").unwrap();
    let address = serve(&pod, "itself");
    network.set_services(&[service(&[address])]).unwrap();
    let (_, greeting) = pod.enter(|| connect((VIP, 8080))).unwrap().unwrap();
    assert_eq!(
        greeting, "itself 10.244.0.1",
        "the way back leads by the node"
    );
}

fn a_service_without_backends_refuses_at_once() {
    let network = network();
    let client = network.add_pod("client").unwrap();
    network.set_services(&[service(&[])]).unwrap();
    for from in ["pod", "node"] {
        let attempt = || {
            TcpStream::connect_timeout(&(VIP, 8080).into(), LIMIT)
                .unwrap_err()
                .kind()
        };
        let refused = if from == "pod" {
            client.enter(attempt)
        } else {
            network.enter(attempt)
        };
        assert_eq!(
            refused.unwrap(),
            std::io::ErrorKind::ConnectionRefused,
            "from the {from}"
        );
    }
}

fn replacing_services_leaves_connections_alone() {
    let network = network();
    let client = network.add_pod("client").unwrap();
    let old = serve(&network.add_pod("old").unwrap(), "old");
    let new = serve(&network.add_pod("new").unwrap(), "new");
    network.set_services(&[service(&[old])]).unwrap();
    let (mut stream, greeting) = client.enter(|| connect((VIP, 8080))).unwrap().unwrap();
    assert!(greeting.starts_with("old"));
    network.set_services(&[service(&[new])]).unwrap();
    stream.write_all(b"x").unwrap();
    let mut answer = [0; 3];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"old");
    let (_, greeting) = client.enter(|| connect((VIP, 8080))).unwrap().unwrap();
    assert!(greeting.starts_with("new"));
    // A refused replacement changes nothing.
    let mut outside = service(&[old]);
    outside.vip = Ipv4Addr::new(192, 0, 2, 1).into();
    network.set_services(&[outside]).unwrap_err();
    assert!(
        client
            .enter(|| connect((VIP, 8080)))
            .unwrap()
            .unwrap()
            .1
            .starts_with("new")
    );
}

fn a_removed_pod_is_gone_and_its_id_free() {
    let network = network();
    let (client, pod) = (
        network.add_pod("client").unwrap(),
        network.add_pod("pod").unwrap(),
    );
    let address = serve(&pod, "pod");
    assert!(
        network
            .add_pod("pod")
            .unwrap_err()
            .to_string()
            .contains("\"pod\"")
    );
    network.remove_pod("pod").unwrap();
    network.remove_pod("pod").unwrap();
    let refused = client
        .enter(|| TcpStream::connect_timeout(&address, Duration::from_secs(2)))
        .unwrap();
    assert!(refused.is_err());
    let again = network.add_pod("pod").unwrap();
    assert_ne!(again.ip, pod.ip);
    let address = serve(&again, "again");
    assert!(
        client
            .enter(|| connect(address))
            .unwrap()
            .unwrap()
            .1
            .starts_with("again")
    );
}

fn two_networks_do_not_meet() {
    let (one, two) = (network(), network());
    let (a, b) = (one.add_pod("pod").unwrap(), two.add_pod("pod").unwrap());
    assert_eq!(a.ip, b.ip, "the addresses are private to each network");
    let (at_a, at_b) = (serve(&a, "first"), serve(&b, "second"));
    assert!(
        one.enter(|| connect(at_a))
            .unwrap()
            .unwrap()
            .1
            .starts_with("first")
    );
    assert!(
        two.enter(|| connect(at_b))
            .unwrap()
            .unwrap()
            .1
            .starts_with("second")
    );
}

fn threads_of_a_thread_in_the_node_live_in_the_node() {
    let network = network();
    let server = network.add_pod("server").unwrap();
    let address = serve(&server, "server");
    let probe = network
        .spawn_thread_in("probe", move || {
            std::thread::spawn(move || connect(address).unwrap().1)
                .join()
                .unwrap()
        })
        .unwrap();
    assert_eq!(probe.join().unwrap(), "server 10.244.0.1");
}

fn a_network_leaves_nothing_in_the_host() {
    let before = traces();
    let network = network();
    let pod = network.add_pod("pod").unwrap();
    network
        .set_services(&[service(&[(pod.ip, 80).into()])])
        .unwrap();
    assert_eq!(traces(), before, "nothing in the host while it exists");
    drop((network, pod));
    assert_eq!(traces(), before);
}

fn who_is_not_root_is_told_so() {
    let room = Room::new();
    let args = ["/test-program", "make-network"].map(String::from).to_vec();
    let mut spec = room.container("app", args);
    (spec.uid, spec.gid) = (1337, 1337);
    let (_, lines) = room.run(spec);
    assert!(lines[0].contains("this needs root"), "{lines:?}");
}
