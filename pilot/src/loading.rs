//! The task that keeps the world up to date with the source it is configured by.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use resources::problem::{Problem, Severity};
use tokio::time::Instant as Clock;
use tokio_util::sync::CancellationToken;

use crate::debounce::Debounce;
use crate::metrics;
use crate::sources::directory;
use crate::sources::kubernetes::Changes;
use crate::sources::{Source, Watch};
use crate::store::{MeshText, Store};
use crate::world::World;

/// What the world is made from.
#[derive(Debug)]
pub struct Loader {
    source: Source,
    mesh_file: Option<PathBuf>,
    store: Store,
    mesh: Option<MeshText>,
    /// What kept the source, parts of it or the mesh's file from being read.
    unreadable: Vec<Problem>,
    problems: Vec<Problem>,
    world: Arc<World>,
}

impl Loader {
    /// A loader that has read nothing yet.
    pub fn new(
        source: Source,
        mesh_file: Option<PathBuf>,
        store: Store,
        world: Arc<World>,
    ) -> Self {
        Self {
            source,
            mesh_file,
            store,
            mesh: None,
            unreadable: Vec::new(),
            problems: Vec::new(),
            world,
        }
    }

    /// Reads what is new and, if anything differs, publishes it. `changed_at` is when the first change was
    /// seen. Of a cluster nothing is published before all of it was read: proxies would lose what was not.
    pub fn load(&mut self, changed_at: Instant) {
        let mut problems = Vec::new();
        let mut differs = !self.world.is_loaded();
        let mut changes = Changes::new();
        match &mut self.source {
            Source::Directory { path, files } => match directory::scan(path) {
                Ok(found) => differs |= files.scanned(found),
                Err(error) => problems.push(Problem::error(
                    path.display().to_string(),
                    format!(
                        "--configDir cannot be listed: {error}; what was read before stays in use"
                    ),
                )),
            },
            Source::Cluster(cluster) if cluster.is_synced() => {
                changes = cluster.take();
                problems.extend(cluster.problems());
                differs |= !changes.is_empty();
            }
            Source::Cluster(_) => return,
        }
        let mesh = self.mesh_text(&mut problems);
        differs |= mesh != self.mesh || problems != self.unreadable;
        // Most looks at the directory are in vain, and the rest of this reads every object.
        if !differs {
            return;
        }
        self.mesh.clone_from(&mesh);
        self.unreadable.clone_from(&problems);
        let changed = match &self.source {
            Source::Directory { files, .. } => {
                problems.extend(files.problems());
                self.store.apply(&files.objects(), mesh.as_ref())
            }
            Source::Cluster(_) => self.store.update(&changes, mesh.as_ref()),
        };
        problems.extend(self.store.problems());
        problems.extend(translate::check(self.store.snapshot()));
        let conflicts = translate::conflicts(self.store.snapshot());
        metrics::conflicts(&conflicts);
        problems.extend(conflicts.duplicate_domains);
        problems.extend(conflicts.inbound_listeners);
        self.say_what_is_new(&problems);
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
        let (before, now): (HashSet<_>, HashSet<_>) =
            (self.problems.iter().collect(), problems.iter().collect());
        for problem in problems.iter().filter(|p| !before.contains(p)) {
            match problem.severity {
                Severity::Error => tracing::error!("{problem}"),
                Severity::Warning => tracing::warn!("{problem}"),
            }
        }
        for gone in self.problems.iter().filter(|p| !now.contains(p)) {
            tracing::info!("no longer so: {gone}");
        }
    }
}

/// Loads again whenever the source or the mesh's file may have changed, until `shutdown`.
pub async fn run(mut loader: Loader, debounce: Debounce, shutdown: CancellationToken) {
    let mut source = loader.source.watch();
    let mut mesh = loader.mesh_file.as_deref().and_then(Watch::beside);
    // What changed between the first load and the first watch.
    let mut first = Clock::now();
    loop {
        if !wait_until_quiet(&mut source, mesh.as_mut(), first, debounce, &shutdown).await {
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
            () = any(&mut source, mesh.as_mut()) => first = Clock::now(),
        }
    }
}

async fn any(source: &mut Watch, mesh: Option<&mut Watch>) {
    match mesh {
        None => source.changed().await,
        Some(mesh) => tokio::select! {
            () = source.changed() => {}
            () = mesh.changed() => {}
        },
    }
}

/// Whether it ended with quiet rather than with the shutdown.
async fn wait_until_quiet(
    source: &mut Watch,
    mut mesh: Option<&mut Watch>,
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
            () = any(source, mesh.as_deref_mut()) => last = Clock::now(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_look_in_vain_leaves_the_world_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let service = |port: u16| {
            let text = format!(
                "apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec: {{ports: [{{port: {port}}}]}}\n"
            );
            std::fs::write(directory.path().join("a.yaml"), text).unwrap();
        };
        service(80);
        let store = Store::new(translate::Settings::default(), "istio-system");
        let world = Arc::new(World::new(store.snapshot().clone()));
        let mut loader = Loader::new(
            Source::directory(directory.path()),
            None,
            store,
            world.clone(),
        );
        let mut load = || {
            loader.load(Instant::now());
            world.now()
        };
        let first = load();
        assert_eq!(first.objects.len(), 1);
        assert!(Arc::ptr_eq(&first, &load()));
        service(81);
        let second = load();
        assert_eq!(second.number, first.number + 1);
        std::fs::write(directory.path().join("b.yaml"), "{").unwrap();
        let third = load();
        assert_eq!((third.number, third.problems.len()), (second.number, 1));
    }
}
