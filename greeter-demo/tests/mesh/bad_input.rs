//! Manifests with mistakes in them: each is named, the rest is applied.

use super::harness::{Mesh, eventually};

const MISTAKES: &str = "
apiVersion: v1
kind: ConfigMap
metadata:
  name: before
---
apiVersion: v1
kind: Service
metadata:
  name: broken
  labels: {app: [
---
apiVersion: v1
kind: Service
metadata:
  name: twice
spec:
  ports:
    - port: 80
---
apiVersion: example.com/v1
kind: Gizmo
metadata:
  name: nobody-knows-me
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: misspelt
spec:
  hosts: [twice]
  htpp: []
  http:
    - route:
        - destination:
            host: twice
---
apiVersion: v1
kind: Service
metadata:
  name: twice
spec:
  ports:
    - port: 81
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: after
";

const NO_IMAGE: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: imageless
  labels:
    app: imageless
spec:
  containers:
    - name: app
      image: example.com/nobody/has-this:v7
";

#[test]
fn each_mistake_in_a_manifest_is_named_and_everything_else_is_applied() {
    let mesh = Mesh::named("mistakes");
    let file = tempfile::Builder::new()
        .suffix(".yaml")
        .tempfile()
        .expect("a file");
    std::fs::write(file.path(), MISTAKES).expect("written");
    let path = file.path().to_string_lossy().into_owned();

    // The mesh comes up all the same; the exit status says that something was wrong.
    let up = mesh.start(&["-f", &path]);
    check(&mesh, &up.stdout, &up.stderr, &path);
    assert_eq!(up.code, Some(1), "{up:?}");
    assert!(up.stdout.contains("is up"), "{up:?}");

    let again = mesh.lateen(&["apply", "-f", &path]);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains(&path), "{again:?}");
    assert!(
        again.stdout.contains("configmap/after unchanged"),
        "{again:?}"
    );

    let missing = mesh.lateen(&["apply", "-f", "/nowhere/at-all.yaml"]);
    assert_eq!(missing.code, Some(1));
    assert!(
        missing.stderr.contains("/nowhere/at-all.yaml"),
        "{missing:?}"
    );
    an_unknown_image_is_named(&mesh);
    a_label_that_was_meant_is_named(&mesh);
}

fn check(mesh: &Mesh, stdout: &str, stderr: &str, path: &str) {
    for created in [
        "configmap/before created",
        "service/twice created",
        "configmap/after created",
    ] {
        assert!(stdout.contains(created), "{created:?} in {stdout}");
    }
    let says = |words: &[&str]| {
        assert!(
            stderr
                .lines()
                .any(|line| words.iter().all(|word| line.contains(word))),
            "a line with {words:?} in {stderr}"
        );
    };
    says(&["error", path, "document 2"]);
    says(&["Warning", "Gizmo"]);
    says(&["Warning", "misspelt", "htpp"]);
    says(&["error", "twice", "document 6", "document 3"]);
    // As the message says, the first one is in use.
    let port =
        mesh.json(&["get", "service", "twice", "-o", "json"])["spec"]["ports"][0]["port"].clone();
    assert_eq!(port, 80);
}

fn an_unknown_image_is_named(mesh: &Mesh) {
    mesh.applied(NO_IMAGE);
    eventually("the pod to say what it lacks", || {
        let table = mesh.ok(&["get", "pods"]);
        if table.contains("ErrImagePull") {
            Ok(())
        } else {
            Err(table)
        }
    });
    let described = mesh.ok(&["describe", "pod", "imageless"]);
    assert!(
        described.contains("ErrImagePull") && described.contains("example.com/nobody/has-this:v7"),
        "{described}"
    );
    assert!(
        described.contains("--image"),
        "it says what to do: {described}"
    );
    mesh.ok(&["delete", "pod", "imageless"]);
}

fn a_label_that_was_meant_is_named(mesh: &Mesh) {
    let ran = mesh.lateen(&["label", "namespace", "default", "istio-injecton=enabled"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("istio-injection"), "{ran:?}");
}
