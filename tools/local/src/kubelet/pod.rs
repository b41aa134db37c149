//! One pod's life: volumes and network, init containers in turn, its containers, its end.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::container::{self, Role};
use super::facts::Facts;
use super::node::Node;
use super::runtime::Running;
use super::status::{Record, of_pod};
use super::volume::{self, Sources};
use crate::event::{Note, Severity};
use crate::object::{Key, integer, is_terminating, list, name, namespace, text, uid};

/// How long a pod waits before it looks again for a ConfigMap that is not there.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How often the same trouble of a pod that waits becomes an event.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// How long a pod's network stays after its last container.
const ADDRESS_OUTLIVES: Duration = Duration::from_secs(3);

/// A pod of this node.
pub struct Pod {
    pub(super) node: Arc<Node>,
    pub(super) key: Key,
    pub(super) object: Arc<Value>,
    pub(super) directory: PathBuf,
    /// Deletion was asked for: nothing is started or started again.
    pub(super) ending: CancellationToken,
    /// Its own containers have ended for good: sidecars are not started again.
    pub(super) over: CancellationToken,
    pub(super) shared: Mutex<Shared>,
    /// Held from reading the records until the store has their status: of two writers, the one that read first
    /// must not write last, or what the other saw would never be shown.
    publishing: Mutex<()>,
    /// Marked when a record changes, for those who wait for a container to start.
    pub(super) changed: watch::Sender<u64>,
    /// Those that keep containers running: a container may be on its way to start when the pod is to end.
    pub(super) supervisors: TaskTracker,
}

/// What the pod's tasks tell each other.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) records: Vec<Record>,
    pub(super) running: BTreeMap<String, Arc<dyn Running>>,
    pub(super) ip: Option<Ipv4Addr>,
    pub(super) volumes: BTreeMap<String, PathBuf>,
}

impl Pod {
    /// A pod to run; nothing happens until [`Pod::run`].
    pub fn new(node: Arc<Node>, key: Key, object: Arc<Value>) -> Self {
        let records = container::all(&object)
            .into_iter()
            .enumerate()
            .map(|(index, (role, c))| {
                let first_init = index == 0 && role != Role::App;
                let has_init = !list(&object, "/spec/initContainers").is_empty();
                let reason = if has_init && !first_init {
                    "PodInitializing"
                } else {
                    "ContainerCreating"
                };
                Record::waiting(text(c, "/name"), role, text(c, "/image"), reason)
            })
            .collect();
        Self {
            directory: node.pods_directory.join(uid(&object)),
            node,
            key,
            object,
            ending: CancellationToken::new(),
            over: CancellationToken::new(),
            shared: Mutex::new(Shared {
                records,
                ..Shared::default()
            }),
            publishing: Mutex::default(),
            changed: watch::Sender::new(0),
            supervisors: TaskTracker::new(),
        }
    }

    /// The pod's uid.
    pub fn uid(&self) -> &str {
        uid(&self.object)
    }

    /// The object as it was when the pod was taken on.
    pub fn object(&self) -> &Arc<Value> {
        &self.object
    }

    /// The running containers by name.
    pub fn containers(&self) -> BTreeMap<String, Arc<dyn Running>> {
        self.lock().running.clone()
    }

    /// A running container by name.
    pub fn container(&self, name: &str) -> Option<Arc<dyn Running>> {
        self.lock().running.get(name).cloned()
    }

    /// The directory with the logs of a container, one file per start: `0.log`, `1.log`...
    pub fn log_directory(&self, container: &str) -> PathBuf {
        self.directory.join("logs").join(container)
    }

    /// The log of the container's latest start.
    pub fn log(&self, container: &str, previous: bool) -> Option<PathBuf> {
        let shared = self.lock();
        let record = shared.records.iter().find(|r| r.name == container)?;
        let latest = record.restarts;
        let wanted = if previous {
            latest.checked_sub(1)?
        } else {
            latest
        };
        Some(self.log_directory(container).join(format!("{wanted}.log")))
    }

    /// Whether the start of `container` that writes this log has ended.
    pub fn is_over(&self, container: &str, log: &Path) -> bool {
        let current = self.log(container, false);
        let shared = self.lock();
        let ended = shared
            .records
            .iter()
            .find(|record| record.name == container)
            .is_none_or(|record| match record.state {
                super::status::State::Ended(_) => true,
                _ => self.ending.is_cancelled() && !shared.running.contains_key(container),
            });
        ended || current.as_deref() != Some(log)
    }

    /// Asks the pod to end; [`Pod::run`] returns when it has.
    pub fn end(&self) {
        self.ending.cancel();
    }

    /// Notes something that happened to the pod, as its node's kubelet.
    pub(super) fn note(
        &self,
        severity: Severity,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        self.node.store.events().note(
            &self.object,
            Note {
                host: self.node.name.clone(),
                ..Note::new("kubelet", severity, reason, message)
            },
        );
    }

