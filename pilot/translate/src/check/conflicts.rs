//! Objects of which one takes away from another what it asks for.

use resources::problem::Problem;

use crate::model::config::VirtualService;
use crate::model::protocol::Protocol;
use crate::model::selector::{Labels, selects};
use crate::model::service::{Port, Resolution, Service, Target};
use crate::model::workload::Workload;
use crate::route::is_for_mesh;
use crate::snapshot::Snapshot;

/// Conflicts between objects, by Istio's kinds of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conflicts {
    /// Hosts of VirtualServices that an older VirtualService has too (`pilot_vservice_dup_domain`).
    pub duplicate_domains: Vec<Problem>,
    /// Ports of Services that lead to the port of another Service with another protocol
    /// (`pilot_conflict_inbound_listener`).
    pub inbound_listeners: Vec<Problem>,
}

/// The conflicts in a snapshot, in the order of the names of those who lose.
pub fn conflicts(snapshot: &Snapshot) -> Conflicts {
    let mut routes: Vec<_> = snapshot.all_virtual_services().collect();
    routes.sort_by(|a, b| a.key.cmp(&b.key));
    let duplicates = routes.into_iter().flat_map(|c| duplicates(c, snapshot));
    Conflicts {
        duplicate_domains: duplicates.collect(),
        inbound_listeners: inbound(snapshot),
    }
}

fn duplicates(config: &VirtualService, snapshot: &Snapshot) -> Vec<Problem> {
    let routes =
        |config: &VirtualService| is_for_mesh(&config.spec) && !config.spec.http.is_empty();
    if !routes(config) {
        return Vec::new();
    }
    let exported = |config: &VirtualService| -> Vec<String> {
        let own = &config.spec.export_to;
        match own.as_slice() {
            [] => snapshot.mesh().default_virtual_service_export_to.clone(),
            _ => own.clone(),
        }
    };
    // Of one that only some namespaces see, the others may still heed this one.
    let hides = |older: &VirtualService| {
        let seen = exported(older);
        let everywhere = seen.iter().any(|to| to == "*");
        let alike = older.key.namespace == config.key.namespace && seen == exported(config);
        older.age() < config.age() && routes(older) && (everywhere || alike)
    };
    let mut problems = Vec::new();
    for (h, host) in config.hosts.iter().enumerate() {
        let same_host = snapshot.virtual_services_at(host);
        let older = same_host
            .filter(|other| hides(other))
            .min_by_key(|o| o.age());
        if let Some(older) = older {
            let message = format!(
                "VirtualService {}/{} has {host} too and is older: its routes count and these have \
                 no effect; put all routes of a host into one object",
                older.key.namespace, older.key.name
            );
            let object = format!(
                "VirtualService {}/{}",
                config.key.namespace, config.key.name
            );
            let problem = Problem::warning("", message).about(object);
            problems.push(problem.at_field(format!("spec.hosts[{h}]")));
        }
    }
    problems
}

fn inbound(snapshot: &Snapshot) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut groups: Vec<_> = snapshot.services_by_namespace().collect();
    groups.sort_by_key(|(namespace, _)| *namespace);
    for (namespace, group) in groups {
        let selecting = |s: &&Service| s.resolution != Resolution::Alias && !s.selector.is_empty();
        let services: Vec<&Service> = group.values().map(|s| &**s).filter(selecting).collect();
        for service in &services {
            for other in &services {
                let older = (other.created, &other.key) < (service.created, &service.key);
                if older && may_share(&service.selector, &other.selector) {
                    let pods = snapshot.pods_of(namespace);
                    problems.extend(between(service, other, pods));
                }
            }
        }
    }
    problems
}

/// Whether there can be a pod that both select.
fn may_share(a: &Labels, b: &Labels) -> bool {
    a.iter()
        .all(|(key, value)| b.get(key).is_none_or(|other| other == value))
}

/// The first port of a service that leads where an older service with another protocol leads.
fn between<'a>(
    service: &Service,
    older: &Service,
    mut pods: impl Iterator<Item = &'a Workload>,
) -> Option<Problem> {
    let pairs: Vec<(usize, &Port, &Port)> = service
        .ports
        .iter()
        .enumerate()
        .flat_map(|(at, port)| older.ports.iter().map(move |other| (at, port, other)))
        .filter(|(_, a, b)| {
            a.protocol != b.protocol && a.protocol != Protocol::Udp && b.protocol != Protocol::Udp
        })
        .collect();
    if pairs.is_empty() {
        return None;
    }
    let both = |pod: &&Workload| {
        selects(&service.selector, &pod.labels) && selects(&older.selector, &pod.labels)
    };
    let pod = pods.find(both)?;
    let leads = |port: &Port| match &port.target {
        Target::Number(number) => Some(*number),
        Target::Name(name) => pod.ports.get(name).copied(),
    };
    let (at, port, other) = pairs
        .into_iter()
        .find(|(_, a, b)| leads(a).is_some() && leads(a) == leads(b))?;
    let message = format!(
        "leads to port {} of pods to which Service {}/{} leads too, which is older and speaks {} \
         there, not {}: the older one counts; give both the same appProtocol",
        leads(port)?,
        older.key.namespace,
        older.key.name,
        other.protocol,
        port.protocol
    );
    let object = format!("Service {}/{}", service.key.namespace, service.key.name);
    let problem = Problem::warning("", message).about(object);
    Some(problem.at_field(format!("spec.ports[{at}]")))
}
