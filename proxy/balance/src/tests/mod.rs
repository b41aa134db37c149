//! Tables of cases. Where a comment says so, each case was put to Envoy 1.40 and the answer is what it gave.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod balancer;
mod hashed;
mod outlier;
mod priority;
mod retry;

use std::net::SocketAddr;
use std::sync::Arc;

use graph::endpoint::{Endpoints, Health, Host};

fn address(number: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], number))
}

fn host(number: u16, weight: u32, health: Health) -> Arc<Host> {
    Arc::new(Host {
        address: address(number),
        weight,
        locality: Arc::default(),
        health,
        transport: 0,
        workload: None,
        hostname: None,
    })
}

fn endpoints(priorities: &[&[Arc<Host>]]) -> Endpoints {
    Endpoints {
        priorities: priorities.iter().map(|p| p.to_vec()).collect(),
        overprovisioning_percent: 140,
    }
}

fn weighted(weights: &[u32]) -> Endpoints {
    let hosts: Vec<_> = weights
        .iter()
        .zip(1..)
        .map(|(w, n)| host(n, *w, Health::Healthy))
        .collect();
    endpoints(&[&hosts])
}

/// A sequence of numbers that is the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
