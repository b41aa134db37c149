//! Encoded messages of Envoy's interface as JSON, as Envoy prints them: protobuf's JSON mapping with the names that
//! stand in the definitions, `Any` unpacked, secrets redacted.
//!
//! The messages are read as they are encoded; what their fields are called and hold is in `schema.txt`, which
//! `examples/schema.rs` writes from the definitions.
//!
//! ```
//! let schema = protojson::Schema::load();
//! let timeout = [0x0a, 1, b'a', 0x22, 2, 8, 5];
//! assert_eq!(
//!     schema.any("type.googleapis.com/envoy.config.cluster.v3.Cluster", &timeout),
//!     serde_json::json!({
//!         "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
//!         "name": "a",
//!         "connect_timeout": "5s",
//!     })
//! );
//! ```

mod json;
mod known;
mod schema;
mod wire;

pub use schema::Schema;
