//! Which protocol a service's port speaks, by `appProtocol`, the port's name, or its number.

use std::fmt;

/// The protocols that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Protocol {
    /// HTTP/1.1 (HTTP/2 is not offered to the workload).
    Http,
    /// HTTP/2 with prior knowledge.
    Http2,
    /// gRPC over HTTP/2.
    Grpc,
    /// gRPC-Web over HTTP/1.1.
    GrpcWeb,
    /// HTTP inside the application's own TLS: routed by server name alone.
    Https,
    /// TLS of the application.
    Tls,
    /// Bytes.
    Tcp,
    /// Not proxied.
    Udp,
    /// Undeclared: found out from the first bytes.
    Auto,
}

impl fmt::Display for Protocol {
    /// As Istio writes them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Http => "HTTP",
            Protocol::Http2 => "HTTP2",
            Protocol::Grpc => "GRPC",
            Protocol::GrpcWeb => "GRPC-Web",
            Protocol::Https => "HTTPS",
            Protocol::Tls => "TLS",
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
            Protocol::Auto => "UnsupportedProtocol",
        })
    }
}

/// Ports whose server speaks first, where waiting for the client's bytes would deadlock.
const SERVER_FIRST: [i32; 4] = [25, 53, 3306, 27017];

impl Protocol {
    /// The protocol of a service port. `transport` is the port's `protocol` (TCP, UDP or SCTP).
    pub(crate) fn of(
        app_protocol: Option<&str>,
        name: &str,
        port: i32,
        transport: Option<&str>,
    ) -> Self {
        if transport == Some("UDP") {
            return Protocol::Udp;
        }
        let declared = match app_protocol {
            Some("kubernetes.io/h2c") => Some(Protocol::Http2),
            Some("kubernetes.io/ws") => Some(Protocol::Http),
            Some("kubernetes.io/wss") => Some(Protocol::Https),
            Some(other) => Self::named(other),
            None => None,
        };
        declared
            .or_else(|| Self::by_name(name))
            .unwrap_or(if SERVER_FIRST.contains(&port) {
                Protocol::Tcp
            } else {
                Protocol::Auto
            })
    }

    fn by_name(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("grpc-web")
            || name.to_ascii_lowercase().starts_with("grpc-web-")
        {
            return Some(Protocol::GrpcWeb);
        }
        Self::named(name.split_once('-').map_or(name, |(prefix, _)| prefix))
    }

    fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "http" | "http_proxy" => Protocol::Http,
            "http2" => Protocol::Http2,
            "grpc" => Protocol::Grpc,
            "grpc-web" => Protocol::GrpcWeb,
            "https" => Protocol::Https,
            "tls" => Protocol::Tls,
            "tcp" | "mongo" | "mysql" | "redis" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return None,
        })
    }

    /// Whether requests are seen.
    pub(crate) fn is_http(self) -> bool {
        matches!(
            self,
            Protocol::Http | Protocol::Http2 | Protocol::Grpc | Protocol::GrpcWeb
        )
    }

    /// Whether the upstream is spoken to in HTTP/2.
    pub(crate) fn is_http2(self) -> bool {
        matches!(self, Protocol::Http2 | Protocol::Grpc)
    }
}

#[cfg(test)]
mod tests {
    use super::Protocol;

    #[test]
    fn app_protocol_wins_over_the_name_and_the_name_over_the_number() {
        let cases = [
            (Some("grpc"), "http-x", 80, Protocol::Grpc),
            (None, "http-x", 3306, Protocol::Http),
            (None, "app", 8081, Protocol::Auto),
            (None, "", 3306, Protocol::Tcp),
            (None, "grpc-web-x", 1, Protocol::GrpcWeb),
            (Some("kubernetes.io/h2c"), "", 1, Protocol::Http2),
            (Some("unheard-of"), "tcp-x", 1, Protocol::Tcp),
            (None, "httpd", 1, Protocol::Auto),
        ];
        for (app, name, port, want) in cases {
            assert_eq!(
                Protocol::of(app, name, port, Some("TCP")),
                want,
                "{app:?} {name} {port}"
            );
        }
        assert_eq!(
            Protocol::of(Some("http"), "http", 80, Some("UDP")),
            Protocol::Udp
        );
    }
}
