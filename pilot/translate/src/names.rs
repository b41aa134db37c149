//! The names that clusters, listeners and routes have in Istio, which users meet in access logs.

use crate::model::NamespacedName;

/// Drops what is sent to it.
pub(crate) const BLACK_HOLE: &str = "BlackHoleCluster";
/// Sends to the address that was called.
pub(crate) const PASSTHROUGH: &str = "PassthroughCluster";
/// Sends to the address that was called, from an address that redirection leaves alone.
pub(crate) const INBOUND_PASSTHROUGH: &str = "InboundPassthroughCluster";

/// A port of a host, or of a subset of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Upstream<'a> {
    pub(crate) port: u16,
    pub(crate) subset: &'a str,
    pub(crate) host: &'a str,
}

impl<'a> Upstream<'a> {
    pub(crate) fn new(port: u16, subset: &'a str, host: &'a str) -> Self {
        Self { port, subset, host }
    }

    /// Reads `outbound|PORT|SUBSET|HOST`.
    pub(crate) fn parse(name: &'a str) -> Option<Self> {
        let mut parts = name.strip_prefix("outbound|")?.splitn(3, '|');
        let port = parts.next()?.parse().ok().filter(|p| *p > 0)?;
        let (subset, host) = (parts.next()?, parts.next()?);
        (!host.is_empty()).then_some(Self { port, subset, host })
    }

    /// `outbound|PORT|SUBSET|HOST`.
    pub(crate) fn cluster(&self) -> String {
        format!("outbound|{}|{}|{}", self.port, self.subset, self.host)
    }

    /// The server name sent in mutual TLS: `outbound_.PORT_.SUBSET_.HOST`.
    pub(crate) fn server_name(&self) -> String {
        format!("outbound_.{}_.{}_.{}", self.port, self.subset, self.host)
    }
}

/// `inbound|PORT||`, the port being the workload's own.
pub(crate) fn inbound(port: u16) -> String {
    format!("inbound|{port}||")
}

/// Reads `inbound|PORT||`.
pub(crate) fn parse_inbound(name: &str) -> Option<u16> {
    name.strip_prefix("inbound|")?
        .strip_suffix("||")?
        .parse()
        .ok()
}

/// The service and port of `HOST:PORT`, as xDS gRPC clients name their targets.
pub(crate) fn host_and_port(name: &str) -> Option<(&str, u16)> {
    let (host, port) = name.rsplit_once(':')?;
    Some((host, port.parse().ok()?))
}

/// All names by which a service is called from a namespace: in full, absolute, and shortened as
/// far as a resolver with Kubernetes' search domains completes them.
pub(crate) fn service_names(service: &NamespacedName, host: &str, viewer: &str) -> Vec<String> {
    let (name, namespace) = (&service.name, &service.namespace);
    let mut all = vec![
        host.to_owned(),
        format!("{host}."),
        format!("{name}.{namespace}.svc"),
        format!("{name}.{namespace}"),
    ];
    if &**namespace == viewer {
        all.push(name.to_string());
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_written_as_istio_writes_them_and_read_back() {
        let upstream = Upstream::new(50051, "", "k8s-combat-service.default.svc.cluster.local");
        assert_eq!(
            upstream.cluster(),
            "outbound|50051||k8s-combat-service.default.svc.cluster.local"
        );
        assert_eq!(
            upstream.server_name(),
            "outbound_.50051_._.k8s-combat-service.default.svc.cluster.local"
        );
        assert_eq!(Upstream::parse(&upstream.cluster()).unwrap(), upstream);
        assert_eq!(inbound(50051), "inbound|50051||");
        assert_eq!(parse_inbound("inbound|50051||"), Some(50051));
    }

    #[test]
    fn what_is_no_such_name_is_not_read() {
        for name in [
            "",
            "outbound",
            "outbound|x||h",
            "outbound|0||h",
            "outbound|1|",
            "outbound|1||",
            "inbound|1||",
            "outbound|70000||h",
        ] {
            assert_eq!(Upstream::parse(name), None, "{name}");
        }
        assert_eq!(parse_inbound("inbound|70000||"), None);
    }
}
