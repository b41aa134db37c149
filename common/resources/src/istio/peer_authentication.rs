//! PeerAuthentication: which workloads take plaintext, mutual TLS, or both.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::WorkloadSelector;

/// `PeerAuthentication.spec`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PeerAuthenticationSpec {
    /// The workloads of the namespace that this speaks of; absent or empty: all of them.
    pub selector: Option<WorkloadSelector>,
    /// The mode for all ports not listed in `portLevelMtls`.
    pub mtls: Option<MutualTls>,
    /// Modes by the workload's own port (the target port), which needs a selector.
    pub port_level_mtls: BTreeMap<u16, MutualTls>,
}

/// `MutualTLS`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MutualTls {
    /// The mode.
    pub mode: Mode,
}

/// `MutualTLS.Mode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    /// As the next wider scope says (workload, namespace, mesh; PERMISSIVE at the end).
    #[default]
    Unset,
    /// Plaintext only.
    Disable,
    /// Plaintext and mutual TLS.
    Permissive,
    /// Mutual TLS only.
    Strict,
}
