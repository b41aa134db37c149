//! The k8s-combat greeter: a service whose every answer says which pod gave it, and the client that
//! counts those answers. Together they show how a mesh balances requests.

pub mod client;
pub mod demo;
pub mod greeter;
pub mod hostname;
pub mod many;
pub mod metadata;
pub mod report;
pub mod server;
pub mod web;

/// The types of proto/helloworld.proto.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod helloworld {
    tonic::include_proto!("helloworld");
}
