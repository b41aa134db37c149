//! The cluster's DNS: names of Services and of headless Services' pods, as Kubernetes' specification for
//! DNS-based service discovery has them.

pub mod serve;
pub mod upstream;

use std::net::Ipv4Addr;

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use serde_json::Value;

use crate::controller::endpoints::SERVICE_LABEL;
use crate::object::{Key, labels, list, text};
use crate::store::View;

/// Seconds that an answer may be kept.
const TTL: u32 = 5;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// Addresses.
    Addresses(Vec<Ipv4Addr>),
    /// Another name (`ExternalName`).
    Alias(String),
    /// Ports with the names of the hosts that serve them.
    Ports(Vec<(u16, String)>),
    /// The name exists and has nothing itself.
    Empty,
}

/// Answers one query message; None when it is no query at all and deserves no answer.
pub fn answer(query: &Message, view: &View, domain: &str) -> Option<Message> {
    if query.metadata.message_type != MessageType::Query {
        return None;
    }
    let id = query.metadata.id;
    let refuse = |code| Some(Message::error_msg(id, query.metadata.op_code, code));
    if query.metadata.op_code != OpCode::Query {
        return refuse(ResponseCode::NotImp);
    }
    let [question] = query.queries.as_slice() else {
        return refuse(ResponseCode::FormErr);
    };
    let mut response = Message::response(id, OpCode::Query);
    response.metadata.recursion_desired = query.metadata.recursion_desired;
    response.metadata.recursion_available = true;
    response.metadata.authoritative = true;
    response.add_query(question.clone());
    let asked = question.name().to_ascii().to_ascii_lowercase();
    match find(asked.trim_end_matches('.'), view, domain) {
        None => response.metadata.response_code = ResponseCode::NXDomain,
        Some(found) => {
            let records = records(&found, question.query_type(), view, domain);
            response.add_answers(
                records
                    .into_iter()
                    .map(|data| Record::from_rdata(question.name().clone(), TTL, data)),
            );
        }
    }
    Some(response)
}

/// The ranges of pods and Services as DNS names them in reverse: nobody outside knows them.
const REVERSE: [&str; 2] = ["244.10.in-addr.arpa", "96.10.in-addr.arpa"];

