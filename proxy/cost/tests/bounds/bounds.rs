//! The bounds. Each is about a fifteenth above what Bazel's optimized build took when it was set, and those of allocations
//! and system calls are below one more. A change that breaks one has a fault, or a price to be argued for with which the
//! bound goes up; one that makes a work cheaper brings its bound down.

use std::fmt;

/// What is counted of a piece of work.
#[derive(Clone, Copy)]
pub enum Counted {
    /// Instructions outside the kernel, of the program's own thread.
    Instructions,
    /// Instructions outside the kernel, of the data plane's threads.
    InstructionsOfWorkers,
    /// System calls of the data plane's threads, reading the clock among them (which is none outside valgrind).
    SystemCallsOfWorkers,
    /// Allocations and reallocations, of all threads, C code's aside.
    Allocations,
    /// Bytes on the heap that are held, C code's aside.
    BytesHeld,
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Counted::Instructions => "instructions",
            Counted::InstructionsOfWorkers => "instructions of workers",
            Counted::SystemCallsOfWorkers => "system calls of workers",
            Counted::Allocations => "allocations",
            Counted::BytesHeld => "bytes held",
        })
    }
}

/// A piece of work, and the most of each that it may take when it is done once more.
pub struct Work {
    /// As the program `cost` knows it.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub is: &'static str,
    /// How often it is done in the first run; in the second, twice as often.
    pub times: u32,
    pub most: &'static [(Counted, f64)],
}

pub const HTTP2: Work = Work {
    name: "http2",
    is: "a gRPC call and its answer through four ends of the codec of HTTP/2: twice a proxy's part",
    times: 500,
    most: &[
        (Counted::Instructions, 20_300.0),
        (Counted::Allocations, 0.01),
    ],
};

pub const HTTP1: Work = Work {
    name: "http1",
    is: "a GET and its answer of 1 KiB through four ends of the codec of HTTP/1.1: twice a proxy's part",
    times: 500,
    most: &[
        (Counted::Instructions, 21_400.0),
        (Counted::Allocations, 0.01),
    ],
};

pub const ACCESS_LOG: Work = Work {
    name: "access-log",
    is: "a line of the access log in Istio's default text",
    times: 500,
    most: &[
        (Counted::Instructions, 4_200.0),
        (Counted::Allocations, 0.01),
    ],
};

// Tables hash by a key of their own in every process: what a look takes varies by two fifths.
pub const ROUTE: Work = Work {
    name: "route-of-1",
    is: "the route of a call in the table of one service",
    times: 1000,
    most: &[
        (Counted::Instructions, 1_500.0),
        (Counted::Allocations, 0.01),
    ],
};

pub const ROUTE_AMONG_MANY: Work = Work {
    name: "route-of-200",
    is: "the route of a call in the table of 200 services: the same work as in the table of one",
    times: 1000,
    most: &[(Counted::Instructions, 1_800.0)],
};

pub const REQUEST_HTTP2: Work = Work {
    name: "request-http2",
    is: "a gRPC call through a worker and its answer back, alone on the connection, logged and counted",
    times: 500,
    most: &[
        (Counted::InstructionsOfWorkers, 32_900.0),
        (Counted::SystemCallsOfWorkers, 10.9),
        (Counted::Allocations, 2.5),
    ],
};

pub const REQUEST_HTTP1: Work = Work {
    name: "request-http1",
    is: "a GET through a worker and its answer of 1 KiB back, alone on the connection, logged and counted",
    times: 500,
    most: &[
        (Counted::InstructionsOfWorkers, 31_000.0),
        (Counted::SystemCallsOfWorkers, 10.9),
        (Counted::Allocations, 1.5),
    ],
};

pub const SERVICES: Work = Work {
    name: "services",
    is: "a service that the sidecar knows and does not call: cluster, endpoint and virtual host, as the pilot sends them",
    times: 500,
    most: &[(Counted::BytesHeld, 2_350.0)],
};

pub const CONNECTIONS_HTTP2: Work = Work {
    name: "connections-http2",
    is: "a client's connection of HTTP/2 that has asked once and stays",
    times: 100,
    most: &[(Counted::BytesHeld, 2_500.0)],
};

pub const CONNECTIONS_HTTP1: Work = Work {
    name: "connections-http1",
    is: "a client's connection of HTTP/1.1 that has asked once and stays",
    times: 100,
    most: &[(Counted::BytesHeld, 2_550.0)],
};

pub const CONNECTIONS_MTLS: Work = Work {
    name: "connections-mtls",
    is: "a caller's connection of HTTP/1.1 inside mutual TLS that has asked once and stays, at the application's sidecar",
    times: 100,
    most: &[(Counted::BytesHeld, 8_900.0)],
};
