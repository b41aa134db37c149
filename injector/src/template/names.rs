//! Templates name the fields of Kubernetes' and Istio's objects as Go does (`.Spec.HostNetwork`), JSON as its own schema
//! does (`hostNetwork`).

/// Words that Go writes in capitals where they begin a name.
const INITIALS: &[&str] = &[
    "api", "csi", "dns", "fc", "fs", "gce", "grpc", "http", "id", "ip", "nfs", "rbd", "se", "tcp",
    "tls", "tty", "uid",
];
/// Names of which one of those words is the beginning by chance.
const WORDS: &[&str] = &[
    "fsync", "ids", "ipam", "sec", "secret", "selector", "server", "service", "set",
];

/// `hostNetwork` as `HostNetwork`, `httpGet` as `HTTPGet`.
pub(super) fn in_go(json: &str) -> String {
    let end = json
        .find(|c: char| !c.is_ascii_lowercase())
        .unwrap_or(json.len());
    let (first, rest) = json.split_at(end);
    if INITIALS.contains(&first) && !WORDS.contains(&first) {
        return format!("{}{rest}", first.to_ascii_uppercase());
    }
    let mut letters = json.chars();
    match letters.next() {
        Some(first) => first.to_ascii_uppercase().to_string() + letters.as_str(),
        None => String::new(),
    }
}

/// The way back: the capitals before the first word are one word.
pub(super) fn in_json(go: &str) -> String {
    let capitals = go.chars().take_while(char::is_ascii_uppercase).count();
    let whole = capitals == go.len();
    let lower = if whole {
        capitals
    } else {
        capitals.saturating_sub(1).max(1)
    };
    go.chars()
        .enumerate()
        .map(|(n, c)| if n < lower { c.to_ascii_lowercase() } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_the_names_that_kubernetes_types_have_in_go() {
        for (json, go) in [
            ("name", "Name"),
            ("hostNetwork", "HostNetwork"),
            ("httpGet", "HTTPGet"),
            ("tcpSocket", "TCPSocket"),
            ("fsGroup", "FSGroup"),
            ("seLinuxOptions", "SELinuxOptions"),
            ("securityContext", "SecurityContext"),
            ("serviceAccountName", "ServiceAccountName"),
            ("apiVersion", "APIVersion"),
            ("dnsPolicy", "DNSPolicy"),
            ("tty", "TTY"),
            ("uid", "UID"),
            ("hostIP", "HostIP"),
            ("downwardAPI", "DownwardAPI"),
        ] {
            assert_eq!(in_go(json), go);
            assert_eq!(in_json(go), json);
        }
        assert_eq!((in_go(""), in_json("")), (String::new(), String::new()));
    }
}
