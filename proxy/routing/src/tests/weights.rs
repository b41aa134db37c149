use graph::cluster::ClusterId;
use graph::route::{HostRewrite, Target, WeightedCluster};

use super::{Numbers, bytes, get};
use crate::choose;

fn weighted(weights: &[u32]) -> Target {
    let clusters = weights
        .iter()
        .zip(0..)
        .map(|(weight, id)| WeightedCluster {
            cluster: ClusterId(id),
            weight: *weight,
            request: Default::default(),
            response: Default::default(),
            host: HostRewrite::None,
        })
        .collect();
    Target::Weighted {
        clusters,
        total: weights.iter().sum(),
    }
}

#[test]
fn weights_are_honoured_over_100000_draws() {
    for weights in [&[90, 10][..], &[1, 2, 3, 4], &[0, 100], &[33, 33, 34, 0]] {
        let target = weighted(weights);
        let total: u32 = weights.iter().sum();
        let mut counts = vec![0u32; weights.len()];
        let mut numbers = Numbers(9);
        for _ in 0..100_000 {
            let choice = choose(&target, &get("/", &[]), numbers.next(), |_| None);
            let id = choice.cluster.unwrap();
            assert_eq!(choice.weighted.unwrap().cluster, id);
            counts[id.index()] += 1;
        }
        for (count, weight) in counts.iter().zip(weights) {
            let expected = f64::from(*weight) / f64::from(total) * 100_000.0;
            assert!(
                (f64::from(*count) - expected).abs() < 700.0,
                "{counts:?} of {weights:?}"
            );
            assert!(*weight > 0 || *count == 0);
        }
    }
}

#[test]
fn clusters_without_weight_take_nothing() {
    assert!(
        choose(&weighted(&[0, 0]), &get("/", &[]), 1, |_| None)
            .cluster
            .is_none()
    );
}

#[test]
fn a_header_may_name_the_cluster() {
    let target = Target::Header(bytes("x-cluster"));
    let known = |name: &[u8]| (name == b"reviews").then_some(ClusterId(4));
    let chosen = |request| choose(&target, &request, 0, known).cluster;
    assert_eq!(
        chosen(get("/", &[("x-cluster", "reviews")])),
        Some(ClusterId(4))
    );
    assert_eq!(chosen(get("/", &[("x-cluster", "other")])), None);
    assert_eq!(chosen(get("/", &[])), None);
    let one = Target::Cluster(ClusterId(2));
    assert_eq!(
        choose(&one, &get("/", &[]), 0, known).cluster,
        Some(ClusterId(2))
    );
}
