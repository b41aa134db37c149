//! Applying changes: each table and index is changed where the object is, then the joined
//! endpoints of the services that it concerns are made anew, once per service.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use resources::object::{Kind, Object, ObjectKey};

use super::table::Table;
use super::{Change, Group, Snapshot};
use crate::model::config::{
    Config, DestinationRule, Gateway, PeerAuthentication, VirtualService, gateways_of,
};
use crate::model::credential::Credential;
use crate::model::endpoints::{Endpoint, Endpoints, Health, Slice};
use crate::model::selector::Labels;
use crate::model::service::Service;
use crate::model::workload::Workload;
use crate::model::{Locality, NamespacedName, host};

const SERVICE_OF_SLICE: &str = "kubernetes.io/service-name";

impl Snapshot {
    pub(super) fn apply(&mut self, changes: &[Change]) {
        let mut stale = BTreeSet::new();
        for change in changes {
            match change {
                Change::Mesh(mesh) => {
                    if *self.mesh != **mesh {
                        self.mesh = Arc::new((**mesh).clone());
                    }
                }
                Change::Upsert(object) => self.upsert(object, &mut stale),
                Change::Remove(key) => self.remove(key, &mut stale),
            }
        }
        for service in stale {
            self.join(&service);
        }
    }

    fn upsert(&mut self, object: &Object, stale: &mut BTreeSet<NamespacedName>) {
        let domain = self.settings.domain.clone();
        match object {
            Object::Service(o) => self.set_service(Service::new(o, &domain)),
            Object::Pod(o) => self.set_pod(Workload::new(o), stale),
            Object::EndpointSlice(o) => self.set_slice(
                named(&o.metadata),
                service_of(&o.metadata),
                Slice::new(o),
                stale,
            ),
            Object::Node(o) => self.set_node(
                o.metadata.name.as_deref().unwrap_or_default(),
                Some(locality(&o.metadata)),
                stale,
            ),
            Object::VirtualService(o) => {
                let namespace = o.metadata.namespace.as_deref().unwrap_or("default");
                let hosts = o
                    .spec
                    .hosts
                    .iter()
                    .map(|h| host::resolve(h, namespace, &domain))
                    .collect();
                self.set_virtual_service(VirtualService::new(&o.metadata, hosts, o.spec.clone()));
            }
            Object::DestinationRule(o) => {
                let namespace = o.metadata.namespace.as_deref().unwrap_or("default");
                let hosts = vec![host::resolve(&o.spec.host, namespace, &domain)];
                self.set_destination_rule(DestinationRule::new(&o.metadata, hosts, o.spec.clone()));
            }
            Object::Gateway(o) => {
                self.set_gateway(Gateway::new(&o.metadata, Vec::new(), o.spec.clone()));
            }
            Object::PeerAuthentication(o) => {
                self.set_peer_authentication(PeerAuthentication::new(
                    &o.metadata,
                    Vec::new(),
                    o.spec.clone(),
                ));
            }
            Object::Secret(o) => match Credential::new(o) {
                Some(credential) => self.credentials.set(named(&o.metadata), credential),
                None => {
                    self.credentials.remove(&named(&o.metadata));
                }
            },
            Object::Namespace(_) | Object::ConfigMap(_) | Object::Unsupported(_) => {}
        }
    }

    fn remove(&mut self, key: &ObjectKey, stale: &mut BTreeSet<NamespacedName>) {
        let name = NamespacedName::new(&key.namespace, &key.name);
        match key.kind {
            Kind::Service => self.drop_service(&name),
            Kind::Pod => {
                if let Some(old) = self.pods.remove(&name) {
                    self.unlink_pod(&old, stale);
                }
            }
            Kind::EndpointSlice => self.drop_slice(&name, stale),
            Kind::Node => self.set_node(&key.name, None, stale),
            Kind::VirtualService => {
                if let Some(old) = self.virtual_services.remove(&name) {
                    unlink(&mut self.virtual_services_by_host, &old);
                    self.unlink_gateways(&old);
                    self.count_selectors(callers_of_routes(&old), false);
                }
            }
            Kind::DestinationRule => {
                if let Some(old) = self.destination_rules.remove(&name) {
                    unlink(&mut self.destination_rules_by_host, &old);
                    self.count_selectors(callers_of_rule(&old), false);
                }
            }
            Kind::Gateway => {
                if let Some(old) = self.gateways.remove(&name) {
                    self.count_selectors(selector_of(&old), false);
                }
            }
            Kind::PeerAuthentication => {
                if self.peer_authentications.remove(&name).is_some() {
                    self.peer_authentications_by_namespace
                        .edit(&name.namespace.clone(), |g| {
                            g.remove(&name);
                        });
                }
            }
            Kind::Secret => {
                self.credentials.remove(&name);
            }
            Kind::Namespace | Kind::ConfigMap | Kind::Unsupported => {}
        }
    }

