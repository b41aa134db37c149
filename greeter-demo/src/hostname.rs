//! The name of this pod.

/// The host name, which in a pod is the pod's name; `unknown` when the kernel has none to give.
pub fn hostname() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}