    /// Notes something that happened to one of its containers.
    pub(super) fn note_of(
        &self,
        container: &Value,
        severity: Severity,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        let of = text(container, "/name");
        let is_init = list(&self.object, "/spec/initContainers")
            .iter()
            .any(|init| text(init, "/name") == of);
        let field = if is_init {
            "initContainers"
        } else {
            "containers"
        };
        self.node.store.events().note(
            &self.object,
            Note {
                host: self.node.name.clone(),
                field_path: format!("spec.{field}{{{of}}}"),
                ..Note::new("kubelet", severity, reason, message)
            },
        );
    }

    /// Completes when nothing of the pod is to start any more: it is deleted, or its work is done.
    pub(super) async fn no_more_starts(&self) {
        tokio::select! {
            () = self.ending.cancelled() => {}
            () = self.over.cancelled() => {}
        }
    }

    /// Whether nothing of the pod is to start any more.
    pub(super) fn is_over_or_ending(&self) -> bool {
        self.ending.is_cancelled() || self.over.is_cancelled()
    }

    /// Runs the pod until its deletion has been asked for and it is gone, then takes it out of the store.
    pub async fn run(self: Arc<Self>) {
        self.note_assignment();
        self.publish();
        let living = async {
            if let Some(()) = self.prepare().await {
                // At once: a sidecar may be waiting for a certificate that only now comes into its volume.
                tokio::select! {
                    () = super::supervise::containers(&self) => {
                        // Others may have its address; Kubernetes ends a finished pod's sandbox too.
                        self.node.runtime.remove_pod(self.uid()).await;
                    }
                    () = self.keep_volumes() => {}
                }
            }
            // A pod that cannot go on stays, with its status, until it is deleted.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = living => {}
            () = self.ending.cancelled() => {}
        }
        super::end::end(&self).await;
        super::end::of_supervisors(&self).await;
        let directory = self.directory.clone();
        let removed = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(directory)).await;
        if let Ok(Err(error)) = removed
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(pod = %self.key, %error, "cannot remove the pod's directory");
        }
        self.node.forget(self.uid());
        self.node.store.remove(&self.key, self.uid());
        // Others learn a moment later that the address has gone: until then it refuses connections, where no
        // pod at all would leave them unanswered.
        self.node.linger(ADDRESS_OUTLIVES).await;
        self.node.runtime.remove_pod(self.uid()).await;
    }

    fn note_assignment(&self) {
        let message = format!(
            "Successfully assigned {} to {}",
            self.display_name(),
            self.node.name
        );
        self.node.store.events().note(
            &self.object,
            Note::new("default-scheduler", Severity::Normal, "Scheduled", message),
        );
    }

    /// Network and volumes, tried until they are there. None when deletion came first.
    async fn prepare(&self) -> Option<()> {
        let mut noted: Option<(String, tokio::time::Instant)> = None;
        loop {
            match self.try_prepare().await {
                Ok(()) => return Some(()),
                Err((reason, message)) => {
                    tracing::info!(pod = %self.key, %message, "the pod waits");
                    self.explain_waiting(&message);
                    // It looks again often; what has not changed is told now and then.
                    let known = noted
                        .as_ref()
                        .is_some_and(|(last, at)| *last == message && at.elapsed() < TELL_AGAIN);
                    if !known {
                        self.note(Severity::Warning, reason, message.as_str());
                        noted = Some((message, tokio::time::Instant::now()));
                    }
                }
            }
            self.wait_for_objects().await;
        }
    }

    /// Until ConfigMaps or Secrets change, [`LOOK_AGAIN`] at most.
    pub(super) async fn wait_for_objects(&self) {
        let mut objects = self.node.store.subscribe_sources();
        let _ = tokio::time::timeout(LOOK_AGAIN, objects.changed()).await;
        // A burst of writes is one reason to look.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    async fn try_prepare(&self) -> Result<(), (&'static str, String)> {
        let known = self.lock().ip;
        let ip = match known {
            Some(ip) => ip,
            None => {
                let made = self.node.runtime.add_pod(self.uid()).await;
                let ip = made.map_err(|error| {
                    (
                        "FailedCreatePodSandBox",
                        format!("Failed to create pod sandbox: {error}"),
                    )
                })?;
                self.lock().ip = Some(ip);
                self.publish();
                ip
            }
        };
        let volumes = self
            .write_volumes(ip)
            .map_err(|message| ("FailedMount", message))?;
        self.lock().volumes = volumes;
        Ok(())
    }

    fn write_volumes(&self, ip: Ipv4Addr) -> Result<BTreeMap<String, PathBuf>, String> {
        let (ip, host) = (ip.to_string(), self.node.host_ip().to_string());
        let view = self.node.store.view();
        let sources = Sources {
            facts: self.facts(&ip, &host),
            view: &view,
            signer: &self.node.signer,
            now: OffsetDateTime::now_utc(),
        };
        list(&self.object, "/spec/volumes")
            .iter()
            .map(|v| {
                let volume_name = text(v, "/name");
                let content = volume::content(v, sources).map_err(|error| error.to_string())?;
                let directory = self.volume_directory(volume_name)?;
                let group = container::fs_group(&self.object);
                volume::write(&content, &directory, &self.node.root, group)
                    .map(|path| (volume_name.to_owned(), path))
                    .map_err(|error| format!("volume {volume_name:?}: {error}"))
            })
            .collect()
    }

    fn volume_directory(&self, volume: &str) -> Result<PathBuf, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if volume.is_empty() || !volume.chars().all(plain) {
            return Err(format!(
                "volume name {volume:?} must be letters, digits and '-'"
            ));
        }
        Ok(self.directory.join("volumes").join(volume))
    }

    /// Follows changes of ConfigMaps and Secrets, and renews tokens, for as long as the pod lives.
    async fn keep_volumes(&self) {
        let volumes = list(&self.object, "/spec/volumes");
        let renew = volumes.iter().filter_map(volume::refresh_after).min();
        let mut objects = self.node.store.subscribe_sources();
        let mut renewed = tokio::time::Instant::now();
        let mut seen = self.sources_fingerprint();
        loop {
            let due = renew.map(|seconds| {
                renewed + Duration::from_secs(u64::try_from(seconds).unwrap_or(600))
            });
            tokio::select! {
                changed = objects.changed() => if changed.is_err() { return },
                () = sleep_until(due) => {}
            }
            let now = self.sources_fingerprint();
            let is_due = due.is_some_and(|due| due <= tokio::time::Instant::now());
            let ip = self.lock().ip;
            if let (true, Some(ip)) = (is_due || now != seen, ip) {
                seen = now;
                renewed = tokio::time::Instant::now();
                if let Err(error) = self.write_volumes(ip) {
                    tracing::warn!(pod = %self.key, %error, "a volume keeps its old content");
                }
            }
        }
    }

    /// The revisions of the ConfigMaps and Secrets of the pod's namespace.
    fn sources_fingerprint(&self) -> Vec<String> {
        let view = self.node.store.view();
        ["ConfigMap", "Secret"]
            .iter()
            .flat_map(|kind| view.of_kind("", kind))
            .filter(|(key, _)| key.namespace == self.key.namespace)
            .map(|(key, object)| format!("{key}@{}", text(object, "/metadata/resourceVersion")))
            .collect()
    }

    /// What the pod may ask about itself.
    pub(super) fn facts<'a>(&'a self, ip: &'a str, host: &'a str) -> Facts<'a> {
        Facts {
            pod: &self.object,
            pod_ip: ip,
            host_ip: host,
            node: &self.node.name,
        }
    }

    /// The pod's address, once it has one.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.lock().ip.map(IpAddr::V4)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the record of a container and writes the pod's status.
    pub(super) fn record(&self, container: &str, change: impl FnOnce(&mut Record)) {
        if let Some(record) = self
            .lock()
            .records
            .iter_mut()
            .find(|record| record.name == container)
        {
            change(record);
        }
        self.publish();
    }

    fn explain_waiting(&self, text: &str) {
        for record in &mut self.lock().records {
            if let super::status::State::Waiting { message, .. } = &mut record.state {
                message.clear();
                message.push_str(text);
            }
        }
        self.publish();
    }

    /// Writes the pod's status as its records say.
    pub(super) fn publish(&self) {
        let _turn = self
            .publishing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = self
            .node
            .store
            .get(&self.key)
            .and_then(|pod| pod.get("status").cloned())
            .unwrap_or(Value::Null);
        let status = {
            let shared = self.lock();
            let ip = shared.ip.map(|ip| ip.to_string()).unwrap_or_default();
            of_pod(
                &self.object,
                &shared.records,
                &ip,
                &self.node.host_ip().to_string(),
                &before,
                OffsetDateTime::now_utc(),
            )
        };
        self.node.store.set_status(&self.key, self.uid(), status);
        self.changed.send_modify(|count| *count += 1);
    }

    /// Seconds that the pod has from the wish to end it to its last process's end.
    pub(super) fn grace(&self) -> Duration {
        let live = self.node.store.get(&self.key);
        let asked = live
            .as_ref()
            .filter(|pod| is_terminating(pod) && uid(pod) == self.uid())
            .and_then(|pod| integer(pod, "/metadata/deletionGracePeriodSeconds"));
        let seconds = asked
            .or_else(|| integer(&self.object, "/spec/terminationGracePeriodSeconds"))
            .unwrap_or(30);
        let asked = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        self.node.allowed_grace(asked)
    }

    /// `namespace/name`.
    pub fn display_name(&self) -> String {
        format!("{}/{}", namespace(&self.object), name(&self.object))
    }

    /// The pod's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

async fn sleep_until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
