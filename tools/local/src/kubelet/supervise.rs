//! Keeping a pod's containers running: order of start, restarts with back-off, probes.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::container::{self, Role};
use super::pod::Pod;
use super::probe::{Probe, Verdict, check};
use super::runtime::{End, Running};
use super::start::{NotStarted, start};
use super::status::{Ended, State};
use crate::event::Severity;
use crate::object::text;

/// The first pause before a container is started again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// A container that ran for so long starts with the first pause again.
const FORGIVEN_AFTER: Duration = Duration::from_secs(600);

/// Starts all containers in their order and returns once all have ended for good, sidecars last.
pub async fn containers(pod: &Arc<Pod>) {
    let mut own = Vec::new();
    for (role, container) in container::all(&pod.object) {
        let name = text(container, "/name").to_owned();
        let task = pod
            .supervisors
            .spawn(supervise(Arc::clone(pod), role, container.clone()));
        match role {
            // Only a clean end lets the next one start; `supervise` returns on nothing else.
            Role::Init => {
                let succeeded = task.await.unwrap_or(false);
                if !succeeded {
                    return finish(pod).await;
                }
            }
            Role::Sidecar => until(pod, &name, |record| record.started).await,
            // The next starts when this one runs and its postStart hook is done.
            Role::App => {
                until(pod, &name, |record| {
                    record.started || !record.id.is_empty() || is_stuck(&record.state)
                })
                .await;
                own.push(task);
            }
        }
    }
    // Each returns when its container is not to be started again, which under `Always` is the pod's end.
    futures::future::join_all(own).await;
    finish(pod).await;
}

/// The pod's work is over: its sidecars have nobody to serve any more.
async fn finish(pod: &Arc<Pod>) {
    if pod.ending.is_cancelled() {
        // Whoever ends the pod ends them too.
        return std::future::pending().await;
    }
    pod.over.cancel();
    super::end::of_sidecars(pod).await;
    super::end::of_supervisors(pod).await;
    pod.publish();
}

fn is_stuck(state: &State) -> bool {
    matches!(state, State::Waiting { reason, .. } if !matches!(*reason, "PodInitializing" | "ContainerCreating"))
}

async fn until(pod: &Pod, name: &str, holds: impl Fn(&super::status::Record) -> bool) {
    let mut changed = pod.changed.subscribe();
    loop {
        let now = pod
            .lock()
            .records
            .iter()
            .any(|r| r.name == name && holds(r));
        if now || changed.changed().await.is_err() {
            return;
        }
    }
}

