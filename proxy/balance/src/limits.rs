//! How many retries may be under way.

use graph::cluster::Limits;

/// Whether one more retry may begin, with so many `retries` under way among `requests` under way and `pending`.
#[must_use]
pub fn retry_allowed(limits: &Limits, retries: u32, requests: u32, pending: u32) -> bool {
    let most = match limits.retry_budget {
        None => limits.retries,
        Some(budget) => {
            let active = u64::from(requests) + u64::from(pending);
            let share = active * u64::from(budget.basis_points) / 10_000;
            u32::try_from(share).unwrap_or(u32::MAX).max(budget.minimum)
        }
    };
    retries < most
}
