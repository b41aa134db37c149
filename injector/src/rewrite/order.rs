//! The order of containers, which is the order in which Kubernetes starts them.

use serde_json::Value;

use crate::pod::{self, Containers, INIT, PROXY, VALIDATION};

#[derive(Clone, Copy)]
enum Place {
    First,
    Last,
}

/// Native sidecars: redirection, proxy, then the pod's own init containers, which so are in the
/// mesh. Classic ones: redirection after the pod's init containers, which no proxy serves yet (the
/// check of a CNI plugin's work before them); the proxy last, so that `kubectl exec` means the
/// application, or first where the application waits for it.
pub(crate) fn arrange(pod: &mut Value, hold_application: bool) {
    let place = if hold_application {
        Place::First
    } else {
        Place::Last
    };
    put(pod, Containers::App, PROXY, place);
    if pod::container(pod, Containers::Init, PROXY).is_some() {
        for name in [PROXY, VALIDATION, INIT] {
            put(pod, Containers::Init, name, Place::First);
        }
    } else {
        put(pod, Containers::Init, VALIDATION, Place::First);
        put(pod, Containers::Init, INIT, Place::Last);
    }
}

fn put(pod: &mut Value, list: Containers, name: &str, place: Place) {
    if pod::container(pod, list, name).is_none() {
        return;
    }
    let containers = pod::containers_mut(pod, list);
    let by_name = |c: &Value| pod::name_of(c) == Some(name);
    if let Some(found) = containers.iter().position(by_name) {
        let container = containers.remove(found);
        match place {
            Place::First => containers.insert(0, container),
            Place::Last => containers.push(container),
        }
    }
}
