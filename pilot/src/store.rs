//! From raw objects to the snapshot that is translated: each object is typed by itself, and one that
//! cannot be typed leaves its last good form in use.

use std::collections::BTreeMap;
use std::sync::Arc;

use resources::mesh_config::MeshConfig;
use resources::object::{Object, ObjectKey};
use resources::problem::Problem;
use resources::yaml::{RawKey, RawObject};
use translate::{Change, Settings, Snapshot};

/// The name of the ConfigMap, in the root namespace, whose key `mesh` holds the mesh's
/// configuration.
const MESH_CONFIG_MAP: &str = "istio";

/// How many typed objects there are at a time: Kubernetes' types are large, and a cluster's first list
/// has all of its pods.
const AT_ONCE: usize = 500;

/// One object as it was given last.
#[derive(Debug)]
struct Entry {
    raw: Arc<RawObject>,
    /// Its key in the snapshot; `None` while no form of it was good, or for kinds that are not read.
    in_use: Option<ObjectKey>,
    problems: Vec<Problem>,
}

/// The typed objects and the snapshot made of them.
#[derive(Debug)]
pub struct Store {
    root_namespace: String,
    entries: BTreeMap<RawKey, Entry>,
    snapshot: Arc<Snapshot>,
    mesh: MeshConfig,
    mesh_problems: Vec<Problem>,
}

/// The mesh's configuration where it does not come from a ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeshText {
    /// The YAML text.
    pub text: String,
    /// The file it was read from.
    pub source: String,
}

impl Store {
    /// An empty world. `root_namespace` holds the ConfigMap of the mesh's configuration.
    pub fn new(settings: Settings, root_namespace: impl Into<String>) -> Self {
        Self {
            root_namespace: root_namespace.into(),
            entries: BTreeMap::new(),
            snapshot: Arc::new(Snapshot::new(settings)),
            mesh: MeshConfig::default(),
            mesh_problems: Vec::new(),
        }
    }

    /// Takes all objects as they are now, and the mesh's configuration if a file gives it. Returns
    /// whether the snapshot is another one than before.
    pub fn apply(
        &mut self,
        objects: &BTreeMap<RawKey, Arc<RawObject>>,
        mesh: Option<&MeshText>,
    ) -> bool {
        let gone = self.entries.keys().filter(|key| !objects.contains_key(key));
        let mut differing: BTreeMap<_, _> = gone.map(|key| (key.clone(), None)).collect();
        differing.extend(
            objects
                .iter()
                .map(|(key, raw)| (key.clone(), Some(raw.clone()))),
        );
        self.update(&differing, mesh)
    }

    /// Takes the objects that differ, `None` for those that are gone, and the mesh's configuration if
    /// a file gives it. Returns whether the snapshot is another one than before.
    pub fn update(
        &mut self,
        objects: &BTreeMap<RawKey, Option<Arc<RawObject>>>,
        mesh: Option<&MeshText>,
    ) -> bool {
        let before = self.snapshot.clone();
        let mut changes = Vec::new();
        for (key, raw) in objects {
            if changes.len() >= AT_ONCE {
                self.take_in(&mut changes);
            }
            let Some(raw) = raw else {
                let gone = self.entries.remove(key).and_then(|entry| entry.in_use);
                changes.extend(gone.map(Change::Remove));
                continue;
            };
            let known = self.entries.get(key);
            if known.is_some_and(|entry| Arc::ptr_eq(&entry.raw, raw) || entry.raw == *raw) {
                continue;
            }
            let before = known.and_then(|entry| entry.in_use.clone());
            let entry = typed(raw, before, &mut changes);
            self.entries.insert(key.clone(), entry);
        }
        self.read_mesh(mesh, &mut changes);
        self.take_in(&mut changes);
        !Arc::ptr_eq(&before, &self.snapshot)
    }

    fn take_in(&mut self, changes: &mut Vec<Change>) {
        if !changes.is_empty() {
            self.snapshot = Arc::new(self.snapshot.with(changes));
            changes.clear();
        }
    }

    /// The snapshot as it is now.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// All objects as they were given last, good or not.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<RawObject>> {
        self.entries.values().map(|entry| &entry.raw)
    }

    /// What is wrong with single objects and with the mesh's configuration.
    pub fn problems(&self) -> Vec<Problem> {
        let of_objects = self.entries.values().flat_map(|entry| &entry.problems);
        of_objects.chain(&self.mesh_problems).cloned().collect()
    }

    fn read_mesh(&mut self, file: Option<&MeshText>, changes: &mut Vec<Change>) {
        let text = file.cloned().or_else(|| self.mesh_of_config_map());
        let read = match &text {
            None => Ok((MeshConfig::default(), Vec::new())),
            Some(mesh) => MeshConfig::from_yaml(&mesh.text, &mesh.source),
        };
        match read {
            Ok((mesh, problems)) => {
                self.mesh_problems = problems;
                if mesh != self.mesh {
                    self.mesh = mesh.clone();
                    changes.push(Change::Mesh(Box::new(mesh)));
                }
            }
            Err(problem) => self.mesh_problems = vec![problem],
        }
    }

    fn mesh_of_config_map(&self) -> Option<MeshText> {
        let key = RawKey {
            group: String::new(),
            kind: "ConfigMap".to_owned(),
            namespace: Some(self.root_namespace.clone()),
            name: MESH_CONFIG_MAP.to_owned(),
        };
        let raw = &self.entries.get(&key)?.raw;
        let text = raw.value.get("data")?.get("mesh")?.as_str()?.to_owned();
        let source = format!("{} ({}, data.mesh)", raw.source, raw.describe());
        Some(MeshText { text, source })
    }
}

fn typed(raw: &Arc<RawObject>, before: Option<ObjectKey>, changes: &mut Vec<Change>) -> Entry {
    let raw = raw.clone();
    match Object::parse(&raw) {
        Ok((Object::Unsupported(_), problems)) => Entry {
            raw,
            in_use: None,
            problems,
        },
        Ok((object, problems)) => {
            let in_use = Some(object.key());
            changes.push(Change::Upsert(Box::new(object)));
            Entry {
                raw,
                in_use,
                problems,
            }
        }
        Err(problem) => {
            let mut problems = vec![problem];
            if before.is_some() {
                let kept = Problem::warning(&raw.source, "its last good form stays in use");
                problems.push(kept.about(raw.describe()));
            }
            Entry {
                raw,
                in_use: before,
                problems,
            }
        }
    }
}

#[cfg(test)]
mod tests;
