//! Does a fixed piece of the data plane's work so many times and prints what that took of the heap; valgrind counts the
//! instructions. What does not depend on the number of times cancels out between two runs.
//!
//! Usage: `cost WORK TIMES`. tests/bounds holds what each may take. A profile of one, in a build with symbols:
//!
//! ```text
//! cargo rustc --release -p cost --bin cost -- -C strip=none
//! valgrind --tool=callgrind --separate-threads=yes target/release/cost request-http2 2000
//! ```

mod access_log;
mod carry;
mod connections;
mod heap;
mod http1;
mod http2;
mod messages;
mod peers;
mod pilot;
mod place;
mod plane;
mod request;
mod route;
mod secrets;
mod services;

use std::process::ExitCode;

use peers::{Http1, Http2};
use pilot::Side;

/// Why the work could not be done.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Does a work so many times.
type Work = fn(u32) -> Result<(), Failure>;

/// Each work by its name.
const WORKS: [(&str, Work); 11] = [
    ("http2", http2::exchanges),
    ("http1", http1::exchanges),
    ("access-log", access_log::lines),
    ("route-of-1", |times| route::matches(1, times)),
    ("route-of-200", |times| route::matches(200, times)),
    ("request-http2", request::requests::<Http2>),
    ("request-http1", request::requests::<Http1>),
    ("services", services::known),
    ("connections-http2", |times| {
        connections::idle::<Http2>(Side::Caller, times)
    }),
    ("connections-http1", |times| {
        connections::idle::<Http1>(Side::Caller, times)
    }),
    ("connections-mtls", |times| {
        connections::idle::<Http1>(Side::Application, times)
    }),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked = match arguments.as_slice() {
        [work, times] => WORKS
            .iter()
            .find(|(name, _)| name == work)
            .zip(times.parse().ok()),
        _ => None,
    };
    let Some(((_, work), times)) = asked else {
        let names: Vec<&str> = WORKS.iter().map(|(name, _)| *name).collect();
        eprintln!(
            "usage: cost WORK TIMES; WORK is one of {}",
            names.join(", ")
        );
        return ExitCode::from(2);
    };
    if let Err(failure) = work(times) {
        eprintln!("cost: {failure}");
        return ExitCode::FAILURE;
    }
    heap::report();
    ExitCode::SUCCESS
}
