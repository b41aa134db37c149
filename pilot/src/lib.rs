//! Discovery and configuration: sources, a typed store, an immutable snapshot, its translation for
//! each data plane, and the ports that serve it.

pub mod args;
pub mod connections;
pub mod debounce;
pub mod debug;
pub mod discovery;
pub mod loading;
pub mod metrics;
pub mod node;
pub mod relay;
pub mod request;
pub mod service;
pub mod sources;
pub mod store;
pub mod world;
