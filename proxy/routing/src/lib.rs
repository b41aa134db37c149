//! Decisions about one request that need nothing but its headers and the configuration: which route, which cluster,
//! what the path, authority and forwarding fields become, what CORS and fault injection answer, how long it may take.
//!
//! No clock, no randomness, no connection: all of that comes in as arguments.

mod choice;
mod conditions;
pub mod cors;
mod fault;
pub mod forwarded;
pub mod grpc;
pub mod hops;
pub mod normalize;
pub mod query;
mod redirect;
pub mod request_id;
mod rewrite;
pub mod server;
mod table;
pub mod timeout;
pub mod xfcc;

pub use choice::{Choice, choose};
pub use conditions::{header_holds, headers_hold, is_grpc, path_of, query_holds};
pub use fault::{Injected, fault};
pub use hops::upgrade_allowed;
pub use normalize::{Normalized, normalize};
pub use redirect::{Location, https_redirect, redirect};
pub use rewrite::{rewrite_host, rewrite_path};
pub use table::{Facts, Match, needs_https, route, route_in, virtual_host};

#[cfg(test)]
mod tests;
