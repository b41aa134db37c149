//! The agent of a pod: it stands between one Envoy-compatible proxy and the control plane. It gets
//! the workload's certificate and hands it out over SDS, writes the proxy's bootstrap, relays its
//! configuration stream, starts and stops it, and answers for the pod's readiness and metrics.
//! Arguments, environment, files and ports are those of Istio's pilot-agent.

pub mod bootstrap;
pub mod certificate;
pub mod control_plane;
pub mod downward;
pub mod environment;
pub mod envoy;
pub mod fetch;
pub mod grpc;
pub mod jitter;
pub mod node;
pub mod proxy_config;
pub mod relay;
pub mod request;
pub mod run;
pub mod sds;
pub mod settings;
pub mod socket;
pub mod status;
pub mod wait;
