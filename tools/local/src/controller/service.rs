//! Services: their address, and the defaults that others rely on.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::template::fnv1a;
use super::{Action, Context};
use crate::object::{Key, as_map, child, integer, list, text};
use crate::store::View;

/// Where the addresses of Services lie.
pub const SERVICES: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 96, 0, 0), 16);
/// First node port that is given out, as Kubernetes' default range.
pub const FIRST_NODE_PORT: u32 = 30_000;
/// How many there are.
pub const NODE_PORTS: u32 = 2_768;

/// What every Service needs next.
pub fn reconcile(view: &View, context: Context<'_>) -> Vec<Action> {
    let mut addresses: BTreeSet<Ipv4Addr> = BTreeSet::new();
    let mut node_ports: BTreeSet<i64> = BTreeSet::new();
    for (_, service) in view.of_kind("", "Service") {
        addresses.extend(text(service, "/spec/clusterIP").parse::<Ipv4Addr>());
        node_ports.extend(
            list(service, "/spec/ports")
                .iter()
                .filter_map(|port| integer(port, "/nodePort")),
        );
    }
    view.of_kind("", "Service")
        .filter_map(|(key, service)| {
            let complete = complete(key, service, &mut addresses, &mut node_ports, context);
            (complete != **service).then_some(Action::Put(complete))
        })
        .collect()
}

fn complete(
    key: &Key,
    service: &Value,
    addresses: &mut BTreeSet<Ipv4Addr>,
    node_ports: &mut BTreeSet<i64>,
    context: Context<'_>,
) -> Value {
    let mut object = service.clone();
    let spec = child(&mut object, "spec");
    let type_ = spec
        .entry("type")
        .or_insert_with(|| json!("ClusterIP"))
        .as_str()
        .unwrap_or_default()
        .to_owned();
    if type_ != "ExternalName" {
        let given = spec.get("clusterIP").and_then(Value::as_str);
        let address = match given {
            Some(given) if !given.is_empty() => given.to_owned(),
            _ => allocate(key, addresses).to_string(),
        };
        spec.insert("clusterIP".to_owned(), json!(address));
        spec.insert("clusterIPs".to_owned(), json!([address]));
        spec.entry("ipFamilies").or_insert_with(|| json!(["IPv4"]));
        spec.entry("ipFamilyPolicy")
            .or_insert_with(|| json!("SingleStack"));
        spec.entry("internalTrafficPolicy")
            .or_insert_with(|| json!("Cluster"));
    }
    spec.entry("sessionAffinity")
        .or_insert_with(|| json!("None"));
    let exposed = matches!(type_.as_str(), "NodePort" | "LoadBalancer");
    if let Some(Value::Array(ports)) = spec.get_mut("ports") {
        for port in ports {
            let number = port.get("port").cloned().unwrap_or_default();
            let port = as_map(port);
            port.entry("protocol").or_insert_with(|| json!("TCP"));
            port.entry("targetPort").or_insert_with(|| number.clone());
            if exposed && !port.contains_key("nodePort") {
                let wanted = fnv1a(format!("{key}:{number}").as_bytes()) % NODE_PORTS;
                let free = (0..NODE_PORTS)
                    .filter_map(|step| {
                        u16::try_from(FIRST_NODE_PORT + (wanted + step) % NODE_PORTS).ok()
                    })
                    // Another mesh of this machine may have the one that follows from the Service's name.
                    .find(|port| {
                        !node_ports.contains(&i64::from(*port)) && (context.is_free)(*port)
                    });
                if let Some(free) = free {
                    node_ports.insert(i64::from(free));
                    port.insert("nodePort".to_owned(), json!(free));
                }
            }
        }
    }
    as_map(&mut object)
        .entry("status")
        .or_insert_with(|| json!({"loadBalancer": {}}));
    object
}

/// An address of [`SERVICES`] that follows from the Service's name, so that it is the same after every
/// start, or the next free one.
fn allocate(key: &Key, taken: &mut BTreeSet<Ipv4Addr>) -> Ipv4Addr {
    const HOSTS: u32 = 65_534;
    // The first sixteen are Kubernetes' own (10.96.0.1 the API server, 10.96.0.10 its DNS).
    const RESERVED: u32 = 16;
    let network = u32::from(SERVICES.network());
    let start = fnv1a(key.to_string().as_bytes()) % (HOSTS - RESERVED);
    let address = (0..HOSTS - RESERVED)
        .map(|step| {
            let host = RESERVED + (start + step) % (HOSTS - RESERVED);
            Ipv4Addr::from(network + host)
        })
        .find(|address| !taken.contains(address))
        .unwrap_or(Ipv4Addr::new(10, 96, 255, 254));
    taken.insert(address);
    address
}
