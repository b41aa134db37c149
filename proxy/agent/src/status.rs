//! The agent's own port (15020): readiness, metrics of the whole pod, the application's probes, and
//! the commands to drain and to quit.

pub mod application_metrics;
pub mod merge;
pub mod probe;
pub mod probers;
pub mod readiness;
pub mod server;
