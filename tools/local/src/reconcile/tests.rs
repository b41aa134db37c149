#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
use serde_json::{Value, json};

use super::*;
use crate::controller::endpoints::SERVICE_LABEL;
use crate::object::{is_terminating, labels, name, text};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// Nothing is there to be called.
fn no_webhooks() -> Admission {
    let refuse = |_| -> futures::future::BoxFuture<'static, _> {
        Box::pin(async { Err(std::io::ErrorKind::ConnectionRefused.into()) })
    };
    Admission {
        caller: Arc::new(crate::admission::Caller::new(Arc::new(refuse))),
    }
}

/// A store with its controllers, and a kubelet that does what the test says.
struct Cluster {
    store: Store,
    admission: Admission,
}

impl Cluster {
    fn new() -> Self {
        let cluster = Self {
            store: Store::default(),
            admission: no_webhooks(),
        };
        cluster.apply(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}),
        );
        cluster.settle();
        cluster
    }

    fn refused(&self, object: Value) -> String {
        self.applied(object).error.unwrap()
    }

    fn apply(&self, object: Value) {
        assert_eq!(self.applied(object).error, None);
    }

    fn applied(&self, object: Value) -> crate::mesh::Applied {
        let applied = crate::apply::one(&self.store, object, "default", "n", &self.admission);
        block_on(applied)
    }

    fn pass(&self) -> bool {
        block_on(once(&self.store, "n", &self.admission))
    }

    /// Until nothing changes any more; the number of passes is bounded, or controllers disagree.
    fn settle(&self) {
        for _ in 0..30 {
            let before = *self.store.subscribe().borrow();
            self.pass();
            if *self.store.subscribe().borrow() == before {
                return;
            }
        }
        panic!("the controllers do not come to rest");
    }

    fn of(&self, kind: &str) -> Vec<std::sync::Arc<Value>> {
        let view = self.store.view();
        let found = view.iter().filter(|(key, _)| key.kind == kind);
        found
            .map(|(_, object)| std::sync::Arc::clone(object))
            .collect()
    }

    fn pods(&self) -> Vec<std::sync::Arc<Value>> {
        self.of("Pod")
    }

    fn make_ready(&self, pod: &Value, ip: &str) {
        let status = json!({"phase": "Running", "podIP": ip, "conditions": [{"type": "Ready", "status": "True"}]});
        self.store
            .set_status(&Key::of(pod).unwrap(), uid(pod), status);
    }

    fn all_ready(&self) {
        for (index, pod) in self.pods().iter().enumerate() {
            if text(pod, "/status/podIP").is_empty() {
                self.make_ready(pod, &format!("10.244.0.{}", index + 10));
            }
        }
    }

    /// What the kubelet does with pods that are to end.
    fn reap(&self) {
        for pod in self.pods().iter().filter(|pod| is_terminating(pod)) {
            self.store.remove(&Key::of(pod).unwrap(), uid(pod));
        }
    }

    fn deployment(&self) -> std::sync::Arc<Value> {
        self.store
            .get(&Key::of_group("apps", "Deployment", "default", "web"))
            .unwrap()
    }
}

fn web(replicas: u8) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "app", "image": "x", "ports": [{"name": "http", "containerPort": 8081}]}]}}}})
}

#[test]
fn a_deployment_makes_pods_named_as_kubernetes_names_them() {
    let cluster = Cluster::new();
    cluster.apply(web(3));
    cluster.settle();
    let pods = cluster.pods();
    assert_eq!(pods.len(), 3);
    let set = &cluster.of("ReplicaSet")[0];
    let hash = labels(set)["pod-template-hash"].clone();
    for pod in &pods {
        let parts: Vec<&str> = name(pod).split('-').collect();
        assert_eq!(parts[..2], ["web", hash.as_str()]);
        assert_eq!(parts[2].len(), 5, "{}", name(pod));
        assert_eq!(labels(pod)["pod-template-hash"], hash);
        assert_eq!(text(pod, "/spec/serviceAccountName"), "default");
    }
}

