//! The task that keeps the world up to date with the directory it is configured by.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use resources::problem::{Problem, Severity};
use tokio::time::Instant as Clock;
use tokio_util::sync::CancellationToken;

use crate::debounce::Debounce;
use crate::metrics;
use crate::sources::Files;
use crate::sources::directory::{self, Directory};
use crate::store::{MeshText, Store};
use crate::world::World;

/// What the world is made from.
#[derive(Debug)]
pub struct Loader {
    directory: PathBuf,
    mesh_file: Option<PathBuf>,
    files: Files,
    store: Store,
    problems: Vec<Problem>,
    world: Arc<World>,
}

impl Loader {
    /// A loader that has read nothing yet.
    pub fn new(
        directory: PathBuf,
        mesh_file: Option<PathBuf>,
        store: Store,
        world: Arc<World>,
    ) -> Self {
        Self {
            directory,
            mesh_file,
            files: Files::new(),
            store,
            problems: Vec::new(),
            world,
        }
    }

    /// Reads everything and publishes what differs. `changed_at` is when the first change was seen.
    pub fn load(&mut self, changed_at: Instant) {
        let mut problems = Vec::new();
        match directory::scan(&self.directory) {
            Ok(found) => {
                self.files.scanned(found);
            }
            Err(error) => problems.push(Problem::error(
                self.directory.display().to_string(),
                format!("--configDir cannot be listed: {error}; what was read before stays in use"),
            )),
        }
        let mesh = self.mesh_text(&mut problems);
        let objects: BTreeMap<_, _> = self.files.objects();
        let changed = self.store.apply(&objects, mesh.as_ref());
        problems.extend(self.files.problems());
        problems.extend(self.store.problems());
        problems.extend(translate::check(self.store.snapshot()));
        self.say_what_is_new(&problems);
        let first = !self.world.is_loaded();
        if !changed && !first && problems == self.problems {
            return;
        }
        self.problems = problems;
        self.world.publish(
            self.store.snapshot(),
            changed_at,
            self.store.objects().cloned().collect(),
            self.problems.as_slice().into(),
        );
        metrics::loaded(&self.world.now(), changed);
    }

    /// A file that is named and does not exist is as none: the ConfigMap counts then.
    fn mesh_text(&self, problems: &mut Vec<Problem>) -> Option<MeshText> {
        let path = self.mesh_file.as_ref()?;
        match std::fs::read_to_string(path) {
            Ok(text) => Some(MeshText {
                text,
                source: path.display().to_string(),
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                let message = format!("--meshConfig cannot be read: {error}");
                problems.push(Problem::error(path.display().to_string(), message));
                None
            }
        }
    }

    fn say_what_is_new(&self, problems: &[Problem]) {
        for problem in problems.iter().filter(|p| !self.problems.contains(p)) {
            match problem.severity {
                Severity::Error => tracing::error!("{problem}"),
                Severity::Warning => tracing::warn!("{problem}"),
            }
        }
        for gone in self.problems.iter().filter(|p| !problems.contains(p)) {
            tracing::info!("no longer so: {gone}");
        }
    }
}

/// Loads again whenever the directory or the mesh's file may have changed, until `shutdown`.
pub async fn run(mut loader: Loader, debounce: Debounce, shutdown: CancellationToken) {
    let mut directory = Directory::watch(&loader.directory);
    let mesh_directory = loader.mesh_file.as_deref().and_then(Path::parent);
    let mut mesh = mesh_directory.map(Directory::watch);
    // What changed between the first load and the first watch.
    let mut first = Clock::now();
    loop {
        if !wait_until_quiet(&mut directory, mesh.as_mut(), first, debounce, &shutdown).await {
            return;
        }
        let changed_at = first.into_std();
        let loading = tokio::task::spawn_blocking(move || {
            loader.load(changed_at);
            loader
        });
        match loading.await {
            Ok(back) => loader = back,
            Err(error) => {
                tracing::error!(%error, "loading the configuration broke; it is no longer followed");
                return;
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = any(&mut directory, mesh.as_mut()) => first = Clock::now(),
        }
    }
}

async fn any(directory: &mut Directory, mesh: Option<&mut Directory>) {
    match mesh {
        None => directory.changed().await,
        Some(mesh) => tokio::select! {
            () = directory.changed() => {}
            () = mesh.changed() => {}
        },
    }
}

/// Whether it ended with quiet rather than with the shutdown.
async fn wait_until_quiet(
    directory: &mut Directory,
    mut mesh: Option<&mut Directory>,
    first: Clock,
    debounce: Debounce,
    shutdown: &CancellationToken,
) -> bool {
    let mut last = first;
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return false,
            () = tokio::time::sleep_until(debounce.deadline(first, last)) => return true,
            () = any(directory, mesh.as_deref_mut()) => last = Clock::now(),
        }
    }
}
