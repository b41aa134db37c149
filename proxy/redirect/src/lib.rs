//! `istio-iptables`: the rules by which a pod's traffic passes its proxy.
//!
//! [`rules`] turns [`Settings`] into nftables commands and is pure; [`run`] is the program around it, with Istio's
//! flags. `docs/design/redirect.md` tells how the redirect works and why the rules are what they are.

mod command;
mod environment;
mod error;
mod loading;
mod program;
mod routes;
pub mod rules;
mod settings;
mod validation;

pub use command::Options;
pub use environment::{Addresses, Environment};
pub use error::Error;
pub use program::{Streams, run, run_with};
pub use settings::{Backend, Dns, InboundMode, OwnerGroups, Selection, Settings, Variant, list};
