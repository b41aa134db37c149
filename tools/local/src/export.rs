//! Every object as one YAML file, for the pilot to read: `<namespace>_<kind>_<name>.yaml`. Of Secrets only those that a
//! gateway may show, and for the pilot's group alone.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::object::Key;
use crate::pace;
use crate::store::{Store, View};

/// Where on the node the files are.
pub const DIRECTORY: &str = "var/lib/lateen/objects";

/// The group of the pilot's pod (manifests/local/control-plane.yaml).
pub const PILOT: u32 = 1337;

/// Whether the pilot has any use for an object: other Secrets are nobody's business.
fn is_exported(key: &Key, object: &Value) -> bool {
    match key.kind.as_str() {
        "ReplicaSet" | "Job" => false,
        "Secret" if key.group.is_empty() => is_credential(object),
        _ => true,
    }
}

/// Whether a Secret holds a certificate with its key, or roots, under the names that Istio's gateways read.
fn is_credential(secret: &Value) -> bool {
    let has = |name: &str| secret.pointer(&format!("/data/{name}")).is_some();
    has("tls.crt") && has("tls.key") || has("cert") && has("key") || has("ca.crt") || has("cacert")
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
    for (key, object) in view.iter().filter(|(key, o)| is_exported(key, o)) {
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
/// cannot be written is reported and tried again. Secrets are for `group` to read.
pub async fn run(store: Arc<Store>, directory: PathBuf, group: u32, stop: CancellationToken) {
    let mut objects = store.subscribe();
    let mut state = BTreeMap::new();
    loop {
        let began = Instant::now();
        let view = store.view();
        let before = state.clone();
        let target = directory.clone();
        let done = tokio::task::spawn_blocking(move || write(&before, &view, &target, group)).await;
        let complete = match done {
            Ok((now, complete)) => {
                state = now;
                complete
            }
            Err(_) => false,
        };
        pace::rest(began).await;
        let retry = Duration::from_secs(1);
        tokio::select! {
            changed = objects.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(retry), if !complete => {}
            () = stop.cancelled() => return,
        }
    }
}

fn write(before: &Revisions, view: &View, directory: &Path, group: u32) -> (Revisions, bool) {
    let Changes {
        written,
        gone,
        mut now,
    } = changes(before, view);
    let mut complete = true;
    for (file, object) in written {
        if let Err(error) = write_one(directory, &file, object, group) {
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

fn write_one(directory: &Path, file: &str, object: &Value, group: u32) -> Result<(), String> {
    // JSON is YAML; one object a line would do, but people read these files.
    let text = serde_saphyr::to_string(object).map_err(|error| error.to_string())?;
    let path = directory.join(file);
    if crate::object::text(object, "/kind") != "Secret" {
        return process::fs::write_atomic(&path, text.as_bytes()).map_err(|e| e.to_string());
    }
    // Under another name until it is only for those who may read it.
    let hidden = directory.join(format!(".{file}"));
    process::fs::write_private(&hidden, text.as_bytes()).map_err(|e| e.to_string())?;
    std::os::unix::fs::chown(&hidden, None, Some(group))
        .and_then(|()| std::fs::set_permissions(&hidden, Permissions::from_mode(0o640)))
        .and_then(|()| std::fs::rename(&hidden, &path))
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use serde_json::json;

    /// One that this process may give files to.
    fn group() -> u32 {
        nix::unistd::getegid().as_raw()
    }

    #[test]
    fn a_secret_that_a_gateway_may_show_is_for_the_pilots_group_alone() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::default();
        store
            .put(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "istio-system"},
                "type": "kubernetes.io/tls", "data": {"tls.crt": "YQ==", "tls.key": "Yg=="}}))
            .unwrap();
        let (_, complete) = write(&BTreeMap::new(), &store.view(), directory.path(), group());
        assert!(complete);
        let file = directory.path().join("istio-system_secret_s.yaml");
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_directory_follows_the_store_and_other_peoples_secrets_stay_out() {
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
        let (state, complete) = write(&BTreeMap::new(), &store.view(), directory.path(), group());
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
        write(&state, &store.view(), directory.path(), group());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
