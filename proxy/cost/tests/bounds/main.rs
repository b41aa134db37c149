//! What the data plane's work takes on fixed inputs stays within stated bounds: instructions and system calls as
//! valgrind counts them, and heap memory. LATEEN_COST names the program `cost` in an optimized build:
//! `cargo build --release -p cost` makes one.
#![allow(unreachable_pub)] // a program of tests has no outside
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod bounds;
mod runs;

use std::cell::OnceCell;

use bounds::{Counted, Work};
use runs::{Executed, Heap};

/// Two runs of a work, the second doing it twice as often, and what each did.
struct Runs<'w> {
    work: &'w Work,
    executed: OnceCell<[Executed; 2]>,
    heap: OnceCell<[Heap; 2]>,
}

impl Runs<'_> {
    /// What doing the work once more takes.
    fn each(&self, counted: Counted) -> f64 {
        let Work { name, times, .. } = *self.work;
        let both = [times, 2 * times];
        let executed = || {
            let runs = || both.map(|times| runs::executed(name, times));
            self.executed.get_or_init(runs).each_ref()
        };
        let heap = || {
            let runs = || both.map(|times| runs::heap(name, times));
            self.heap.get_or_init(runs).each_ref()
        };
        let [first, second] = match counted {
            Counted::Instructions => executed().map(|run| run.main.instructions),
            Counted::InstructionsOfWorkers => executed().map(|run| run.others.instructions),
            Counted::SystemCallsOfWorkers => executed().map(|run| run.others.system_calls),
            Counted::Allocations => heap().map(|run| run.allocations),
            Counted::BytesHeld => heap().map(|run| run.held),
        };
        (second as f64 - first as f64) / f64::from(times)
    }
}

fn hold(works: &[Work]) {
    let mut broken = Vec::new();
    for work in works {
        let runs = Runs {
            work,
            executed: OnceCell::new(),
            heap: OnceCell::new(),
        };
        for (counted, most) in work.most {
            let line = format!(
                "{}: {:.2} {counted}, at most {most}",
                work.name,
                runs.each(*counted)
            );
            println!("{line}");
            if runs.each(*counted) > *most {
                broken.push(format!("{line} ({})", work.is));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn the_codecs_stay_within_their_bounds() {
    hold(&[bounds::HTTP2, bounds::HTTP1]);
}

#[test]
fn log_lines_and_routes_stay_within_their_bounds() {
    hold(&[bounds::ACCESS_LOG, bounds::ROUTE, bounds::ROUTE_AMONG_MANY]);
}

#[test]
fn requests_through_a_worker_stay_within_their_bounds() {
    hold(&[bounds::REQUEST_HTTP2, bounds::REQUEST_HTTP1]);
}

#[test]
fn idle_connections_stay_within_their_bounds() {
    hold(&[
        bounds::CONNECTIONS_HTTP2,
        bounds::CONNECTIONS_HTTP1,
        bounds::CONNECTIONS_MTLS,
    ]);
}

#[test]
fn known_services_stay_within_their_bounds() {
    hold(&[bounds::SERVICES]);
}