#[test]
fn a_restart_replaces_every_pod_without_ever_having_too_few() {
    let cluster = Cluster::new();
    cluster.apply(web(3));
    cluster.settle();
    cluster.all_ready();
    cluster.settle();
    assert_eq!(cluster.deployment()["status"]["availableReplicas"], 3);
    let old: Vec<String> = cluster.pods().iter().map(|p| name(p).to_owned()).collect();

    let restart = json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "t"}}}}});
    let key = Key::of(&cluster.deployment()).unwrap();
    cluster.store.patch(&key, &restart).unwrap();
    for _ in 0..12 {
        cluster.settle();
        let serving = cluster
            .pods()
            .iter()
            .filter(|pod| !is_terminating(pod) && crate::controller::replicaset::is_ready(pod))
            .count();
        assert!(serving >= 3, "{serving} pods serve");
        cluster.reap();
        cluster.all_ready();
    }
    let pods = cluster.pods();
    assert_eq!(pods.len(), 3);
    assert!(pods.iter().all(|pod| !old.contains(&name(pod).to_owned())));
    assert_eq!(cluster.deployment()["status"]["updatedReplicas"], 3);
    let revision = "deployment.kubernetes.io/revision";
    assert_eq!(
        cluster.deployment()["metadata"]["annotations"][revision],
        "2"
    );
}

#[test]
fn scaling_down_ends_pods_that_are_not_ready_first() {
    let cluster = Cluster::new();
    cluster.apply(web(3));
    cluster.settle();
    let pods = cluster.pods();
    cluster.make_ready(&pods[0], "10.244.0.10");
    cluster.make_ready(&pods[2], "10.244.0.12");
    let key = Key::of(&cluster.deployment()).unwrap();
    cluster
        .store
        .patch(&key, &json!({"spec": {"replicas": 2}}))
        .unwrap();
    cluster.settle();
    let ending: Vec<String> = cluster
        .pods()
        .iter()
        .filter(|pod| is_terminating(pod))
        .map(|pod| name(pod).to_owned())
        .collect();
    assert_eq!(ending, [name(&pods[1])]);
}

#[test]
fn a_service_gets_an_address_and_its_ready_pods_by_named_port() {
    let cluster = Cluster::new();
    cluster.apply(web(2));
    cluster.apply(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "app", "port": 80, "targetPort": "http", "appProtocol": "grpc"}]}}));
    cluster.settle();
    let pods = cluster.pods();
    cluster.make_ready(&pods[0], "10.244.0.10");
    let waiting = json!({"phase": "Running", "podIP": "10.244.0.11", "conditions": []});
    cluster
        .store
        .set_status(&Key::of(&pods[1]).unwrap(), uid(&pods[1]), waiting);
    cluster.settle();
    let service = &cluster.of("Service")[0];
    assert!(text(service, "/spec/clusterIP").starts_with("10.96."));
    let slices = cluster.of("EndpointSlice");
    assert_eq!(slices.len(), 1);
    assert_eq!(labels(&slices[0])[SERVICE_LABEL], "web");
    assert_eq!(
        slices[0]["ports"],
        json!([{"name": "app", "port": 8081, "protocol": "TCP", "appProtocol": "grpc"}])
    );
    let ready: Vec<(&str, bool)> = list(&slices[0], "/endpoints")
        .iter()
        .map(|e| {
            (
                text(e, "/addresses/0"),
                e["conditions"]["ready"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(ready.len(), 2);
    assert!(ready.contains(&("10.244.0.10", true)) && ready.contains(&("10.244.0.11", false)));

    // A pod that ends serves on and takes no new connections.
    cluster
        .store
        .delete(&Key::of(&pods[0]).unwrap(), None)
        .unwrap();
    cluster.settle();
    let slice = cluster.of("EndpointSlice").remove(0);
    let ending = list(&slice, "/endpoints")
        .iter()
        .find(|e| text(e, "/addresses/0") == "10.244.0.10")
        .unwrap()["conditions"]
        .clone();
    assert_eq!(
        ending,
        json!({"ready": false, "serving": true, "terminating": true})
    );
}

#[test]
fn an_address_that_a_service_cannot_have_is_refused_and_the_others_stay() {
    let cluster = Cluster::new();
    let service = |name: &str, address: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"clusterIP": address, "ports": [{"port": 80}]}})
    };
    let refused = |object: Value| {
        let applied = cluster.applied(object);
        applied.error.unwrap()
    };
    cluster.apply(service("web", "10.96.1.2"));
    // Applying it again is no conflict with itself.
    cluster.apply(service("web", "10.96.1.2"));
    for address in ["10.101.204.13", "fd00::1", "nonsense"] {
        let error = refused(service("other", address));
        assert!(
            error.contains("spec.clusterIPs")
                && error.contains(address)
                && error.contains("10.96.0.0/16"),
            "{error}"
        );
    }
    let error = refused(service("other", "10.96.1.2"));
    assert!(error.ends_with("already allocated"), "{error}");
    assert_eq!(cluster.of("Service").len(), 1);
}

