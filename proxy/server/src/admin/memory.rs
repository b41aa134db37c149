//! `/memory`: what the process holds (`envoy.admin.v3.Memory`).

use axum::response::Response;
use serde_json::json;

use super::answer;

/// Bytes of the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// In RAM and its own: heap and stacks. Allocators do not tell more.
    pub(crate) own: u64,
    /// In RAM, the program's text included.
    pub(crate) resident: u64,
}

impl Memory {
    /// As it is now; zero where the kernel does not tell.
    pub(crate) fn now() -> Self {
        std::fs::read_to_string("/proc/self/status")
            .map(|status| Self::of(&status))
            .unwrap_or_default()
    }

    fn of(status: &str) -> Self {
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
            Some(kilobytes * 1024)
        };
        Memory {
            own: bytes("RssAnon:").unwrap_or_default(),
            resident: bytes("VmRSS:").unwrap_or_default(),
        }
    }
}

pub(crate) fn page() -> Response {
    let memory = Memory::now();
    answer::json(&json!({
        "allocated": memory.own.to_string(),
        "heap_size": memory.own.to_string(),
        "pageheap_unmapped": "0",
        "pageheap_free": "0",
        "total_thread_cache": "0",
        "total_physical_bytes": memory.resident.to_string(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let status = "Name:\tproxy\nVmRSS:\t   12 kB\nRssAnon:\t    8 kB\n";
        let (own, resident) = (8 << 10, 12 << 10);
        assert_eq!(Memory::of(status), Memory { own, resident });
        assert_eq!(Memory::of(""), Memory::default());
        let now = Memory::now();
        assert!(now.own > 0 && now.own <= now.resident, "{now:?}");
    }
}