    fn set_service(&mut self, service: Service) {
        let key = service.key.clone();
        if self.services.get(&key).is_some_and(|old| **old == service) {
            return;
        }
        self.drop_service(&key);
        self.services.set(key.clone(), service);
        let Some(service) = self.services.get(&key).cloned() else {
            return;
        };
        for port in &service.ports {
            self.services_by_port.edit(&port.number, |group| {
                group.insert(key.clone(), Arc::clone(&service));
            });
        }
        self.services_by_namespace
            .edit(&key.namespace.clone(), |group| {
                group.insert(key, service);
            });
    }

    fn drop_service(&mut self, key: &NamespacedName) {
        let Some(old) = self.services.remove(key) else {
            return;
        };
        for port in &old.ports {
            self.services_by_port.edit(&port.number, |group| {
                group.remove(key);
            });
        }
        self.services_by_namespace
            .edit(&key.namespace.clone(), |group| {
                group.remove(key);
            });
    }

    fn set_pod(&mut self, pod: Workload, stale: &mut BTreeSet<NamespacedName>) {
        let key = pod.key.clone();
        if self.pods.get(&key).is_some_and(|old| **old == pod) {
            return;
        }
        if let Some(old) = self.pods.remove(&key) {
            self.unlink_pod(&old, stale);
        }
        self.pods.set(key.clone(), pod);
        let Some(pod) = self.pods.get(&key).cloned() else {
            return;
        };
        for ip in &pod.ips {
            self.pods_by_ip.edit(ip, |group| {
                group.insert(key.clone(), Arc::clone(&pod));
            });
            stale.extend(
                self.services_by_ip
                    .get(ip)
                    .into_iter()
                    .flat_map(|s| s.iter().cloned()),
            );
        }
    }

    fn unlink_pod(&mut self, pod: &Workload, stale: &mut BTreeSet<NamespacedName>) {
        for ip in &pod.ips {
            self.pods_by_ip.edit(ip, |group| {
                group.remove(&pod.key);
            });
            stale.extend(
                self.services_by_ip
                    .get(ip)
                    .into_iter()
                    .flat_map(|s| s.iter().cloned()),
            );
        }
    }

    fn set_slice(
        &mut self,
        name: NamespacedName,
        service: Option<NamespacedName>,
        slice: Slice,
        stale: &mut BTreeSet<NamespacedName>,
    ) {
        if self.slice_services.get(&name).map(|s| &**s) != service.as_ref() {
            self.drop_slice(&name, stale);
        }
        let Some(service) = service else { return };
        let known = self
            .slices
            .get(&service)
            .and_then(|group| group.get(&name.name));
        if known.is_some_and(|old| **old == slice) {
            return;
        }
        self.slices.edit(&service, |group| {
            group.insert(Arc::clone(&name.name), Arc::new(slice));
        });
        self.slice_services.set(name, service.clone());
        stale.insert(service);
    }

    fn drop_slice(&mut self, name: &NamespacedName, stale: &mut BTreeSet<NamespacedName>) {
        let Some(service) = self.slice_services.remove(name) else {
            return;
        };
        self.slices.edit(&service, |group| {
            group.remove(&name.name);
        });
        stale.insert((*service).clone());
    }

