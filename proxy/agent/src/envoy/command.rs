//! Envoy's command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// This program, whatever it is called and wherever it lies.
pub const ITSELF: &str = "/proc/self/exe";

/// How Envoy is started.
#[derive(Debug, Clone)]
pub struct Command {
    /// The binary.
    pub binary: PathBuf,
    /// The bootstrap file.
    pub bootstrap: PathBuf,
    /// `--proxyLogLevel`, for example `warning`.
    pub log_level: Option<String>,
    /// `--proxyComponentLogLevel`, for example `misc:error`.
    pub component_log_level: Option<String>,
    /// Worker threads; 0 means one per CPU.
    pub concurrency: u32,
    /// How long the closing of connections is spread over when draining.
    pub drain: Duration,
    /// Whether names are resolved to IPv6 first.
    pub prefer_v6: bool,
}

/// The variable by which the C library's allocator is set.
const ALLOCATOR: &str = "GLIBC_TUNABLES";
/// Blocks of 1 MiB and more, which large configurations come in, are given back to the system as soon as they are free.
/// By itself the allocator keeps free blocks as large as the largest there were.
const GIVES_BACK: &str = "glibc.malloc.mmap_threshold=1048576:glibc.malloc.trim_threshold=1048576";

impl Command {
    /// Variables that the program gets besides its agent's own, unless the agent has them set.
    pub fn environment(&self) -> Option<(&'static str, &'static str)> {
        std::env::var_os(ALLOCATOR)
            .is_none()
            .then_some((ALLOCATOR, GIVES_BACK))
    }

    /// The arguments after the program's name.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        let mut put = |name: &str, value: OsString| {
            arguments.push(name.into());
            arguments.push(value);
        };
        put("-c", self.bootstrap.clone().into());
        put("--drain-time-s", self.drain.as_secs().to_string().into());
        put("--drain-strategy", "immediate".into());
        let version = if self.prefer_v6 { "v6" } else { "v4" };
        put("--local-address-ip-version", version.into());
        put("--file-flush-interval-msec", "1000".into());
        if let Some(level) = &self.log_level {
            put("-l", level.into());
        }
        if let Some(levels) = &self.component_log_level {
            put("--component-log-level", levels.into());
        }
        if self.concurrency > 0 {
            put("--concurrency", self.concurrency.to_string().into());
        }
        // Hot restart uses shared memory between processes that a pod never has twice.
        arguments.push("--disable-hot-restart".into());
        arguments.push("--allow-unknown-static-fields".into());
        arguments
    }
}

/// Worker threads of the proxy: the flag, else `ProxyConfig.concurrency`, else the CPU limit in
/// whole cores, else 2.
pub fn concurrency(flag: Option<u32>, config: Option<u32>, cpu_limit: Option<&str>) -> u32 {
    flag.or(config)
        .or_else(|| cpu_limit.and_then(|cores| cores.parse().ok()))
        .unwrap_or(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_follow_flag_then_config_then_cpu_limit() {
        assert_eq!(concurrency(Some(1), Some(4), Some("8")), 1);
        assert_eq!(concurrency(None, Some(4), Some("8")), 4);
        assert_eq!(concurrency(None, None, Some("8")), 8);
        assert_eq!(concurrency(None, None, None), 2);
    }

    #[test]
    fn hot_restart_is_off_and_zero_workers_means_all_cpus() {
        let command = Command {
            binary: "envoy".into(),
            bootstrap: "b.json".into(),
            log_level: Some("warning".into()),
            component_log_level: None,
            concurrency: 0,
            drain: Duration::from_secs(45),
            prefer_v6: false,
        };
        let arguments = command.arguments();
        assert!(arguments.contains(&"--disable-hot-restart".into()));
        assert!(!arguments.contains(&"--concurrency".into()));
        assert!(
            arguments
                .windows(2)
                .any(|w| w == ["-l".to_owned(), "warning".to_owned()].map(OsString::from))
        );
    }
}
