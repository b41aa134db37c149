//! From xDS resources to the graph that the data plane reads: pure, without I/O.
//!
//! A [`Compiler`] takes updates and keeps the last good version of every resource: a bad one is refused with a message
//! that names the field and what to do, and the others apply. The graph shares with the one before it whatever did not
//! change. Clusters and listeners appear in it when what they refer to has come, and the version before them goes on
//! until then.
//!
//! No field is passed over in silence: messages are taken apart field by field (`place::take`), and what cannot be
//! honoured is refused where ignoring it would change routing, security or addresses, and noted otherwise. Deprecated
//! fields are fields too.
#![allow(deprecated)]

mod access_log;
mod assignment;
mod cluster;
mod compiler;
mod http_options;
mod intern;
mod listener;
mod manager;
mod per_filter;
mod place;
mod route;
mod same;
mod source;
mod tcp;
mod text;
mod tls;
mod value;

pub use compiler::references::{Awaited, Awaiting, Origin, References, Resolution};
pub use compiler::{Compiler, Outcome, Rejection, Update, Upsert, Warning};
