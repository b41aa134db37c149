//! The cluster of a request.

use graph::cluster::ClusterId;
use graph::route::{Target, WeightedCluster};
use headers::Headers;

/// Where a request is sent.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'t> {
    /// The cluster's number; `None` where a header names none that is known.
    pub cluster: Option<ClusterId>,
    /// The entry that was drawn, with its own changes, where the route has several clusters.
    pub weighted: Option<&'t WeightedCluster>,
}

/// The cluster of a route's target. `random` is the request's one number, `lookup` finds a cluster by name.
pub fn choose<'t>(
    target: &'t Target,
    request: &Headers,
    random: u64,
    lookup: impl Fn(&[u8]) -> Option<ClusterId>,
) -> Choice<'t> {
    match target {
        Target::Cluster(id) => Choice {
            cluster: Some(*id),
            weighted: None,
        },
        Target::Weighted { clusters, total } => {
            let weighted = drawn(clusters, *total, random);
            Choice {
                cluster: weighted.map(|w| w.cluster),
                weighted,
            }
        }
        Target::Header(name) => Choice {
            cluster: request.find(name).and_then(lookup),
            weighted: None,
        },
    }
}

fn drawn(clusters: &[WeightedCluster], total: u32, random: u64) -> Option<&WeightedCluster> {
    let drawn = random.checked_rem(total.into())?;
    let mut end = 0u64;
    clusters.iter().find(|entry| {
        end += u64::from(entry.weight);
        drawn < end
    })
}
