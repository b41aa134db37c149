//! Services of type NodePort and LoadBalancer, reachable from this machine: their ports on 127.0.0.1, each connection
//! carried to the Service's address in the node's network.

mod listener;
mod wanted;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::event::{Note, Severity};
use crate::kubelet::runtime::Runtime;
use crate::object::{Key, text, uid};
use crate::pace;
use crate::store::{Store, View};
use listener::Listener;
use wanted::{Front, Kind};

/// How often a port that others have is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// Who speaks of Services' ports.
const COMPONENT: &str = "service-controller";

/// Keeps the ports open that the Services ask for, for as long as it is polled.
pub async fn run(store: Arc<Store>, runtime: Arc<dyn Runtime>) {
    let mut objects = store.subscribe();
    let mut fronts = Fronts::default();
    loop {
        objects.mark_unchanged();
        let began = Instant::now();
        let view = store.view();
        let all_open = fronts.follow(&view, &store, &runtime).await;
        fronts.publish(&view, &store);
        pace::rest(began).await;
        tokio::select! {
            changed = objects.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(TRY_AGAIN), if !all_open => {}
        }
    }
}

/// Whether nobody on this machine listens on the port.
pub fn is_free(port: u16) -> bool {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// What is open, and what could not be.
#[derive(Default)]
struct Fronts {
    open: BTreeMap<Front, Listener>,
    refused: BTreeMap<Front, Refused>,
}

struct Refused {
    /// When it was tried last.
    tried: tokio::time::Instant,
}

impl Fronts {
    /// Opens and closes what changed; true when all that is wanted is open.
    async fn follow(&mut self, view: &View, store: &Store, runtime: &Arc<dyn Runtime>) -> bool {
        let wanted = wanted::of(view);
        self.open.retain(|front, _| wanted.contains(front));
        self.refused.retain(|front, _| wanted.contains(front));
        for front in wanted {
            let waits = self
                .refused
                .get(&front)
                .is_some_and(|refused| refused.tried.elapsed() < TRY_AGAIN);
            if waits || self.open.contains_key(&front) {
                continue;
            }
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, front.port));
            match Listener::open(address, front.to, Arc::clone(runtime)).await {
                Ok(listener) => {
                    if self.refused.remove(&front).is_some() {
                        let message = format!("{address} is free now and leads to the Service");
                        note(
                            view,
                            store,
                            &front,
                            Severity::Normal,
                            "PortAvailable",
                            message,
                        );
                    }
                    self.open.insert(front, listener);
                }
                Err(error) => {
                    let why = explain(&front, address, &error);
                    note(
                        view,
                        store,
                        &front,
                        Severity::Warning,
                        "PortUnavailable",
                        why,
                    );
                    let tried = tokio::time::Instant::now();
                    self.refused.insert(front, Refused { tried });
                }
            }
        }
        self.refused.is_empty()
    }

    /// Writes into the status of LoadBalancers where they are reached, as docker-desktop does: on localhost.
    fn publish(&self, view: &View, store: &Store) {
        for (key, service) in view.of_kind("", "Service") {
            let is_one = text(service, "/spec/type") == "LoadBalancer";
            let before = service.pointer("/status/loadBalancer");
            let was_one = before.and_then(|status| status.get("ingress")).is_some();
            let wanted = self.load_balancer(key);
            if !(is_one || was_one) || before == Some(&wanted) {
                continue;
            }
            let mut status = service.get("status").cloned().unwrap_or_else(|| json!({}));
            crate::object::as_map(&mut status).insert("loadBalancer".to_owned(), wanted);
            store.set_status(key, uid(service), status);
        }
    }

    fn load_balancer(&self, key: &Key) -> Value {
        let mine = |front: &&Front| front.service == *key && front.kind == Kind::LoadBalancer;
        let mut ports: Vec<Value> = self
            .open
            .keys()
            .filter(mine)
            .map(|front| json!({"port": front.port, "protocol": "TCP"}))
            .collect();
        if ports.is_empty() {
            return json!({});
        }
        ports.extend(self.refused.keys().filter(mine).map(
            |front| json!({"port": front.port, "protocol": "TCP", "error": "PortUnavailable"}),
        ));
        json!({"ingress": [{"hostname": "localhost", "ports": ports}]})
    }
}

fn explain(front: &Front, address: SocketAddr, error: &std::io::Error) -> String {
    let instead = match front.kind {
        Kind::NodePort => format!(
            "free it, or give port {} of the Service another nodePort",
            front.to.port()
        ),
        Kind::LoadBalancer => format!(
            "free it, or use the node port of port {} instead",
            front.to.port()
        ),
    };
    match error.kind() {
        std::io::ErrorKind::AddrInUse => format!(
            "cannot listen on {address}: another mesh or program of this machine does; {instead}"
        ),
        _ => format!("cannot listen on {address}: {error}; {instead}"),
    }
}

fn note(
    view: &View,
    store: &Store,
    front: &Front,
    severity: Severity,
    reason: &'static str,
    message: impl Into<String>,
) {
    if let Some(service) = view.get(&front.service) {
        let note = Note::new(COMPONENT, severity, reason, message);
        store.events().note(service, note);
    }
}

#[cfg(test)]
mod tests;
