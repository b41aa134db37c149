//! Fuzz targets: what each parser does with bytes from outside, and what must hold of it whatever they are.
//!
//! The program `engine` is libFuzzer with one of these targets; `LATEEN_FUZZ` names it. docs/design/fuzzing.md tells how
//! to run it. A target fails by a panic, so it asserts as a test does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod input;
mod targets;

use std::sync::OnceLock;

/// One parser, or a few that are used together.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// What `LATEEN_FUZZ` names it by, and its folder below `corpus`.
    pub name: &'static str,
    /// Gives it bytes; panics where something does not hold.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "accesslog",
        run: targets::accesslog::run,
    },
    Target {
        name: "annotations",
        run: targets::annotations::run,
    },
    Target {
        name: "compile",
        run: targets::compile::run,
    },
    Target {
        name: "control",
        run: targets::control::run,
    },
    Target {
        name: "headers",
        run: targets::headers::run,
    },
    Target {
        name: "hpack",
        run: targets::hpack::run,
    },
    Target {
        name: "http1",
        run: targets::http1::run,
    },
    Target {
        name: "http1_forward",
        run: targets::http1_forward::run,
    },
    Target {
        name: "http2",
        run: targets::http2::run,
    },
    Target {
        name: "http2_pair",
        run: targets::http2_pair::run,
    },
    Target {
        name: "identity",
        run: targets::identity::run,
    },
    Target {
        name: "injector",
        run: targets::injector::run,
    },
    Target {
        name: "inspect",
        run: targets::inspect::run,
    },
    Target {
        name: "redirect",
        run: targets::redirect::run,
    },
    Target {
        name: "resources",
        run: targets::resources::run,
    },
    Target {
        name: "routing",
        run: targets::routing::run,
    },
    Target {
        name: "templates",
        run: targets::templates::run,
    },
];

/// The target that `LATEEN_FUZZ` names.
///
/// # Panics
/// It names none.
pub fn chosen() -> fn(&[u8]) {
    static CHOSEN: OnceLock<fn(&[u8])> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let name = std::env::var("LATEEN_FUZZ").unwrap_or_default();
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        let found = TARGETS.iter().find(|target| target.name == name);
        found
            .unwrap_or_else(|| panic!("LATEEN_FUZZ is to name one of: {}", names.join(", ")))
            .run
    })
}
