//! What is measured.

use crate::load::{Exchange, Pace, Version};
use crate::mesh::Speaks;
use crate::upstream::Protocol;

/// How requests come from the load to the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// Through the proxy beside the caller, in plaintext.
    OneHop,
    /// Through both sides' proxies, with mutual TLS between them.
    TwoHops,
    /// To the proxy beside the application, from a client that speaks mutual TLS itself.
    Inbound,
}

/// What is done and timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Requests.
    Requests,
    /// TLS handshakes, one after the other, each on a new connection.
    Handshakes {
        /// Sessions go on from a ticket of the connection before.
        resumed: bool,
    },
    /// Connections that were used once and then are left alone.
    Idle {
        /// How many.
        connections: usize,
    },
}

/// One thing that is measured of every proxy that can do it.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// What it is, for the report.
    pub(crate) about: &'static str,
    pub(crate) path: Path,
    pub(crate) speaks: Speaks,
    pub(crate) exchange: Exchange,
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
    /// Services that the proxies know.
    pub(crate) services: u32,
    /// Changes of configuration while it is measured.
    pub(crate) changes_per_second: u32,
}

impl Scenario {
    /// What the application speaks.
    pub(crate) fn protocol(&self) -> Protocol {
        match (self.speaks, self.exchange.version) {
            (Speaks::Tcp, _) => Protocol::Tcp,
            (_, Version::Http1) => Protocol::Http1,
            (_, Version::Http2) => Protocol::Http2,
            (_, Version::Tcp) => Protocol::Tcp,
        }
    }
}

impl Default for Scenario {
    fn default() -> Self {
        Scenario {
            name: "",
            kind: Kind::Requests,
            about: "",
            path: Path::TwoHops,
            speaks: Speaks::Grpc,
            exchange: Exchange::grpc(),
            connections: 4,
            pace: Pace::Closed { in_flight: 25 },
            services: 1,
            changes_per_second: 0,
        }
    }
}

const THOUSAND: Pace = Pace::Open { per_second: 1000 };
const ONE: Pace = Pace::Closed { in_flight: 1 };
const TEN_MIB: u64 = 10 << 20;

/// Every scenario, in the report's order.
pub(crate) fn all() -> Vec<Scenario> {
    let mut all = small_requests().to_vec();
    all.extend(larger_ones());
    all.extend(bytes());
    all.extend(handshakes());
    all.extend(idle());
    all.extend(configurations());
    all
}

fn small_requests() -> [Scenario; 6] {
    let http1 = || Scenario {
        speaks: Speaks::Http,
        exchange: Exchange::get(Version::Http1, 1024),
        connections: 64,
        ..Scenario::default()
    };
    [
        Scenario {
            name: "grpc-mtls-2hops",
            about: "gRPC, 12 B asked and 61 B answered, two hops with mutual TLS between them, saturated",
            ..Scenario::default()
        },
        Scenario {
            name: "grpc-mtls-2hops@1000",
            about: "the same at 1,000 requests a second",
            pace: THOUSAND,
            ..Scenario::default()
        },
        Scenario {
            name: "grpc-plain-1hop",
            about: "gRPC, 12 B asked and 61 B answered, one hop in plaintext, saturated",
            path: Path::OneHop,
            ..Scenario::default()
        },
        Scenario {
            name: "grpc-plain-1hop@1000",
            about: "the same at 1,000 requests a second",
            path: Path::OneHop,
            pace: THOUSAND,
            ..Scenario::default()
        },
        Scenario {
            name: "http1-mtls-2hops",
            about: "HTTP/1.1, 1 KiB answered, two hops with mutual TLS between them, saturated",
            pace: ONE,
            ..http1()
        },
        Scenario {
            name: "http1-mtls-2hops@1000",
            about: "the same at 1,000 requests a second",
            pace: THOUSAND,
            ..http1()
        },
    ]
}

