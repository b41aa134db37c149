//! The certificate authority of a mesh: authenticate, authorize, sign.
//!
//! It answers `istio.v1.auth.IstioCertificateService` as Istio's does. [`authorize`] and [`issue`] are the decisions,
//! without I/O and without a clock; [`root`] keeps the root of trust on disk; [`service`] and [`server`] put them on
//! the wire.

pub mod authorize;
pub mod issue;
mod metric;
pub mod options;
mod publish;
pub mod request;
pub mod root;
pub mod server;
pub mod service;
mod serving;
