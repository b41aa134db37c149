//! The data plane's side towards the control plane: it subscribes to configuration and secrets, has them compiled, and
//! publishes one graph after another.
//!
//! Decisions are in [`Core`], which knows neither sockets nor clocks: events go in, requests and a graph come out. The
//! rest keeps streams open, resolves names and waits.

mod call;
mod core;
mod node;
mod packed;
mod resolve;
mod run;
mod session;
mod stream;
mod view;

pub use core::{Core, Effects, Service};
pub use node::node;
pub use packed::Came;
pub use resolve::{Answer, Resolve, SystemResolver};
pub use run::{Control, Options, start};
pub use stream::{Dial, unix};
pub use view::{Counters, Held, Initialization, Refused, TypeView, View};
