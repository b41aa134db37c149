//! What the first bytes of a connection are: TLS and what its ClientHello asks for, or which version of HTTP.
//!
//! Nothing is consumed and nothing kept: the caller asks again with more bytes while the answer is to wait.

mod hello;
mod http;

pub use hello::{ClientHello, Found, MOST_HELLO_BYTES, client_hello};
pub use http::{Http, MOST_HTTP_BYTES, http};

#[cfg(test)]
mod tests;