    fn set_node(
        &mut self,
        name: &str,
        locality: Option<Locality>,
        stale: &mut BTreeSet<NamespacedName>,
    ) {
        let old = self.nodes.get(name).cloned();
        match locality {
            Some(locality) => self.nodes.set(name.into(), locality),
            None => {
                self.nodes.remove(name);
            }
        }
        if old.as_deref() == self.nodes.get(name).map(|l| &**l) {
            return;
        }
        // Machines come and go rarely, so no index leads from one to the services that it serves.
        let concerned = self.slices.iter().filter(|(_, slices)| {
            slices
                .values()
                .flat_map(|s| &s.endpoints)
                .any(|e| e.node == name)
        });
        stale.extend(concerned.map(|(service, _)| service.clone()));
    }

    fn set_virtual_service(&mut self, config: VirtualService) {
        let key = config.key.clone();
        let old = self.virtual_services.get(&key).cloned();
        self.count_selectors(callers_of_routes(&config), true);
        set(
            &mut self.virtual_services,
            &mut self.virtual_services_by_host,
            config,
        );
        if let Some(old) = old {
            self.count_selectors(callers_of_routes(&old), false);
            let now = self.virtual_services.get(&old.key);
            if now.is_some_and(|now| Arc::ptr_eq(now, &old)) {
                return;
            }
            self.unlink_gateways(&old);
        }
        let Some(config) = self.virtual_services.get(&key).cloned() else {
            return;
        };
        for gateway in gateways_of(&config) {
            self.virtual_services_by_gateway.edit(&gateway, |group| {
                group.insert(key.clone(), Arc::clone(&config));
            });
        }
    }

    fn unlink_gateways(&mut self, config: &VirtualService) {
        for gateway in gateways_of(config) {
            self.virtual_services_by_gateway.edit(&gateway, |group| {
                group.remove(&config.key);
            });
        }
    }

    fn set_gateway(&mut self, config: Gateway) {
        let key = config.key.clone();
        let old = self.gateways.get(&key).cloned();
        self.count_selectors(selector_of(&config), true);
        self.gateways.set(key, config);
        if let Some(old) = old {
            self.count_selectors(selector_of(&old), false);
        }
    }

    fn set_destination_rule(&mut self, config: DestinationRule) {
        let old = self.destination_rules.get(&config.key).cloned();
        self.count_selectors(callers_of_rule(&config), true);
        set(
            &mut self.destination_rules,
            &mut self.destination_rules_by_host,
            config,
        );
        if let Some(old) = old {
            self.count_selectors(callers_of_rule(&old), false);
        }
    }

    fn count_selectors(&mut self, selectors: Vec<Labels>, added: bool) {
        if selectors.is_empty() {
            return;
        }
        let counts = Arc::make_mut(&mut self.caller_selectors);
        for selector in selectors {
            if added {
                *counts.entry(selector).or_default() += 1;
            } else if let Some(count) = counts.get_mut(&selector) {
                *count = count.saturating_sub(1);
            }
        }
        counts.retain(|_, count| *count > 0);
    }

    fn set_peer_authentication(&mut self, config: PeerAuthentication) {
        let key = config.key.clone();
        self.peer_authentications.set(key.clone(), config);
        let Some(config) = self.peer_authentications.get(&key).cloned() else {
            return;
        };
        self.peer_authentications_by_namespace
            .edit(&key.namespace.clone(), |group| {
                group.insert(key, config);
            });
    }

