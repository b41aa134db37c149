//! What the demonstration reads from sidecars' access logs.

/// Whether a line is an entry of Istio's default text format: `[time] "METHOD path protocol" ...`.
pub(super) fn is_entry(line: &str) -> bool {
    line.starts_with('[') && line.contains("Z] \"")
}

/// Whether an entry is of a request that came in for the greeter (its upstream cluster is the pod's
/// own port).
pub(super) fn is_inbound(line: &str) -> bool {
    is_entry(line) && line.contains(" inbound|50051|| ")
}

/// Whether an inbound entry's connection named the mesh's own server name, which only the mutual
/// TLS of another sidecar does.
pub(super) fn is_mutual_tls(line: &str) -> bool {
    line.contains(" outbound_.50051_._.k8s-combat-service.default.svc.cluster.local ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const INBOUND: &str = r#"[2023-10-31T14:52:14.279Z] "POST /helloworld.Greeter/SayHello HTTP/2" 200 - via_upstream - "-" 12 61 14 9 "-" "grpc-go/1.58.3" "6d293d32-af96-9f87-a8e4-6665632f7236" "k8s-combat-service:50051" "172.17.0.9:50051" inbound|50051|| 127.0.0.6:42051 172.17.0.9:50051 172.17.0.9:40804 outbound_.50051_._.k8s-combat-service.default.svc.cluster.local default"#;
    const OUTBOUND: &str = r#"[2023-10-31T14:52:14.246Z] "POST /helloworld.Greeter/SayHello HTTP/2" 200 - via_upstream - "-" 12 61 58 39 "-" "grpc-go/1.58.3" "6d293d32-af96-9f87-a8e4-6665632f7236" "k8s-combat-service:50051" "172.17.0.9:50051" outbound|50051||k8s-combat-service.default.svc.cluster.local 172.17.0.9:40804 10.101.204.13:50051 172.17.0.9:54012 - default"#;

    #[test]
    fn the_articles_lines_are_told_apart() {
        assert!(is_inbound(INBOUND) && is_mutual_tls(INBOUND));
        assert!(is_entry(OUTBOUND) && !is_inbound(OUTBOUND) && !is_mutual_tls(OUTBOUND));
    }

    #[test]
    fn the_proxys_own_messages_are_no_entries() {
        assert!(!is_entry(
            "[2026-11-22 20:00:00.000][1][warning][main] starting"
        ));
        assert!(!is_entry(
            "2026-11-22T20:00:00Z INFO agent: certificate obtained"
        ));
    }
}
