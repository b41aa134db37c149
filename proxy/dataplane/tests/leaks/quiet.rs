//! What the process and the workers hold.

use std::time::Duration;

use dataplane::{DataPlane, Held};

/// Bytes of memory that this process has.
pub fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}

/// What the workers hold once nothing is under way and what was used is given back, which has to come.
pub async fn at_rest(plane: &DataPlane) -> Held {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let held = plane.held();
        let counted = held.attempts + held.pending + held.retries;
        if held.requests == 0 && held.request_slots == 0 && counted == 0 {
            return held;
        }
        assert!(tokio::time::Instant::now() < deadline, "{held:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
