//! Host names as users write them, and services as hosts.

use super::NamespacedName;

/// A host as meant: a short name is of the object's own namespace, a name with dots stands for
/// itself (`reviews` in `prod` is `reviews.prod.svc.cluster.local`).
pub(crate) fn resolve(host: &str, namespace: &str, domain: &str) -> String {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.contains('.') || host == "*" || host.starts_with("*.") {
        host.to_ascii_lowercase()
    } else {
        format!("{}.{namespace}.svc.{domain}", host.to_ascii_lowercase())
    }
}

/// The service that a full host name stands for, by its form alone.
pub(crate) fn service_of(host: &str, domain: &str) -> Option<NamespacedName> {
    let head = host.strip_suffix(domain)?.strip_suffix(".svc.")?;
    let (name, namespace) = head.split_once('.')?;
    let whole = !name.is_empty() && !namespace.is_empty() && !namespace.contains('.');
    whole.then(|| NamespacedName::new(namespace, name))
}

/// The names under which configuration for a host may stand, most specific first: the host itself,
/// then wildcards with ever shorter suffixes.
pub(crate) fn patterns(host: &str) -> Vec<String> {
    let mut all = vec![host.to_owned()];
    let mut rest = host;
    while let Some((_, suffix)) = rest.split_once('.') {
        all.push(format!("*.{suffix}"));
        rest = suffix;
    }
    all.push("*".to_owned());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_of_the_objects_namespace() {
        assert_eq!(
            resolve("a", "ns", "cluster.local"),
            "a.ns.svc.cluster.local"
        );
        assert_eq!(
            resolve("a.b.svc.cluster.local", "ns", "cluster.local"),
            "a.b.svc.cluster.local"
        );
        assert_eq!(resolve("*", "ns", "cluster.local"), "*");
    }

    #[test]
    fn a_full_name_names_a_service_and_others_do_not() {
        let domain = "cluster.local";
        assert_eq!(
            service_of("a.b.svc.cluster.local", domain),
            Some(NamespacedName::new("b", "a"))
        );
        for other in [
            "a.svc.cluster.local",
            "example.com",
            "x.a.b.svc.cluster.local",
            "cluster.local",
            "",
        ] {
            assert_eq!(service_of(other, domain), None, "{other}");
        }
    }

    #[test]
    fn wildcards_are_looked_for_from_long_to_short() {
        assert_eq!(patterns("a.b.c"), ["a.b.c", "*.b.c", "*.c", "*"]);
    }
}