#[test]
fn a_pods_name_is_checked_as_that_of_any_object() {
    let cluster = Cluster::new();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "../up"},
        "spec": {"containers": [{"name": "c", "image": "x"}]}});
    let applied = cluster.applied(pod);
    assert!(applied.error.unwrap().contains("metadata.name"));
}

#[test]
fn a_headless_service_keeps_no_address() {
    let cluster = Cluster::new();
    cluster.apply(
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"},
        "spec": {"clusterIP": "None", "selector": {"app": "db"}}}),
    );
    cluster.settle();
    assert_eq!(text(&cluster.of("Service")[0], "/spec/clusterIP"), "None");
}

#[test]
fn a_pod_that_is_refused_is_explained_on_its_replica_set_and_made_once_it_can_be() {
    let cluster = Cluster::new();
    let mut deployment = web(1);
    deployment["spec"]["template"]["spec"]["serviceAccountName"] = json!("robot");
    cluster.apply(deployment);
    cluster.settle();
    assert!(cluster.pods().is_empty());
    let condition = cluster.of("ReplicaSet")[0]["status"]["conditions"][0].clone();
    assert!(text(&condition, "/message").contains("serviceaccount \"robot\" not found"));
    cluster.apply(
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}),
    );
    cluster.settle();
    assert_eq!(cluster.pods().len(), 1);
    assert!(
        cluster.of("ReplicaSet")[0]["status"]
            .get("conditions")
            .is_none()
    );
}

#[test]
fn the_root_certificate_reaches_every_namespace() {
    let cluster = Cluster::new();
    for name in ["istio-system", "probe"] {
        cluster.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    }
    cluster.settle();
    let root = |pem: &str| {
        crate::controller::namespace::root_config_map("istio-system", json!({"root-cert.pem": pem}))
    };
    for pem in ["first", "second"] {
        cluster.store.put(root(pem)).unwrap();
        cluster.settle();
        for namespace in ["default", "probe"] {
            let copy = cluster
                .store
                .get(&Key::core("ConfigMap", namespace, "istio-ca-root-cert"))
                .unwrap();
            assert_eq!(copy["data"]["root-cert.pem"], pem);
        }
    }
}

#[test]
fn deleting_a_namespace_deletes_what_is_in_it() {
    let cluster = Cluster::new();
    cluster.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "probe"}}));
    cluster.settle();
    let mut deployment = web(2);
    deployment["metadata"]["namespace"] = json!("probe");
    cluster.apply(deployment);
    cluster.settle();
    assert_eq!(cluster.pods().len(), 2);
    cluster
        .store
        .delete(&Key::core("Namespace", "", "probe"), None)
        .unwrap();
    cluster.settle();
    // Pods end in their own time; until then the namespace is there.
    assert_eq!(cluster.of("Namespace").len(), 2);
    cluster.reap();
    cluster.settle();
    let left: Vec<String> = cluster
        .store
        .view()
        .iter()
        .map(|(key, _)| key.to_string())
        .collect();
    assert!(left.iter().all(|key| !key.contains("probe")), "{left:?}");
}

#[test]
fn deleting_a_deployment_takes_its_pods_along() {
    let cluster = Cluster::new();
    cluster.apply(web(2));
    cluster.settle();
    cluster
        .store
        .delete(&Key::of(&cluster.deployment()).unwrap(), None)
        .unwrap();
    cluster.settle();
    cluster.reap();
    cluster.settle();
    assert!(cluster.pods().is_empty() && cluster.of("ReplicaSet").is_empty());
}

fn said(cluster: &Cluster, kind: &str) -> Vec<String> {
    let events = cluster.store.events().list();
    let mut said: Vec<String> = events
        .iter()
        .filter(|event| text(event, "/involvedObject/kind") == kind)
        .map(|event| format!("{}: {}", text(event, "/reason"), text(event, "/message")))
        .collect();
    said.sort();
    said
}

