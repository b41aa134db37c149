//! The control plane's metrics, under Istio's names.

use metrics::{counter, gauge, histogram};
use xds::TypeUrl;
use xds::session::Answer;

use crate::world::Published;

/// Makes every series exist from the start, so that a rate over it is right.
pub fn describe() {
    for type_url in TypeUrl::ALL {
        counter!("pilot_xds_pushes", "type" => type_url.short()).absolute(0);
        counter!("pilot_total_xds_rejects", "type" => type_url.short()).absolute(0);
        counter!("pilot_xds_expired_nonce", "type" => type_url.short()).absolute(0);
        counter!(reject_name(type_url)).absolute(0);
    }
    gauge!("pilot_xds").set(0.0);
    gauge!("pilot_no_ip").set(0.0);
    counter!("pilot_push_triggers", "type" => "config").absolute(0);
    counter!("pilot_total_xds_internal_errors").absolute(0);
    gauge!("pilot_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// A new state of the world was published; `is_pushed` where its snapshot is another one.
pub(crate) fn loaded(world: &Published, is_pushed: bool) {
    let of_kind = |kind: &str| {
        let count = world.objects.iter().filter(|o| o.kind == kind).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    let services = u32::try_from(world.snapshot.service_count()).unwrap_or(u32::MAX);
    gauge!("pilot_services").set(services);
    gauge!("pilot_virt_services").set(of_kind("VirtualService"));
    gauge!("lateen_source_problems").set(u32::try_from(world.problems.len()).unwrap_or(u32::MAX));
    if is_pushed {
        counter!("pilot_push_triggers", "type" => "config").increment(1);
    }
}

/// The objects of a kind are followed on the API server, or are not.
pub(crate) fn follows(kind: &'static str, is_followed: bool) {
    gauge!("lateen_source_followed", "kind" => kind).set(u8::from(is_followed));
}

/// Following a kind on the API server failed.
pub(crate) fn source_failed(kind: &'static str) {
    counter!("lateen_source_failures", "kind" => kind).increment(1);
}

/// So many objects of a kind are known from the API server.
pub(crate) fn source_objects(kind: &'static str, objects: usize) {
    gauge!("lateen_source_objects", "kind" => kind).set(u32::try_from(objects).unwrap_or(u32::MAX));
}

/// The API server told of a change; Istio counts its own kinds apart from Kubernetes'.
pub(crate) fn source_event(kind: &'static str, is_custom: bool, event: &'static str) {
    let name = if is_custom {
        "pilot_k8s_cfg_events"
    } else {
        "pilot_k8s_reg_events"
    };
    counter!(name, "type" => kind, "event" => event).increment(1);
}

/// Objects take away from each other what they ask for.
pub(crate) fn conflicts(conflicts: &translate::Conflicts) {
    let number = |problems: &[_]| u32::try_from(problems.len()).unwrap_or(u32::MAX);
    gauge!("pilot_vservice_dup_domain").set(number(&conflicts.duplicate_domains));
    gauge!("pilot_conflict_inbound_listener").set(number(&conflicts.inbound_listeners));
}

/// So many connected sidecars belong to no service.
pub(crate) fn without_service(sidecars: usize) {
    gauge!("pilot_no_ip").set(u32::try_from(sidecars).unwrap_or(u32::MAX));
}

/// A change waited so long until it was looked at for a data plane.
pub(crate) fn queued(wait: std::time::Duration) {
    histogram!("pilot_proxy_queue_time").record(wait.as_secs_f64());
}

/// So many data planes are connected.
pub(crate) fn connected(clients: usize) {
    gauge!("pilot_xds").set(u32::try_from(clients).unwrap_or(u32::MAX));
}

/// A response was sent.
pub(crate) fn sent(type_url: TypeUrl) {
    counter!("pilot_xds_pushes", "type" => type_url.short()).increment(1);
}

/// A response was answered.
pub(crate) fn answered(type_url: TypeUrl, answer: &Answer) {
    match answer {
        Answer::None | Answer::Acked => {}
        Answer::Nacked { .. } => {
            counter!("pilot_total_xds_rejects", "type" => type_url.short()).increment(1);
            counter!(reject_name(type_url)).increment(1);
        }
        Answer::Stale => {
            counter!("pilot_xds_expired_nonce", "type" => type_url.short()).increment(1);
        }
    }
}

/// A change reached a data plane so long after it was seen.
pub(crate) fn converged(after: std::time::Duration) {
    histogram!("pilot_proxy_convergence_time").record(after.as_secs_f64());
}

fn reject_name(type_url: TypeUrl) -> &'static str {
    match type_url {
        TypeUrl::Cluster => "pilot_xds_cds_reject",
        TypeUrl::Endpoints => "pilot_xds_eds_reject",
        TypeUrl::Listener => "pilot_xds_lds_reject",
        TypeUrl::Route => "pilot_xds_rds_reject",
        TypeUrl::Secret => "pilot_xds_sds_reject",
    }
}
