//! Every object as one YAML file, for the pilot to read: `<namespace>_<kind>_<name>.yaml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::object::Key;
use crate::store::{Store, View};

/// Where on the node the files are.
pub const DIRECTORY: &str = "var/lib/lateen/objects";

/// Kinds that the pilot has no use for, and whose content is nobody's business.
fn is_exported(key: &Key) -> bool {
    !matches!(key.kind.as_str(), "ReplicaSet" | "Secret" | "Job")
}

/// The file of an object. Group and kind are both there, since two groups may share a kind.
pub fn file_name(key: &Key) -> String {
    let kind = if key.group.is_empty() {
        key.kind.to_ascii_lowercase()
    } else {
        format!("{}.{}", key.kind.to_ascii_lowercase(), key.group)
    };
    let namespace = match key.namespace.as_str() {
        "" => "-",
        namespace => namespace,
    };
    format!("{namespace}_{kind}_{}.yaml", key.name)
}

/// Revision of the object in each file.
type Revisions = BTreeMap<String, String>;

/// What to do to the directory.
struct Changes<'a> {
    written: Vec<(String, &'a Arc<Value>)>,
    gone: Vec<String>,
    now: Revisions,
}

/// What changed from `before` to `view`.
fn changes<'a>(before: &Revisions, view: &'a View) -> Changes<'a> {
    let mut now = Revisions::new();
    let mut written = Vec::new();
    for (key, object) in view.iter().filter(|(key, _)| is_exported(key)) {
        let file = file_name(key);
        let revision = crate::object::text(object, "/metadata/resourceVersion").to_owned();
        if before.get(&file) != Some(&revision) {
            written.push((file.clone(), object));
        }
        now.insert(file, revision);
    }
    let gone = before
        .keys()
        .filter(|file| !now.contains_key(*file))
        .cloned()
        .collect();
    Changes { written, gone, now }
}

/// Keeps the directory in step with the store until `stop`; nothing is written after it has returned. What
/// cannot be written is reported and tried again.
pub async fn run(store: Arc<Store>, directory: PathBuf, stop: CancellationToken) {
    let mut objects = store.subscribe();
    let mut state = BTreeMap::new();
    loop {
        let view = store.view();
        let before = state.clone();
        let target = directory.clone();
        let done = tokio::task::spawn_blocking(move || write(&before, &view, &target)).await;
        let complete = match done {
            Ok((now, complete)) => {
                state = now;
                complete
            }
            Err(_) => false,
        };
        let retry = Duration::from_secs(1);
        tokio::select! {
            changed = objects.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(retry), if !complete => {}
            () = stop.cancelled() => return,
        }
    }
}

fn write(before: &Revisions, view: &View, directory: &Path) -> (Revisions, bool) {
    let Changes {
        written,
        gone,
        mut now,
    } = changes(before, view);
    let mut complete = true;
    for (file, object) in written {
        if let Err(error) = write_one(&directory.join(&file), object) {
            tracing::error!(file, %error, "cannot export an object to the pilot");
            now.remove(&file);
            complete = false;
        }
    }
    for file in gone {
        if let Err(error) = std::fs::remove_file(directory.join(&file))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::error!(file, %error, "cannot remove an object's file");
        }
    }
    (now, complete)
}

fn write_one(path: &Path, object: &Value) -> Result<(), String> {
    // JSON is YAML; one object a line would do, but people read these files.
    let text = serde_saphyr::to_string(object).map_err(|error| error.to_string())?;
    process::fs::write_atomic(path, text.as_bytes()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use serde_json::json;

    #[test]
    fn the_directory_follows_the_store_and_secrets_stay_out() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::default();
        let service = |port: u16| {
            json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "web", "namespace": "default"}, "spec": {"ports": [{"port": port}], "x": "yes", "n": "1.0"}})
        };
        store.put(service(80)).unwrap();
        store
            .put(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"}}))
            .unwrap();
        let (state, complete) = write(&BTreeMap::new(), &store.view(), directory.path());
        assert!(complete);
        let files: Vec<String> = std::fs::read_dir(directory.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(files, ["default_service_web.yaml"]);
        let text = std::fs::read_to_string(directory.path().join(&files[0])).unwrap();
        let read = resources::yaml::load(&text, "test");
        assert_eq!(
            read.objects[0].value["spec"],
            json!({"ports": [{"port": 80}], "x": "yes", "n": "1.0"})
        );

        store
            .delete(&Key::core("Service", "default", "web"), None)
            .unwrap();
        write(&state, &store.view(), directory.path());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