#[test]
fn controllers_tell_what_they_do_in_kubernetes_words() {
    let cluster = Cluster::new();
    cluster.apply(web(1));
    cluster.settle();
    let set = name(&cluster.of("ReplicaSet")[0]).to_owned();
    let pod = name(&cluster.pods()[0]).to_owned();
    let key = Key::of(&cluster.deployment()).unwrap();
    let none = json!({"spec": {"replicas": 0}});
    cluster.store.patch(&key, &none).unwrap();
    cluster.settle();
    assert_eq!(
        said(&cluster, "Deployment"),
        [
            format!("ScalingReplicaSet: Scaled down replica set {set} from 1 to 0"),
            format!("ScalingReplicaSet: Scaled up replica set {set} from 0 to 1"),
        ]
    );
    assert_eq!(
        said(&cluster, "ReplicaSet"),
        [
            format!("SuccessfulCreate: Created pod: {pod}"),
            format!("SuccessfulDelete: Deleted pod: {pod}"),
        ]
    );
}

#[test]
fn a_pod_that_cannot_be_made_is_one_event_however_often_it_is_tried() {
    let cluster = Cluster::new();
    let mut deployment = web(1);
    deployment["spec"]["template"]["spec"]["serviceAccountName"] = json!("robot");
    cluster.apply(deployment);
    for _ in 0..3 {
        cluster.settle();
        cluster.pass();
    }
    let said = said(&cluster, "ReplicaSet");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("FailedCreate: Error creating: pods \"web-"),
        "{said:?}"
    );
}

#[test]
fn a_job_tells_of_its_pods_and_its_end() {
    let cluster = Cluster::new();
    cluster.apply(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "sums"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}}));
    cluster.settle();
    let pod = cluster.pods()[0].clone();
    let status = json!({"phase": "Succeeded"});
    cluster
        .store
        .set_status(&Key::of(&pod).unwrap(), uid(&pod), status);
    cluster.settle();
    assert_eq!(
        said(&cluster, "Job"),
        [
            "Completed: Job completed".to_owned(),
            format!("SuccessfulCreate: Created pod: {}", name(&pod)),
        ]
    );
}

#[test]
fn a_node_port_out_of_range_or_of_another_service_is_refused_and_one_in_use_is_not_given_out() {
    let cluster = Cluster::new();
    let service = |name: &str, port: u32| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80, "nodePort": port}]}})
    };
    assert_eq!(
        cluster.refused(service("a", 80)),
        "Service \"a\" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767"
    );
    cluster.apply(service("a", 30999));
    cluster.apply(service("a", 30999));
    assert!(
        cluster
            .refused(service("b", 30999))
            .ends_with("provided port is already allocated")
    );

    let given = |taken: Option<u16>| {
        let view = crate::store::View::from_iter([json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "c", "namespace": "default"},
            "spec": {"type": "NodePort", "ports": [{"port": 80}]}})]);
        let context = Context {
            now: OffsetDateTime::now_utc(),
            suffix: &random::suffix,
            node: "n",
            is_free: &|port| Some(port) != taken,
        };
        let [Action::Put(complete)] = &crate::controller::service::reconcile(&view, context)[..]
        else {
            panic!("one Service is completed");
        };
        u16::try_from(complete["spec"]["ports"][0]["nodePort"].as_u64().unwrap()).unwrap()
    };
    let first = given(None);
    assert!((30_000..32_768).contains(&first));
    assert_eq!(given(None), first, "the same after every start");
    assert_ne!(given(Some(first)), first);
}

#[test]
fn a_job_that_could_never_end_or_changes_its_pods_is_refused() {
    let cluster = Cluster::new();
    let job = |policy: Option<&str>, image: &str| {
        let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "sums"},
            "spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}});
        if let Some(policy) = policy {
            job["spec"]["template"]["spec"]["restartPolicy"] = json!(policy);
        }
        job
    };
    assert_eq!(
        cluster.refused(job(None, "i")),
        "Job.batch \"sums\" is invalid: spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""
    );
    assert!(
        cluster
            .refused(job(Some("Always"), "i"))
            .contains("Unsupported value: \"Always\"")
    );
    cluster.apply(job(Some("Never"), "i"));
    cluster.settle();
    cluster.apply(job(Some("Never"), "i"));
    assert!(
        cluster
            .refused(job(Some("Never"), "j"))
            .contains("field is immutable")
    );
}

#[test]
fn a_secrets_plain_text_is_stored_encoded() {
    let cluster = Cluster::new();
    cluster.apply(
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "stringData": {"pw": "hunter"}, "data": {"a": "Yg=="}}),
    );
    let secret = &cluster.of("Secret")[0];
    assert_eq!(secret["data"], json!({"a": "Yg==", "pw": "aHVudGVy"}));
    assert_eq!(secret["type"], "Opaque");
    assert!(secret.get("stringData").is_none());
}
