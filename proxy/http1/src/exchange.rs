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
    /// What comes in nominates fields in `connection`: its trailers are dropped, as RFC 9110, 6.5.1 allows, since
    /// those of the same names must not pass on (RFC 9110, 7.6.1).
    pub(crate) drop_trailers: bool,
    /// How many interim responses came.
    pub(crate) informed: u32,
}

impl Default for Exchange {
    fn default() -> Self {
        Exchange {
            method: Method::Other,
            version: Version::Http11,
            upgrade: false,
            persistent: true,
            tunnel: false,
            drop_trailers: false,
            informed: 0,
        }
    }
}
