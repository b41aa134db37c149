//! TLS: what contexts ask for, the secrets they name, and the settings that both make together.

pub(crate) mod context;
mod provider;
pub(crate) mod resumption;
pub(crate) mod secret;
pub(crate) mod settings;
pub(crate) mod verifier;

use provider::provider;
