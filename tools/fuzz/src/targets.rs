//! A file for each target.

pub(crate) mod accesslog;
pub(crate) mod annotations;
pub(crate) mod compile;
pub(crate) mod control;
pub(crate) mod headers;
pub(crate) mod hpack;
pub(crate) mod http1;
pub(crate) mod http1_forward;
pub(crate) mod http2;
pub(crate) mod http2_pair;
pub(crate) mod identity;
pub(crate) mod injector;
pub(crate) mod inspect;
pub(crate) mod redirect;
pub(crate) mod resources;
pub(crate) mod routing;
pub(crate) mod templates;
