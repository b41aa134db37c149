//! TLS: what contexts ask for, the secrets they name, and the settings that both make together.

mod choice;
mod clients;
pub(crate) mod context;
mod pin;
mod provider;
pub(crate) mod resumption;
pub(crate) mod secret;
pub(crate) mod settings;
pub(crate) mod verifier;

use provider::provider;
