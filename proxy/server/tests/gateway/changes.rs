//! Listeners and secrets that come, change and go while others serve.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use xds::TypeUrl;

use crate::behind;
use crate::callers::{Comparison, curl};
use crate::certificates::{Certificates, Key};
use crate::planes::{Plane, Planes, free};
use crate::resources::{
    Callers, certificate, cluster, host, listener, named, requests, routes, secured,
};

/// A connection that stays.
struct Kept(TcpStream);

impl Kept {
    fn to(plane: &Plane, port: u16) -> Self {
        let stream = TcpStream::connect((plane.address, port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        Self(stream)
    }

    /// One request; the answer's head, or nothing where the connection is over.
    fn ask(&mut self) -> Option<String> {
        self.0
            .write_all(b"GET / HTTP/1.1\r\nhost: www.example.com\r\n\r\n")
            .ok()?;
        let mut read = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let n = self.0.read(&mut buffer).ok().filter(|n| *n > 0)?;
            read.extend_from_slice(&buffer[..n]);
            let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
            if let Some((head, _)) = text
                .split_once("\r\n\r\n")
                .filter(|_| text.ends_with("\r\n0\r\n\r\n"))
            {
                return Some(head.to_owned());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_comes_and_goes_while_others_serve() {
    let echo = behind::echo();
    let [stays, comes] = free();
    let planes = Planes::start(|ip| {
        vec![
            cluster("behind", echo),
            routes("http", vec![host("*", "behind")]),
            listener(ip, stays, vec![requests("http")]),
        ]
    })
    .await;
    for plane in planes.both() {
        let mut beside = Kept::to(plane, stays);
        assert!(beside.ask().is_some(), "{}", plane.name);
        for _ in 0..2 {
            plane.closes(comes);
            let added = listener(plane.address, comes, vec![requests("http")]);
            plane.pilot.put(vec![added]);
            plane.opens(comes);
            let drained = RefCell::new(Kept::to(plane, comes));
            let head = drained.borrow_mut().ask().unwrap();
            assert!(
                !head.contains("connection: close"),
                "{}: {head}",
                plane.name
            );
            let name = format!("{}_{comes}", plane.address);
            plane.pilot.remove(TypeUrl::Listener, &name);
            plane.closes(comes);
            // What was open is served on until it is told to leave: Envoy tells ever more answers, we the next.
            plane.until("connection: close", || {
                let head = drained.borrow_mut().ask();
                head.unwrap_or_else(|| panic!("{}: cut", plane.name))
                    .contains("connection: close")
            });
            let head = beside.ask().unwrap();
            assert!(
                !head.contains("connection: close"),
                "{}: {head}",
                plane.name
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_missing_stops_its_own_server_alone_and_a_new_one_serves_new_callers() {
    let made = Certificates::new();
    let root = made.root("example");
    let next_root = made.root("next");
    let www = made.named(
        "www.example.com",
        "example",
        "DNS:www.example.com",
        Key::P256,
    );
    let late = made.named(
        "late.example.com",
        "example",
        "DNS:late.example.com",
        Key::P256,
    );
    let next = made.named("next.example.com", "next", "DNS:www.example.com", Key::P256);
    let echo = behind::echo();
    let [port, waits] = free();
    let of = |name: &str, secret: &str| {
        named(
            &[name],
            secured(&[secret], Callers::default(), requests("https")),
        )
    };
    let planes = Planes::start(|ip| {
        vec![
            cluster("behind", echo),
            certificate("kubernetes://www", &www),
            routes("https", vec![host("*", "behind")]),
            listener(ip, port, vec![of("www.example.com", "kubernetes://www")]),
        ]
    })
    .await;
    for plane in planes.both() {
        let both = vec![
            of("www.example.com", "kubernetes://www"),
            of("late.example.com", "kubernetes://late"),
        ];
        plane.pilot.put(vec![listener(plane.address, waits, both)]);
    }
    let trusts = |root: &crate::certificates::Pair| {
        ["--cacert".to_owned(), root.chain_file.display().to_string()]
    };
    let asks = |plane: &Plane, host: &str, port: u16, root: &crate::certificates::Pair| {
        let trusted = trusts(root);
        curl(plane, host, port, &[&trusted[0], &trusted[1]], "/")
    };
    let mut same = Comparison::of(&planes);
    same.case("beside one that waits", &["200"], |plane| {
        asks(plane, "www.example.com", port, &root)
    });
    same.case("one that waits", &["curl is refused"], |plane| {
        asks(plane, "late.example.com", waits, &root)
    });
    same.case("the other name of the listener that waits", &[], |plane| {
        asks(plane, "www.example.com", waits, &root)
    });
    for plane in planes.both() {
        plane
            .pilot
            .put(vec![certificate("kubernetes://late", &late)]);
        plane.until("the late certificate", || {
            asks(plane, "late.example.com", waits, &root).contains("200")
        });
    }
    same.case("nothing waits", &["200"], |plane| {
        asks(plane, "www.example.com", waits, &root)
    });
    for plane in planes.both() {
        plane
            .pilot
            .put(vec![certificate("kubernetes://www", &next)]);
        plane.until("the next certificate", || {
            asks(plane, "www.example.com", port, &next_root).contains("200")
        });
    }
    same.case(
        "callers that know the former root alone",
        &["curl is refused"],
        |plane| asks(plane, "www.example.com", port, &root),
    );
}
