//! What every deployable does before and after its real work: the TLS provider, logging, signals,
//! metrics, a small HTTP server for operators, and writing files so that a crash cannot tear them.

pub mod crypto;
pub mod duration;
pub mod error;
pub mod fs;
pub mod http;
pub mod logging;
pub mod places;
pub mod program;
pub mod prompt;
pub mod shutdown;
pub mod telemetry;
