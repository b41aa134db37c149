//! The data plane as a program: it takes Envoy's place on Envoy's terms. Command line, bootstrap file and admin
//! interface are Envoy's as far as an agent of Istio uses them, so that either can be started in the other's stead.

mod admin;
mod bootstrap;
mod command_line;
mod fixed;
mod run;

pub use bootstrap::{Bootstrap, BootstrapError};
pub use command_line::Arguments;
pub use run::{RunError, run};
