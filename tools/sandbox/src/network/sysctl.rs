//! Settings of network namespaces. A new one copies some from the host's, whose distribution chose
//! them for another purpose, so all that matter are set.

use std::path::Path;

use crate::Error;

const NODE: [(&str, &str); 6] = [
    ("ipv4/ip_forward", "1"),
    // A pod that reaches itself by a service address enters and leaves by one link.
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/route_localnet", "0"),
];

/// As Kubernetes' container runtimes: any user may bind any port and ping.
const POD: [(&str, &str); 6] = [
    ("ipv4/ip_forward", "0"),
    ("ipv4/ip_unprivileged_port_start", "0"),
    ("ipv4/ping_group_range", "0 2147483647"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/route_localnet", "0"),
];

/// No link but `lo` has IPv6; a kernel without IPv6 has not even this file.
const NO_IPV6: (&str, &str) = ("ipv6/conf/default/disable_ipv6", "1");

pub(super) fn node() -> Result<(), Error> {
    apply(&NODE)
}

pub(super) fn pod() -> Result<(), Error> {
    apply(&POD)
}

fn apply(settings: &[(&str, &str)]) -> Result<(), Error> {
    for (name, value) in settings {
        set(name, value)?;
    }
    match set(NO_IPV6.0, NO_IPV6.1) {
        Err(Error::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn set(name: &str, value: &str) -> Result<(), Error> {
    let path = Path::new("/proc/sys/net").join(name);
    std::fs::write(&path, value).map_err(Error::file("write", path))
}
