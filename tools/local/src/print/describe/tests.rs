#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
use super::*;
use crate::controller::endpoints::SERVICE_LABEL;
use serde_json::json;

fn now() -> OffsetDateTime {
    age::parse("2023-11-14T22:13:20Z").unwrap()
}

fn event(kind: &str, reason: &str, message: &str, count: u8) -> Value {
    json!({"type": kind, "reason": reason, "message": message, "count": count,
        "source": {"component": "kubelet"},
        "firstTimestamp": "2023-11-14T22:12:20Z", "lastTimestamp": "2023-11-14T22:13:15Z"})
}

#[test]
fn a_namespace_is_described_as_in_the_article() {
    let object = json!({"metadata": {"name": "default", "labels": {
        "istio-injection": "enabled", "kubernetes.io/metadata.name": "default"}},
        "status": {"phase": "Active"}});
    assert_eq!(
        describe_namespace(&object),
        "Name:         default\n\
         Labels:       istio-injection=enabled\n\
         \x20             kubernetes.io/metadata.name=default\n\
         Annotations:  <none>\n\
         Status:       Active\n\
         \n\
         No resource quota.\n\
         \n\
         No LimitRange resource.\n"
    );
}

#[test]
fn a_service_shows_its_node_port_and_its_ready_endpoints() {
    let service = json!({"metadata": {"name": "web", "namespace": "default"},
        "spec": {"type": "NodePort", "clusterIP": "10.96.0.20", "clusterIPs": ["10.96.0.20"],
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "selector": {"app": "web"},
            "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
            "ports": [{"name": "app", "port": 80, "targetPort": 8081, "protocol": "TCP", "nodePort": 30080}]}});
    let slice = json!({"metadata": {"labels": {SERVICE_LABEL: "web"}}, "ports": [{"name": "app", "port": 8081}],
        "endpoints": [{"addresses": ["10.244.0.5"], "conditions": {"ready": true}},
                      {"addresses": ["10.244.0.6"], "conditions": {"ready": false}}]});
    assert_eq!(
        describe_service(&service, &[slice], &[], now()),
        "Name:                     web\n\
         Namespace:                default\n\
         Labels:                   <none>\n\
         Annotations:              <none>\n\
         Selector:                 app=web\n\
         Type:                     NodePort\n\
         IP Family Policy:         SingleStack\n\
         IP Families:              IPv4\n\
         IP:                       10.96.0.20\n\
         IPs:                      10.96.0.20\n\
         Port:                     app  80/TCP\n\
         TargetPort:               8081/TCP\n\
         NodePort:                 app  30080/TCP\n\
         Endpoints:                10.244.0.5:8081\n\
         Session Affinity:         None\n\
         Internal Traffic Policy:  Cluster\n\
         Events:                   <none>\n"
    );
}

#[test]
fn a_pod_is_described_with_its_containers_volumes_and_events() {
    let pod = json!({"metadata": {"name": "p", "namespace": "default", "labels": {"app": "web"}},
        "spec": {"serviceAccountName": "default", "nodeName": "n",
            "containers": [{"name": "app", "image": "x:1", "command": ["sh", "-c"], "args": ["one\ntwo"],
                "ports": [{"containerPort": 80, "protocol": "TCP", "name": "http"}],
                "resources": {"limits": {"memory": "64Mi", "cpu": 1}},
                "livenessProbe": {"httpGet": {"path": "/x", "port": "http"}},
                "env": [{"name": "A", "value": "1"},
                    {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                    {"name": "PW", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
                "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": true, "subPath": "a"}]}],
            "volumes": [{"name": "v", "configMap": {"name": "cm"}}]},
        "status": {"phase": "Running", "podIP": "10.244.0.5", "hostIP": "10.244.0.1", "qosClass": "Burstable",
            "startTime": "2023-11-14T22:13:20Z",
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "ContainersReady", "status": "True"}],
            "containerStatuses": [{"name": "app", "containerID": "lateen://i", "imageID": "sha256:1", "ready": true,
                "restartCount": 2, "state": {"running": {"startedAt": "2023-11-14T22:13:20Z"}},
                "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137,
                    "startedAt": "2023-11-14T22:13:00Z", "finishedAt": "2023-11-14T22:13:10Z"}}}]}});
    let events = [
        event("Normal", "Started", "Started container app", 1),
        event("Warning", "BackOff", "Back-off", 3),
    ];
    assert_eq!(
        describe_pod(&pod, &events, now()),
        r#"Name:             p
Namespace:        default
Priority:         0
Service Account:  default
Node:             n/10.244.0.1
Start Time:       Tue, 14 Nov 2023 22:13:20 +0000
Labels:           app=web
Annotations:      <none>
Status:           Running
IP:               10.244.0.5
IPs:
  IP:  10.244.0.5
Containers:
  app:
    Container ID:  lateen://i
    Image:         x:1
    Image ID:      sha256:1
    Port:          80/TCP (http)
    Host Port:     0/TCP (http)
    Command:
      sh
      -c
    Args:
      one
      two
    State:          Running
      Started:      Tue, 14 Nov 2023 22:13:20 +0000
    Last State:     Terminated
      Reason:       OOMKilled
      Exit Code:    137
      Started:      Tue, 14 Nov 2023 22:13:00 +0000
      Finished:     Tue, 14 Nov 2023 22:13:10 +0000
    Ready:          True
    Restart Count:  2
    Limits:
      cpu:     1
      memory:  64Mi
    Liveness:  http-get http://:http/x delay=0s timeout=1s period=10s #success=1 #failure=3
    Environment:
      A:   1
      IP:  10.244.0.5 (v1:status.podIP)
      PW:  <set to the key 'k' in secret 's'>  Optional: false
    Mounts:
      /v from v (ro,path="a")
Conditions:
  Type              Status
  Ready             True 
  ContainersReady   True 
Volumes:
  v:
    Type:        ConfigMap (a volume populated by a ConfigMap)
    Name:        cm
    Optional:    false
QoS Class:       Burstable
Node-Selectors:  <none>
Tolerations:     <none>
Events:
  Type     Reason   Age               From     Message
  ----     ------   ----              ----     -------
  Normal   Started  5s                kubelet  Started container app
  Warning  BackOff  5s (x3 over 60s)  kubelet  Back-off
"#
    );
}