    /// Makes the joined endpoints of a service anew from its slices, the pods and the machines.
    fn join(&mut self, service: &NamespacedName) {
        let mut joined = Endpoints::default();
        let mut accounts = BTreeSet::new();
        let slices = self.slices.get(service).cloned().unwrap_or_default();
        let mut seen = BTreeSet::new();
        for slice in slices.values() {
            let ports = Arc::new(slice.ports.clone());
            for endpoint in &slice.endpoints {
                // An endpoint may stand in two slices while Kubernetes moves it.
                if !seen.insert((endpoint.address, Arc::clone(&ports))) {
                    continue;
                }
                let workload = self
                    .pods_by_ip
                    .get(&endpoint.address)
                    .and_then(|group| {
                        group
                            .values()
                            .find(|pod| pod.key.namespace == service.namespace)
                    })
                    .cloned();
                if let Some(pod) = workload
                    .as_ref()
                    .filter(|_| endpoint.health != Health::NotReady)
                {
                    accounts.insert((Arc::clone(&pod.key.namespace), pod.service_account.clone()));
                }
                let mut locality = self
                    .nodes
                    .get(endpoint.node.as_str())
                    .map(|l| Locality::clone(l))
                    .unwrap_or_default();
                if !endpoint.zone.is_empty() {
                    locality.zone.clone_from(&endpoint.zone);
                }
                joined.all.push(Endpoint {
                    address: endpoint.address,
                    health: endpoint.health,
                    locality,
                    workload,
                    ports: Arc::clone(&ports),
                });
            }
        }
        joined
            .all
            .sort_by(|a, b| (a.address, &a.ports).cmp(&(b.address, &b.ports)));
        let before: BTreeSet<_> = self
            .endpoints
            .get(service)
            .into_iter()
            .flat_map(|e| &e.all)
            .map(|e| e.address)
            .collect();
        let after: BTreeSet<_> = joined.all.iter().map(|e| e.address).collect();
        for gone in before.difference(&after) {
            self.services_by_ip.edit(gone, |services| {
                services.remove(service);
            });
        }
        for new in after.difference(&before) {
            self.services_by_ip.edit(new, |services| {
                services.insert(service.clone());
            });
        }
        self.accounts.edit(service, |a| *a = accounts);
        self.endpoints.edit(service, |e| *e = joined);
    }
}

fn callers_of_routes(config: &VirtualService) -> Vec<Labels> {
    let http = config
        .spec
        .http
        .iter()
        .flat_map(|r| &r.matches)
        .map(|m| &m.source_labels);
    let tcp = config
        .spec
        .tcp
        .iter()
        .flat_map(|r| &r.matches)
        .map(|m| &m.source_labels);
    http.chain(tcp)
        .filter(|labels| !labels.is_empty())
        .cloned()
        .collect()
}

/// What a gateway's pods must have; nothing selects every one.
fn selector_of(config: &Gateway) -> Vec<Labels> {
    let selector = Some(config.spec.selector.clone());
    selector.into_iter().filter(|s| !s.is_empty()).collect()
}

fn callers_of_rule(config: &DestinationRule) -> Vec<Labels> {
    let selector = config
        .spec
        .workload_selector
        .as_ref()
        .map(|s| s.match_labels.clone());
    selector
        .into_iter()
        .filter(|labels| !labels.is_empty())
        .collect()
}

fn named(meta: &ObjectMeta) -> NamespacedName {
    NamespacedName::new(
        meta.namespace.as_deref().unwrap_or("default"),
        meta.name.as_deref().unwrap_or_default(),
    )
}

fn service_of(meta: &ObjectMeta) -> Option<NamespacedName> {
    let name = meta.labels.as_ref()?.get(SERVICE_OF_SLICE)?;
    Some(NamespacedName::new(
        meta.namespace.as_deref().unwrap_or("default"),
        name,
    ))
}

fn locality(meta: &ObjectMeta) -> Locality {
    let label = |name: &str| {
        meta.labels
            .as_ref()
            .and_then(|l| l.get(name))
            .cloned()
            .unwrap_or_default()
    };
    Locality {
        region: label("topology.kubernetes.io/region"),
        zone: label("topology.kubernetes.io/zone"),
        subzone: label("topology.istio.io/subzone"),
    }
}

fn set<S: PartialEq>(
    table: &mut Table<NamespacedName, Config<S>>,
    by_host: &mut Table<Arc<str>, Group<Config<S>>>,
    config: Config<S>,
) {
    let key = config.key.clone();
    if table.get(&key).is_some_and(|old| **old == config) {
        return;
    }
    if let Some(old) = table.remove(&key) {
        unlink(by_host, &old);
    }
    table.set(key.clone(), config);
    let Some(config) = table.get(&key).cloned() else {
        return;
    };
    for host in &config.hosts {
        by_host.edit(&Arc::from(host.as_str()), |group| {
            group.insert(key.clone(), Arc::clone(&config));
        });
    }
}

fn unlink<S: PartialEq>(by_host: &mut Table<Arc<str>, Group<Config<S>>>, config: &Config<S>) {
    for host in &config.hosts {
        by_host.edit(&Arc::from(host.as_str()), |group| {
            group.remove(&config.key);
        });
    }
}