/// Runs a container until it needs no further start; true when it ended with status 0.
async fn supervise(pod: Arc<Pod>, role: Role, container: Value) -> bool {
    let name = text(&container, "/name").to_owned();
    let policy = match text(&pod.object, "/spec/restartPolicy") {
        "" => "Always",
        policy => policy,
    };
    let mut pause = FIRST_PAUSE;
    let mut restart = 0_u32;
    loop {
        if pod.is_over_or_ending() {
            return false;
        }
        let began = tokio::time::Instant::now();
        let code = match once(&pod, &container, restart).await {
            Ok(code) => code,
            Err(NotStarted { reason, message }) => {
                tracing::warn!(pod = %pod.key, container = name, reason, message, "not started");
                let told = match reason {
                    "ErrImagePull" => "Error: ErrImagePull".to_owned(),
                    _ => format!("Error: {message}"),
                };
                pod.note_of(&container, Severity::Warning, "Failed", told);
                pod.record(&name, |record| {
                    record.state = State::Waiting { reason, message };
                });
                let waits = reason == "CreateContainerConfigError";
                tokio::select! {
                    () = pod.no_more_starts() => return false,
                    () = pod.wait_for_objects(), if waits => {}
                    () = tokio::time::sleep(FIRST_PAUSE), if !waits => {}
                }
                continue;
            }
        };
        let again = match role {
            Role::Sidecar => !pod.over.is_cancelled(),
            Role::Init => code != 0 && policy != "Never",
            Role::App => policy == "Always" || (policy == "OnFailure" && code != 0),
        };
        if !again || pod.ending.is_cancelled() {
            // A finished init container counts as ready.
            let done = role == Role::Init && code == 0;
            pod.record(&name, |record| record.ready = done);
            return code == 0;
        }
        pod.record(&name, |record| {
            if let State::Ended(end) = &record.state {
                record.last = Some(end.clone());
            }
        });
        if began.elapsed() >= FORGIVEN_AFTER {
            pause = FIRST_PAUSE;
        }
        // The first restart comes at once, as Kubernetes does it.
        if restart > 0 {
            let message = format!(
                "Back-off restarting failed container {name} in pod {}_{}({})",
                pod.key.name,
                pod.key.namespace,
                pod.uid()
            );
            pod.note_of(&container, Severity::Warning, "BackOff", message);
            pod.record(&name, |record| {
                record.state = State::Waiting {
                    reason: "CrashLoopBackOff",
                    message: format!(
                        "back-off {}s restarting failed container={name} pod={}",
                        pause.as_secs(),
                        pod.display_name()
                    ),
                };
            });
            tokio::select! {
                () = pod.no_more_starts() => return false,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        restart += 1;
        pod.record(&name, |record| record.restarts = restart);
    }
}

/// Starts the container, watches it and returns its exit status.
async fn once(pod: &Arc<Pod>, container: &Value, restart: u32) -> Result<i32, NotStarted> {
    let name = text(container, "/name");
    let probe = |kind| {
        Probe::of(container, kind).map_err(|message| NotStarted {
            reason: "CreateContainerConfigError",
            message,
        })
    };
    let probes = Probes {
        startup: probe("startupProbe")?,
        readiness: probe("readinessProbe")?,
        liveness: probe("livenessProbe")?,
    };
    let (id, digest, running) = start(pod, container, restart).await?;
    let started = OffsetDateTime::now_utc();
    pod.lock()
        .running
        .insert(name.to_owned(), Arc::clone(&running));
    // Whoever ends the pod looks for running containers after this token is cancelled, so one of the two sees it.
    if pod.is_over_or_ending() {
        running.signal(nix::sys::signal::Signal::SIGKILL);
    }
    let stop_probes = CancellationToken::new();
    let _probes_end_with_this_run = stop_probes.clone().drop_guard();
    let post_start = container.pointer("/lifecycle/postStart");
    let begun = probes.startup.is_none() && post_start.is_none();
    pod.record(name, |record| {
        record.id = id;
        record.image_id = digest;
        record.state = State::Running(started);
        record.started = begun;
        record.ready = begun && probes.readiness.is_none();
    });
    let watching = tokio::spawn({
        let (pod, container, running) = (Arc::clone(pod), container.clone(), Arc::clone(&running));
        stop_probes.clone().run_until_cancelled_owned(async move {
            watch(&pod, &container, &running, probes).await;
        })
    });
    if let Some(why) = running.unlimited() {
        let message = format!("Limits of container {name} are not in force: {why}");
        pod.note_of(container, Severity::Warning, "LimitsNotEnforced", message);
    }
    let End {
        code,
        out_of_memory,
    } = running.exit().await;
    stop_probes.cancel();
    let _ = watching.await;
    let end = Ended {
        code,
        out_of_memory,
        started,
        finished: OffsetDateTime::now_utc(),
    };
    tracing::info!(pod = %pod.key, container = name, code, "the container ended");
    pod.lock().running.remove(name);
    pod.record(name, |record| {
        record.state = State::Ended(end);
        record.started = false;
        record.ready = false;
    });
    // Its end can take a moment (output, overlay); not on a thread that serves others.
    let _ = tokio::task::spawn_blocking(move || drop(running)).await;
    Ok(code)
}

struct Probes {
    startup: Option<Probe>,
    readiness: Option<Probe>,
    liveness: Option<Probe>,
}

/// The postStart hook, the startup probe, then liveness and readiness side by side.
async fn watch(pod: &Arc<Pod>, container: &Value, running: &Arc<dyn Running>, probes: Probes) {
    let Some(ip) = pod.ip() else { return };
    let name = text(container, "/name");
    if let Some(hook) = container.pointer("/lifecycle/postStart")
        && let Err(problem) = super::hook::run(pod, container, hook, running, ip).await
    {
        tracing::warn!(pod = %pod.key, container = name, problem, "postStart hook failed: killing the container");
        pod.note_of(
            container,
            Severity::Warning,
            "FailedPostStartHook",
            "PostStartHook failed",
        );
        let message = format!("FailedPostStartHook: container {name} will be restarted");
        pod.note_of(container, Severity::Normal, "Killing", message);
        running.signal(nix::sys::signal::Signal::SIGKILL);
        return;
    }
    let asker = |kind, probe| Asker {
        pod,
        container,
        running,
        ip,
        kind,
        probe,
    };
    if let Some(startup) = &probes.startup {
        let passed = asker(Kind::Startup, startup).until_verdict().await;
        if !passed {
            kill(pod, container, Kind::Startup, running).await;
            return;
        }
    }
    pod.record(name, |record| {
        record.started = true;
        record.ready = probes.readiness.is_none();
    });
    let readiness = async {
        if let Some(readiness) = &probes.readiness {
            let note = |yes| {
                pod.record(name, |record| record.ready = yes);
            };
            asker(Kind::Readiness, readiness).follow(note).await;
        }
    };
    let liveness = async {
        if let Some(liveness) = &probes.liveness {
            asker(Kind::Liveness, liveness).until_failure().await;
            kill(pod, container, Kind::Liveness, running).await;
        }
    };
    tokio::join!(readiness, liveness);
}

/// Which of a container's probes it is.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Startup,
    Readiness,
    Liveness,
}

impl Kind {
    /// As events write it.
    fn name(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        }
    }
}

