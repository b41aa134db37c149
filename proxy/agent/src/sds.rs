//! The secret discovery service: hands the workload's certificate and roots to the proxy over a
//! Unix socket, and again at each renewal.

pub mod secret;
pub mod server;
pub mod session;
pub mod system_roots;