fn larger_ones() -> [Scenario; 4] {
    let bodies = Scenario {
        connections: 2,
        pace: Pace::Closed { in_flight: 2 },
        ..Scenario::default()
    };
    [
        Scenario {
            name: "grpc-big-headers",
            about: "as grpc-mtls-2hops, with 1.2 KB more of headers",
            exchange: Exchange::grpc().with_big_headers(),
            ..Scenario::default()
        },
        Scenario {
            name: "grpc-streaming",
            about: "gRPC streams of 100 messages, 12 B asked and 61 B answered each, two hops with mutual TLS; a request is a message",
            exchange: Exchange::grpc_stream(100),
            ..Scenario::default()
        },
        Scenario {
            name: "bodies-download",
            about: "HTTP/2, 10 MiB answered, two hops with mutual TLS",
            exchange: Exchange::get(Version::Http2, TEN_MIB),
            ..bodies.clone()
        },
        Scenario {
            name: "bodies-upload",
            about: "HTTP/2, 10 MiB sent, two hops with mutual TLS",
            exchange: Exchange::post(Version::Http2, TEN_MIB),
            ..bodies
        },
    ]
}

fn bytes() -> [Scenario; 2] {
    let bytes = Scenario {
        speaks: Speaks::Tcp,
        exchange: Exchange::bytes(TEN_MIB),
        connections: 1,
        pace: ONE,
        ..Scenario::default()
    };
    [
        Scenario {
            name: "tcp-plain-1hop",
            about: "bytes over one connection, one hop in plaintext; a request is 10 MiB",
            path: Path::OneHop,
            ..bytes.clone()
        },
        Scenario {
            name: "tcp-mtls-2hops",
            about: "bytes over one connection, two hops with mutual TLS; a request is 10 MiB",
            ..bytes
        },
    ]
}

fn handshakes() -> [Scenario; 2] {
    let inbound = |name, about, resumed| Scenario {
        name,
        about,
        kind: Kind::Handshakes { resumed },
        path: Path::Inbound,
        speaks: Speaks::Http,
        exchange: Exchange::get(Version::Http1, 1024),
        ..Scenario::default()
    };
    [
        inbound(
            "handshake-full",
            "mutual TLS handshakes with P-256 certificates, at the proxy beside the application",
            false,
        ),
        inbound(
            "handshake-resumed",
            "the same, resumed by ticket, with one request of HTTP/1.1 each, which brings the next ticket",
            true,
        ),
    ]
}

fn idle() -> Vec<Scenario> {
    let idle = |name, about, path, connections| Scenario {
        name,
        about,
        kind: Kind::Idle { connections },
        path,
        speaks: Speaks::Http,
        exchange: Exchange::get(Version::Http1, 1024),
        ..Scenario::default()
    };
    vec![
        idle(
            "idle-plain-1",
            "HTTP/1.1 connections that have carried one request and wait: 1; a request is a connection with its first one",
            Path::OneHop,
            1,
        ),
        idle("idle-plain-100", "the same, 100", Path::OneHop, 100),
        idle("idle-plain-1000", "the same, 1,000", Path::OneHop, 1000),
        idle("idle-plain-10000", "the same, 10,000", Path::OneHop, 10_000),
        idle(
            "idle-mtls-1",
            "connections of mutual TLS, resumed after the first, that have carried one request and wait: 1",
            Path::Inbound,
            1,
        ),
        idle("idle-mtls-100", "the same, 100", Path::Inbound, 100),
        idle("idle-mtls-1000", "the same, 1,000", Path::Inbound, 1000),
        idle("idle-mtls-10000", "the same, 10,000", Path::Inbound, 10_000),
    ]
}

fn configurations() -> [Scenario; 5] {
    let knowing = |name, about, services| Scenario {
        name,
        about,
        services,
        path: Path::OneHop,
        pace: THOUSAND,
        ..Scenario::default()
    };
    [
        knowing(
            "services-1",
            "as grpc-plain-1hop@1000, where the mesh has one service",
            1,
        ),
        knowing("services-100", "the same with 100 services", 100),
        knowing("services-1000", "the same with 1,000 services", 1000),
        knowing("services-10000", "the same with 10,000 services", 10_000),
        Scenario {
            name: "config-changes",
            about: "as grpc-mtls-2hops@1000, where endpoints, clusters and routes of other services change 100 times a second",
            services: 100,
            pace: THOUSAND,
            changes_per_second: 100,
            ..Scenario::default()
        },
    ]
}