#[test]
fn a_waiting_container_says_why() {
    let pod = json!({"metadata": {"name": "p", "namespace": "default"},
        "spec": {"containers": [{"name": "app", "image": "x:1"}]},
        "status": {"phase": "Pending", "containerStatuses": [{"name": "app",
            "state": {"waiting": {"reason": "ErrImagePull", "message": "image \"x:1\" is not on this machine"}}}]}});
    let text = describe_pod(&pod, &[], now());
    assert!(
        text.contains("Reason:") && text.contains("image \"x:1\" is not on this machine"),
        "{text}"
    );
}

#[test]
fn a_deployment_is_described_with_its_replica_sets() {
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "uid": "u",
            "creationTimestamp": "2023-11-14T22:13:20Z", "annotations": {REVISION_FOR_TEST: "2"}},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "x"}]}}},
        "status": {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 2, "unavailableReplicas": 1,
            "conditions": [{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"}]}});
    let set = |name: &str, revision: &str, replicas: u8| {
        json!({"metadata": {"name": name, "annotations": {REVISION_FOR_TEST: revision},
            "ownerReferences": [{"uid": "u", "controller": true}]},
            "spec": {"replicas": replicas}, "status": {"replicas": replicas}})
    };
    let sets = [set("web-a", "1", 0), set("web-b", "2", 3)];
    assert_eq!(
        describe_deployment(&deployment, &sets, &[], now()),
        "Name:                   web\n\
         Namespace:              default\n\
         CreationTimestamp:      Tue, 14 Nov 2023 22:13:20 +0000\n\
         Labels:                 <none>\n\
         Annotations:            deployment.kubernetes.io/revision: 2\n\
         Selector:               app=web\n\
         Replicas:               3 desired | 3 updated | 3 total | 2 available | 1 unavailable\n\
         StrategyType:           RollingUpdate\n\
         MinReadySeconds:        0\n\
         RollingUpdateStrategy:  25% max unavailable, 25% max surge\n\
         Pod Template:\n\
         \x20 Labels:  app=web\n\
         \x20 Containers:\n\
         \x20  app:\n\
         \x20   Image:         x\n\
         \x20   Port:          <none>\n\
         \x20   Host Port:     <none>\n\
         \x20   Environment:   <none>\n\
         \x20   Mounts:        <none>\n\
         \x20 Volumes:         <none>\n\
         \x20 Node-Selectors:  <none>\n\
         \x20 Tolerations:     <none>\n\
         Conditions:\n\
         \x20 Type           Status  Reason\n\
         \x20 ----           ------  ------\n\
         \x20 Available      True    MinimumReplicasAvailable\n\
         OldReplicaSets:  web-a (0/0 replicas created)\n\
         NewReplicaSet:   web-b (3/3 replicas created)\n\
         Events:          <none>\n"
    );
}

const REVISION_FOR_TEST: &str = "deployment.kubernetes.io/revision";
