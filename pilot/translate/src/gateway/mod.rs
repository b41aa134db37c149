//! What a gateway opens: the servers of all Gateways that select it, by the port that its pod listens on.

mod listener;
mod route;
mod secret;

use std::collections::{BTreeMap, BTreeSet};

use resources::istio::gateway::{Server as Spec, ServerTlsMode};

use crate::model::NamespacedName;
use crate::model::config::Gateway;
use crate::model::selector::selects;
use crate::model::service::{Resolution, Target};
use crate::proxy::ProxyClass;
use crate::snapshot::reads::Reads;

pub(crate) use listener::{listener, names};
pub(crate) use route::configuration;
pub(crate) use secret::secret;

/// One server of one Gateway.
#[derive(Debug, Clone, Copy)]
struct Server<'a> {
    gateway: &'a Gateway,
    spec: &'a Spec,
    /// As the Gateway and the Service have it.
    port: u16,
    protocol: Protocol,
}

/// What is done with a server's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// Requests in plaintext.
    Http,
    /// Requests in TLS that ends here.
    Https,
    /// Bytes.
    Tcp,
    /// Bytes in TLS that ends here.
    Tls,
    /// TLS that ends behind: told apart by the server name.
    Passthrough,
}

impl Protocol {
    fn of(spec: &Spec) -> Option<Self> {
        let name = spec.port.as_ref()?.protocol.to_ascii_uppercase();
        let mode = spec.tls.as_ref().map(|tls| tls.mode);
        let passes = matches!(
            mode,
            Some(ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough)
        );
        Some(match name.as_str() {
            "HTTP" | "HTTP2" | "GRPC" | "GRPC-WEB" => Protocol::Http,
            "HTTPS" if passes => Protocol::Passthrough,
            "HTTPS" => Protocol::Https,
            "TLS" if passes => Protocol::Passthrough,
            "TLS" => Protocol::Tls,
            "TCP" | "MONGO" | "MYSQL" | "REDIS" => Protocol::Tcp,
            _ => return None,
        })
    }

    fn is_tls(self) -> bool {
        matches!(
            self,
            Protocol::Https | Protocol::Tls | Protocol::Passthrough
        )
    }
}

impl Server<'_> {
    /// The host names, without the namespaces that may use them.
    fn hosts(&self) -> impl Iterator<Item = &str> {
        let hosts = self.spec.hosts.iter();
        hosts.map(|host| host.split_once('/').map_or(host.as_str(), |(_, h)| h))
    }

    /// The name under which its routes are asked for. Plain HTTP servers of a port share theirs.
    fn route_name(&self, listens_on: u16) -> String {
        let bind = match self.spec.bind.as_str() {
            "" => String::new(),
            bind => format!(".{bind}"),
        };
        if self.protocol == Protocol::Http {
            return format!("http.{listens_on}{bind}");
        }
        let name = self.spec.port.as_ref().map_or("", |port| &port.name);
        let NamespacedName {
            namespace,
            name: gateway,
        } = &self.gateway.key;
        format!("https.{}.{name}.{gateway}.{namespace}{bind}", self.port)
    }
}

/// Where a server listens: the address (empty for all) and the port in the pod.
type Place = (u16, String);

/// The servers of a gateway by where they listen. On one port there is either plaintext or TLS; the oldest Gateway says
/// which, and a server name belongs to the first that has it.
fn servers<'a>(class: &ProxyClass, reads: &mut Reads<'a>) -> BTreeMap<Place, Vec<Server<'a>>> {
    let mut places: BTreeMap<Place, Vec<Server<'a>>> = BTreeMap::new();
    let mut names: BTreeMap<Place, BTreeSet<String>> = BTreeMap::new();
    let targets = targets(class, reads);
    for gateway in reads.gateways() {
        if !class.is_selected(&gateway.spec.selector) {
            continue;
        }
        for spec in &gateway.spec.servers {
            let (Some(port), Some(protocol)) = (&spec.port, Protocol::of(spec)) else {
                continue;
            };
            let listens_on = targets.get(&port.number).copied().unwrap_or(port.number);
            let place = (listens_on, spec.bind.clone());
            let server = Server {
                gateway,
                spec,
                port: port.number,
                protocol,
            };
            let others = places.entry(place.clone()).or_default();
            let fits = others.first().is_none_or(|first| {
                first.protocol.is_tls() && protocol.is_tls()
                    || first.protocol == Protocol::Http && protocol == Protocol::Http
            });
            if !fits {
                continue;
            }
            if protocol.is_tls() {
                let taken = names.entry(place).or_default();
                if server.hosts().any(|host| taken.contains(host)) {
                    continue;
                }
                taken.extend(server.hosts().map(str::to_owned));
            }
            others.push(server);
        }
    }
    places
}

/// The ports of the gateway's own services and where they lead in its pod; the oldest service counts.
fn targets(class: &ProxyClass, reads: &mut Reads<'_>) -> BTreeMap<u16, u16> {
    let mut found = BTreeMap::new();
    let (Some(workload), Some(services)) = (&class.workload, reads.services_of(&class.namespace))
    else {
        return found;
    };
    let mut services: Vec<_> = services
        .values()
        .filter(|service| {
            service.resolution != Resolution::Alias
                && !service.selector.is_empty()
                && selects(&service.selector, &workload.labels)
        })
        .collect();
    services.sort_by_key(|service| (service.created, &service.key));
    for port in services.iter().flat_map(|service| &service.ports) {
        let target = match &port.target {
            Target::Number(number) => Some(*number),
            Target::Name(name) => workload.ports.get(name).copied(),
        };
        if let Some(target) = target {
            found.entry(port.number).or_insert(target);
        }
    }
    found
}
