//! How load is divided among priorities: each gets what its healthy hosts can carry, the next ones the rest.
//! <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/priority>

/// Hosts of a priority, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) healthy: u32,
    pub(crate) degraded: u32,
    /// All, those that drain excepted: they say nothing of the priority's health.
    pub(crate) counted: u32,
    /// All.
    pub(crate) all: u32,
}

/// What a priority gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// Percent of requests that go to its healthy hosts (in panic: to all its hosts).
    pub(crate) healthy: u32,
    /// Percent that go to its degraded ones.
    pub(crate) degraded: u32,
    /// Too few are well: all its hosts take requests.
    pub(crate) panic: bool,
}

/// Divides 100 percent among the priorities.
pub(crate) fn divide(counts: &[Count], overprovisioning: u32, panic_percent: u32) -> Vec<Share> {
    let available = |part: u32, of: u32| {
        let percent = u64::from(overprovisioning) * u64::from(part);
        percent
            .checked_div(of.into())
            .map_or(0, |p| p.min(100) as u32)
    };
    let healthy: Vec<u32> = counts
        .iter()
        .map(|c| available(c.healthy, c.counted))
        .collect();
    let degraded: Vec<u32> = counts
        .iter()
        .map(|c| available(c.degraded, c.counted))
        .collect();
    let total = healthy.iter().chain(&degraded).sum::<u32>().min(100);
    let mut shares = vec![Share::default(); counts.len()];
    if total > 0 {
        spread(&mut shares, &healthy, &degraded, total);
    } else if panic_percent == 0 {
        if let Some(first) = shares.first_mut() {
            first.healthy = 100;
        }
        return shares;
    }
    if total < 100 {
        for (share, count) in shares.iter_mut().zip(counts) {
            let well = 100 * u64::from(count.healthy + count.degraded);
            share.panic = well < u64::from(panic_percent.min(100)) * u64::from(count.counted)
                || (count.counted == 0 && panic_percent > 0);
        }
        if shares.iter().all(|s| s.panic) {
            by_size(&mut shares, counts);
        }
    }
    shares
}

/// By health: the healthy of all priorities first, then the degraded; what rounding leaves goes to the first.
fn spread(shares: &mut [Share], healthy: &[u32], degraded: &[u32], total: u32) {
    let mut left = 100;
    let mut take = |available: u32| {
        let part = (available * 100 / total).min(left);
        left -= part;
        part
    };
    for (share, available) in shares.iter_mut().zip(healthy) {
        share.healthy = take(*available);
    }
    for (share, available) in shares.iter_mut().zip(degraded) {
        share.degraded = take(*available);
    }
    let first_of = |list: &[u32]| list.iter().position(|a| *a > 0);
    if let Some(share) = first_of(healthy).and_then(|at| shares.get_mut(at)) {
        share.healthy += left;
    } else if let Some(share) = first_of(degraded).and_then(|at| shares.get_mut(at)) {
        share.degraded += left;
    }
}

/// All priorities panic: each gets load by its number of hosts.
fn by_size(shares: &mut [Share], counts: &[Count]) {
    let all: u64 = counts.iter().map(|c| u64::from(c.all)).sum();
    let mut left = 100;
    for (share, count) in shares.iter_mut().zip(counts) {
        let part = (100 * u64::from(count.all)).checked_div(all).unwrap_or(0) as u32;
        share.healthy = part;
        share.degraded = 0;
        left -= part;
    }
    let first = counts.iter().position(|c| c.all > 0).unwrap_or(0);
    if let Some(share) = shares.get_mut(first) {
        share.healthy += left;
    }
}
