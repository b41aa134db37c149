//! The end of a pod: preStop hooks, SIGTERM, the grace period, SIGKILL; sidecars after the containers
//! that they serve, the last started first.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::time::Instant;

use super::container::{self, Role};
use super::pod::Pod;
use super::runtime::Running;
use crate::event::Severity;
use crate::object::text;

/// What a sidecar has at least when the containers before it used up the grace period.
const LEAST_GRACE: Duration = Duration::from_secs(2);
/// How long the machine may take to carry out a SIGKILL.
const KILL_LIMIT: Duration = Duration::from_secs(30);

/// Ends all containers of the pod within its grace period.
pub async fn end(pod: &Arc<Pod>) {
    let deadline = Instant::now() + pod.grace();
    let (sidecars, others): (Vec<_>, Vec<_>) = container::all(&pod.object)
        .into_iter()
        .partition(|(role, _)| *role == Role::Sidecar);

    // preStop hooks of all containers run at once, also of sidecars: theirs start the draining.
    let sidecar_hooks = futures::future::join_all(
        sidecars
            .iter()
            .map(|(_, container)| before_stop(pod, container, deadline)),
    );
    let apps = futures::future::join_all(others.iter().map(|(_, container)| async move {
        before_stop(pod, container, deadline).await;
        stop(pod, container, deadline).await;
    }));
    tokio::join!(sidecar_hooks, apps);
    for (_, container) in sidecars.iter().rev() {
        stop(pod, container, deadline.max(Instant::now() + LEAST_GRACE)).await;
    }
}

/// Ends the sidecars of a pod whose own containers have ended for good, the last started first.
pub async fn of_sidecars(pod: &Arc<Pod>) {
    let deadline = Instant::now() + pod.grace();
    let sidecars: Vec<&Value> = container::all(&pod.object)
        .into_iter()
        .filter(|(role, _)| *role == Role::Sidecar)
        .map(|(_, container)| container)
        .collect();
    futures::future::join_all(
        sidecars
            .iter()
            .map(|container| before_stop(pod, container, deadline)),
    )
    .await;
    for container in sidecars.into_iter().rev() {
        stop(pod, container, deadline.max(Instant::now() + LEAST_GRACE)).await;
    }
}

/// Waits until no container of the pod can start any more; one that was on its way is killed as soon as it runs.
pub async fn of_supervisors(pod: &Pod) {
    pod.supervisors.close();
    if tokio::time::timeout(KILL_LIMIT, pod.supervisors.wait())
        .await
        .is_err()
    {
        tracing::error!(pod = %pod.key, "a container neither starts nor ends");
    }
}

fn running(pod: &Pod, container: &Value) -> Option<Arc<dyn Running>> {
    pod.container(text(container, "/name"))
}

async fn before_stop(pod: &Pod, container: &Value, deadline: Instant) {
    let (Some(hook), Some(running), Some(ip)) = (
        container.pointer("/lifecycle/preStop"),
        running(pod, container),
        pod.ip(),
    ) else {
        return;
    };
    let ran = super::hook::run(pod, container, hook, &running, ip);
    match tokio::time::timeout_at(deadline, ran).await {
        Ok(Ok(())) => {}
        Ok(Err(problem)) => {
            tracing::warn!(pod = %pod.key, container = text(container, "/name"), problem, "preStop hook failed");
            pod.note_of(
                container,
                Severity::Warning,
                "FailedPreStopHook",
                "PreStopHook failed",
            );
        }
        Err(_) => {
            tracing::warn!(pod = %pod.key, container = text(container, "/name"), "preStop hook did not end within the grace period");
        }
    }
}

async fn stop(pod: &Pod, container: &Value, deadline: Instant) {
    let Some(running) = running(pod, container) else {
        return;
    };
    let message = format!("Stopping container {}", text(container, "/name"));
    pod.note_of(container, Severity::Normal, "Killing", message);
    running.signal(Signal::SIGTERM);
    if tokio::time::timeout_at(deadline, running.exit())
        .await
        .is_err()
    {
        running.signal(Signal::SIGKILL);
        let killed = tokio::time::timeout(KILL_LIMIT, running.exit()).await;
        if killed.is_err() {
            tracing::error!(pod = %pod.key, container = text(container, "/name"), "the container does not end");
        }
    }
    // Whoever supervises it holds it too; the last to let go frees it, off this thread.
    let _ = tokio::task::spawn_blocking(move || drop(running)).await;
}
