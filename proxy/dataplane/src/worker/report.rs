//! Telling what is known of endpoints.

use std::collections::HashMap;
use std::rc::Rc;

use super::Worker;
use crate::conn::Role;
use crate::report::{ClusterReport, HostReport};
use crate::upstream::host::HostState;

impl Worker {
    /// What this worker knows of the endpoints of clusters that it has used.
    pub(super) fn report(&self) -> Vec<ClusterReport> {
        // By address in memory: the connections hold what they are counted by.
        let mut open: HashMap<*const HostState, u64> = HashMap::new();
        for (_, conn) in self.conns.iter().filter(|(_, conn)| !conn.gone) {
            let host = match &conn.role {
                Role::Client(client) => Some(&client.host),
                Role::Dialing(dial) => Some(&dial.host),
                Role::Tunnel(tunnel) => {
                    let record = tunnel.record.as_ref().filter(|_| tunnel.peer.is_some());
                    record.and_then(|record| record.host.as_ref())
                }
                Role::Inspecting(_) | Role::Accepting(..) | Role::Server(_) | Role::Closing => None,
            };
            if let Some(host) = host {
                *open.entry(Rc::as_ptr(host)).or_default() += 1;
            }
        }
        let used = self.clusters.iter().flatten();
        used.map(|state| {
            let hosts = state.hosts().map(|host| {
                let waiting = host
                    .pools
                    .borrow()
                    .iter()
                    .map(|pool| pool.queue())
                    .sum::<usize>();
                let report = HostReport {
                    connections_active: open.get(&Rc::as_ptr(host)).copied().unwrap_or_default(),
                    requests_active: host.active.get().into(),
                    requests_waiting: waiting as u64,
                    ejecting_workers: state.is_ejected(host).into(),
                    ..host.counts.get()
                };
                (host.host.address, report)
            });
            ClusterReport {
                cluster: state.cluster.id,
                hosts: hosts.collect(),
            }
        })
        .collect()
    }
}