/// Whether the mesh alone knows what is asked for: names of its domain, single words (what is left of a name that no
/// search domain has), and what makes no sense to pass on.
pub fn is_ours(query: &Message, domain: &str) -> bool {
    let [question] = query.queries.as_slice() else {
        return true;
    };
    let plain = query.metadata.message_type == MessageType::Query
        && query.metadata.op_code == OpCode::Query;
    let asked = question.name().to_ascii().to_ascii_lowercase();
    let asked = asked.trim_end_matches('.');
    let below = |domain: &str| {
        asked
            .strip_suffix(domain)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    !plain || !asked.contains('.') || below(domain) || REVERSE.into_iter().any(below)
}

/// The name outside the mesh at which an answer ends, where someone asked for addresses: an `ExternalName`.
pub fn leads_out(response: &Message, domain: &str) -> Option<(Name, RecordType)> {
    let wanted = response.queries.first()?.query_type();
    if !matches!(wanted, RecordType::A | RecordType::AAAA) {
        return None;
    }
    let RData::CNAME(target) = &response.answers.last()?.data else {
        return None;
    };
    let mut query = Message::query();
    query.add_query(hickory_proto::op::Query::query(target.0.clone(), wanted));
    (!is_ours(&query, domain)).then(|| (target.0.clone(), wanted))
}

fn records(found: &Found, wanted: RecordType, view: &View, domain: &str) -> Vec<RData> {
    let any = wanted == RecordType::ANY;
    let addresses = |addresses: &[Ipv4Addr]| -> Vec<RData> {
        if any || wanted == RecordType::A {
            addresses.iter().map(|ip| RData::A(A(*ip))).collect()
        } else {
            vec![]
        }
    };
    match found {
        Found::Addresses(list) => addresses(list),
        // A name inside the mesh is followed at once; one outside cannot be looked up from here.
        Found::Alias(target) => match find(target, view, domain) {
            Some(Found::Addresses(list)) => addresses(&list),
            _ => Name::from_ascii(target)
                .map(|name| vec![RData::CNAME(hickory_proto::rr::rdata::CNAME(name))])
                .unwrap_or_default(),
        },
        Found::Ports(ports) if any || wanted == RecordType::SRV => ports
            .iter()
            .filter_map(|(port, host)| {
                let target = Name::from_ascii(host).ok()?;
                Some(RData::SRV(SRV::new(0, 100, *port, target)))
            })
            .collect(),
        Found::Ports(_) | Found::Empty => vec![],
    }
}

/// Looks `name` (lower case, no final dot) up.
fn find(name: &str, view: &View, domain: &str) -> Option<Found> {
    let inside = match name.strip_suffix(domain)? {
        "" => return Some(Found::Empty),
        rest => rest.strip_suffix('.')?,
    };
    let labels: Vec<&str> = inside.rsplit('.').collect();
    match labels.as_slice() {
        ["svc"] => Some(Found::Empty),
        ["svc", namespace] => view
            .get(&Key::core("Namespace", "", namespace))
            .map(|_| Found::Empty),
        ["svc", namespace, service] => by_service(view, namespace, service),
        ["svc", namespace, service, host] => {
            let matching = endpoints(view, namespace, service)
                .into_iter()
                .filter(|(endpoint, _)| endpoint == host)
                .map(|(_, ip)| ip);
            Some(matching.collect::<Vec<_>>())
                .filter(|found| !found.is_empty())
                .map(Found::Addresses)
        }
        ["svc", namespace, service, protocol, port] => {
            by_port(view, namespace, service, protocol, port, domain)
        }
        // 10-244-0-5.default.pod
        ["pod", _, dashed] => dashed
            .replace('-', ".")
            .parse()
            .ok()
            .map(|ip| Found::Addresses(vec![ip])),
        _ => None,
    }
}

fn by_service(view: &View, namespace: &str, name: &str) -> Option<Found> {
    let service = view.get(&Key::core("Service", namespace, name))?;
    if text(service, "/spec/type") == "ExternalName" {
        return Some(Found::Alias(
            text(service, "/spec/externalName")
                .trim_end_matches('.')
                .to_ascii_lowercase(),
        ));
    }
    Some(match text(service, "/spec/clusterIP") {
        "None" => Found::Addresses(
            endpoints(view, namespace, name)
                .into_iter()
                .map(|(_, ip)| ip)
                .collect(),
        ),
        address => address
            .parse()
            .map_or(Found::Empty, |ip| Found::Addresses(vec![ip])),
    })
}

fn by_port(
    view: &View,
    namespace: &str,
    name: &str,
    protocol: &str,
    port: &str,
    domain: &str,
) -> Option<Found> {
    let service = view.get(&Key::core("Service", namespace, name))?;
    let (protocol, port_name) = (protocol.strip_prefix('_')?, port.strip_prefix('_')?);
    let host = format!("{name}.{namespace}.svc.{domain}");
    let ports: Vec<(u16, String)> = list(service, "/spec/ports")
        .iter()
        .filter(|port| {
            let declared = match text(port, "/protocol") {
                "" => "TCP",
                declared => declared,
            };
            text(port, "/name") == port_name && declared.eq_ignore_ascii_case(protocol)
        })
        .filter_map(|port| u16::try_from(port.get("port")?.as_u64()?).ok())
        .map(|port| (port, host.clone()))
        .collect();
    (!ports.is_empty()).then_some(Found::Ports(ports))
}

/// Ready endpoints of a Service with the host label of each: the pod's `hostname` where its `subdomain` is
/// the Service, else its address with dashes.
fn endpoints(view: &View, namespace: &str, service: &str) -> Vec<(String, Ipv4Addr)> {
    view.of_kind("discovery.k8s.io", "EndpointSlice")
        .filter(|(key, slice)| {
            key.namespace == namespace
                && labels(slice).get(SERVICE_LABEL).map(String::as_str) == Some(service)
        })
        .flat_map(|(_, slice)| list(slice, "/endpoints"))
        .filter(|endpoint| {
            endpoint
                .pointer("/conditions/ready")
                .and_then(Value::as_bool)
                != Some(false)
        })
        .flat_map(|endpoint| {
            list(endpoint, "/addresses")
                .iter()
                .filter_map(Value::as_str)
                .filter_map(|ip| ip.parse::<Ipv4Addr>().ok())
                .map(|ip| (host_label(view, endpoint, service, ip), ip))
        })
        .collect()
}

fn host_label(view: &View, endpoint: &Value, service: &str, ip: Ipv4Addr) -> String {
    let pod = view.get(&Key::core(
        "Pod",
        text(endpoint, "/targetRef/namespace"),
        text(endpoint, "/targetRef/name"),
    ));
    match pod {
        Some(pod)
            if text(pod, "/spec/subdomain") == service
                && !text(pod, "/spec/hostname").is_empty() =>
        {
            text(pod, "/spec/hostname").to_owned()
        }
        _ => ip.to_string().replace('.', "-"),
    }
}

#[cfg(test)]
mod tests;
