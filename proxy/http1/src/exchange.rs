//! One request and its response.

use crate::Version;
use crate::method::Method;

/// What each side's message says of the other's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    pub(crate) method: Method,
    /// The request's, on a server; a client's is always 1.1.
    pub(crate) version: Version,
    /// The request asks for an upgrade.
    pub(crate) upgrade: bool,
    /// Another exchange may follow.
    pub(crate) persistent: bool,
    /// The connection became a tunnel.
    pub(crate) tunnel: bool,
    /// An interim response came.
    pub(crate) informed: bool,
}

impl Default for Exchange {
    fn default() -> Self {
        Exchange {
            method: Method::Other,
            version: Version::Http11,
            upgrade: false,
            persistent: true,
            tunnel: false,
            informed: false,
        }
    }
}
