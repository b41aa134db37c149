//! Who a workload is, and how two workloads prove it to each other.
//!
//! Every control-plane program (ca, pilot, agent) speaks mutual TLS with SPIFFE identities and accepts Kubernetes
//! service-account tokens as the first credential. The rules of both live here once, so that no two programs can
//! disagree about who a caller is: the identities themselves, certificates and requests for them, TLS whose
//! certificate is replaced while connections go on, and the authentication of a gRPC caller.

pub mod bundle;
pub mod caller;
pub mod cert;
pub mod channel;
pub mod csr;
pub mod forwarded;
pub mod incoming;
pub mod jwt;
pub mod spiffe;
pub mod tls;

pub use spiffe::{SpiffeId, TrustDomain};