/// One probe of one running container.
struct Asker<'a> {
    pod: &'a Pod,
    container: &'a Value,
    running: &'a Arc<dyn Running>,
    ip: IpAddr,
    kind: Kind,
    probe: &'a Probe,
}

impl Asker<'_> {
    /// Asks until enough answers in a row are the same.
    async fn until_verdict(&self) -> bool {
        let mut verdict = Verdict::new(self.probe);
        let mut due = questions(self.probe);
        loop {
            due.tick().await;
            if let Some(verdict) = verdict.observe(self.ask().await) {
                return verdict;
            }
        }
    }

    /// Asks until enough answers in a row were no.
    async fn until_failure(&self) {
        let mut verdict = Verdict::new(self.probe);
        let mut due = questions(self.probe);
        loop {
            due.tick().await;
            if verdict.observe(self.ask().await) == Some(false) {
                return;
            }
        }
    }

    /// Asks for as long as it is polled and tells every change.
    async fn follow(&self, tell: impl Fn(bool)) {
        let mut verdict = Verdict::new(self.probe);
        let mut told = None;
        let mut due = questions(self.probe);
        loop {
            due.tick().await;
            if let Some(now) = verdict.observe(self.ask().await)
                && told != Some(now)
            {
                told = Some(now);
                tell(now);
            }
        }
    }

    async fn ask(&self) -> bool {
        let runtime = self.pod.node.runtime.as_ref();
        let (probe, kind) = (self.probe, self.kind.name());
        match check::ask(
            &probe.question,
            probe.timeout,
            runtime,
            self.running,
            self.ip,
        )
        .await
        {
            Ok(()) => true,
            Err(problem) => {
                tracing::debug!(pod = %self.pod.key, probe = kind, problem, "probe failed");
                let message = format!("{kind} probe failed: {problem}");
                self.pod
                    .note_of(self.container, Severity::Warning, "Unhealthy", message);
                false
            }
        }
    }
}

/// When a probe asks: the period lies between questions, however long an answer takes.
fn questions(probe: &Probe) -> tokio::time::Interval {
    let first = tokio::time::Instant::now() + probe.initial_delay;
    let mut due = tokio::time::interval_at(first, probe.period);
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    due
}

async fn kill(pod: &Pod, container: &Value, kind: Kind, running: &Arc<dyn Running>) {
    let name = text(container, "/name");
    let probe = kind.name().to_ascii_lowercase();
    tracing::warn!(pod = %pod.key, container = name, probe, "probe failed: the container is ended and started again");
    let message = format!("Container {name} failed {probe} probe, will be restarted");
    pod.note_of(container, Severity::Normal, "Killing", message);
    running.signal(nix::sys::signal::Signal::SIGTERM);
    tokio::time::sleep(pod.grace()).await;
    running.signal(nix::sys::signal::Signal::SIGKILL);
}
