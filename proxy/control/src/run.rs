//! The thread that does it.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use compile::{Awaited, Resolution, Update};
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use graph::Graph;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::core::{Core, Effects, Service};
use crate::resolve::{Answer, Resolve};
use crate::stream::{self, Dial, Event};
use crate::view::{Initialization, View};

/// Events that wait to be taken; a response may be large.
const EVENTS: usize = 4;

/// What the control side needs.
pub struct Options {
    /// Who this proxy is.
    pub node: Node,
    /// How the configuration service is reached.
    pub configuration: Dial,
    /// How the secret service is reached.
    pub secrets: Dial,
    /// How names are resolved.
    pub resolver: Arc<dyn Resolve>,
    /// Resources from here: listeners and clusters that the proxy has anyhow, secrets of this process.
    pub local: Option<mpsc::Receiver<Update>>,
}

/// The running control side.
#[derive(Debug)]
pub struct Control {
    /// The graph; it changes with the configuration. It is empty until the first configuration is whole.
    pub graph: watch::Receiver<Arc<Graph>>,
    view: Arc<Mutex<View>>,
}

impl Control {
    /// What is held now, for the admin pages.
    #[must_use]
    pub fn view(&self) -> View {
        self.look(View::clone)
    }

    /// Looks at what is held now; nothing changes meanwhile, so it must be short.
    pub fn look<R>(&self, at: impl FnOnce(&View) -> R) -> R {
        at(&self.view.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Starts a thread that keeps configuration until `shutdown`.
///
/// # Errors
/// The thread or its runtime cannot be made.
pub fn start(options: Options, shutdown: CancellationToken) -> io::Result<Control> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (publisher, graph) = watch::channel(Arc::default());
    let core = Core::new(options.node.clone());
    let view = core.view();
    std::thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || {
            runtime.block_on(async move {
                let run = Run::new(core, options, publisher);
                shutdown.run_until_cancelled_owned(run.run()).await;
            });
        })?;
    Ok(Control { graph, view })
}

struct Run {
    core: Core,
    configuration: Dial,
    secrets: Dial,
    resolver: Arc<dyn Resolve>,
    local: Option<mpsc::Receiver<Update>>,
    publisher: watch::Sender<Arc<Graph>>,
    events: Both<(Service, Event)>,
    /// Where requests go, for the streams that are open.
    open: HashMap<Service, mpsc::UnboundedSender<DeltaDiscoveryRequest>>,
    started: HashMap<Service, AbortHandle>,
    deadlines: BTreeMap<Awaited, Instant>,
    names: HashMap<Arc<str>, (Resolution, AbortHandle)>,
    found: Both<Found>,
}

/// Both ends of a channel.
type Both<T> = (mpsc::Sender<T>, mpsc::Receiver<T>);
/// A name and its addresses.
type Found = (Arc<str>, Vec<std::net::IpAddr>);

impl Run {
    fn new(core: Core, options: Options, publisher: watch::Sender<Arc<Graph>>) -> Self {
        Run {
            core,
            configuration: options.configuration,
            secrets: options.secrets,
            resolver: options.resolver,
            local: options.local,
            publisher,
            events: mpsc::channel(EVENTS),
            open: HashMap::new(),
            started: HashMap::new(),
            deadlines: BTreeMap::new(),
            names: HashMap::new(),
            found: mpsc::channel(EVENTS),
        }
    }

    async fn run(mut self) {
        loop {
            self.connect();
            self.follow_names();
            self.set_deadlines();
            self.publish();
            let deadline = self
                .deadlines
                .iter()
                .min_by_key(|(_, at)| **at)
                .map(|(what, at)| (what.clone(), *at));
            tokio::select! {
                // There is always a sender, kept here.
                Some((service, event)) = self.events.1.recv() => self.event(service, event),
                Some((name, addresses)) = self.found.1.recv() => self.core.resolved(&name, &addresses),
                update = next(&mut self.local) => match update {
                    None => self.local = None,
                    Some(update) => self.local(update),
                },
                what = past(deadline) => {
                    tracing::warn!("{what:?} did not come in time: going on without it");
                    self.core.give_up(&what);
                }
            }
        }
    }

    fn local(&mut self, update: Update) {
        let (outcome, effects) = self.core.local(update);
        for rejection in outcome.rejected {
            tracing::error!("{}: {}", rejection.name, rejection.message);
        }
        self.send(effects);
    }

    fn event(&mut self, service: Service, event: Event) {
        let effects = match event {
            Event::Opened(requests) => {
                self.open.insert(service, requests);
                self.core.opened(service)
            }
            Event::Closed => {
                self.open.remove(&service);
                self.core.closed(service);
                Effects::default()
            }
            Event::Response(response) => self.core.received(service, *response, SystemTime::now()),
        };
        self.send(effects);
    }

    fn send(&mut self, effects: Effects) {
        for (service, request) in effects.requests {
            if let Some(open) = self.open.get(&service) {
                // A stream that has just ended takes no more; the next one begins with everything.
                let _ = open.send(request);
            }
        }
    }

    fn connect(&mut self) {
        for (service, dial) in [
            (Service::Configuration, &self.configuration),
            (Service::Secrets, &self.secrets),
        ] {
            if self.core.needs(service) && !self.started.contains_key(&service) {
                let kept = stream::keep(service, dial.clone(), self.events.0.clone());
                self.started
                    .insert(service, tokio::spawn(kept).abort_handle());
            }
        }
    }

    fn follow_names(&mut self) {
        let wanted = self.core.names().clone();
        self.names.retain(|name, (resolution, task)| {
            let stays = wanted.get(name) == Some(resolution);
            if !stays {
                task.abort();
            }
            stays
        });
        for (name, resolution) in wanted {
            if !self.names.contains_key(&name) {
                let followed = follow(
                    name.clone(),
                    resolution,
                    self.resolver.clone(),
                    self.found.0.clone(),
                );
                self.names
                    .insert(name, (resolution, tokio::spawn(followed).abort_handle()));
            }
        }
    }

    fn set_deadlines(&mut self) {
        let now = Instant::now();
        let mut deadlines = BTreeMap::new();
        for awaiting in self.core.awaiting() {
            if let Some(patience) = awaiting.patience {
                let at = self
                    .deadlines
                    .get(&awaiting.what)
                    .copied()
                    .unwrap_or(now + patience);
                deadlines.insert(awaiting.what, at);
            }
        }
        self.deadlines = deadlines;
    }

    fn publish(&mut self) {
        if self.core.initialization() != Initialization::Done {
            return;
        }
        let graph = self.core.graph();
        let is_new = !Arc::ptr_eq(&self.publisher.borrow(), &graph);
        if is_new {
            self.publisher.send_replace(graph);
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let names = self.names.values().map(|(_, task)| task);
        for task in self.started.values().chain(names) {
            task.abort();
        }
    }
}

async fn next(local: &mut Option<mpsc::Receiver<Update>>) -> Option<Update> {
    match local {
        Some(updates) => updates.recv().await,
        None => std::future::pending().await,
    }
}

async fn past(deadline: Option<(Awaited, Instant)>) -> Awaited {
    match deadline {
        Some((what, at)) => {
            tokio::time::sleep_until(at).await;
            what
        }
        None => std::future::pending().await,
    }
}

/// No name is asked for more often than this, whatever its time to live.
const SHORTEST: Duration = Duration::from_secs(1);

/// Keeps the addresses of a name fresh. What was found before goes on where a name cannot be resolved any more.
async fn follow(
    name: Arc<str>,
    resolution: Resolution,
    resolver: Arc<dyn Resolve>,
    found: mpsc::Sender<Found>,
) {
    let mut known = false;
    loop {
        let wait = match resolver.resolve(&name).await {
            Ok(Answer { addresses, ttl }) => {
                known = true;
                if found.send((name.clone(), addresses)).await.is_err() {
                    return;
                }
                if resolution.respect_ttl {
                    ttl
                } else {
                    resolution.refresh
                }
            }
            Err(problem) => {
                tracing::warn!("{name} cannot be resolved: {problem}");
                // A cluster must not wait for ever for a name that is not there.
                if !known && found.send((name.clone(), Vec::new())).await.is_err() {
                    return;
                }
                resolution.refresh
            }
        };
        tokio::time::sleep(wait.max(SHORTEST)).await;
    }
}
