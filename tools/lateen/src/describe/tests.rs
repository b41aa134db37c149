#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use serde_json::{Value, json};

use super::Asked;
use crate::cluster::fake::FakeCluster;

const OBJECTS: &str = r#"
apiVersion: v1
kind: Pod
metadata:
  name: istiod-1
  namespace: istio-system
  labels: {app: istiod}
status:
  phase: Running
  conditions: [{type: Ready, status: "True"}]
---
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: shop}
spec:
  selector: {app: reviews}
  ports:
    - {name: http, port: 80, targetPort: web}
    - {port: 9000}
---
apiVersion: v1
kind: Service
metadata: {name: other, namespace: shop}
spec:
  selector: {app: other}
  ports: [{port: 80}]
---
apiVersion: v1
kind: Pod
metadata:
  name: reviews-v1
  namespace: shop
  labels: {app: reviews, version: v1}
  annotations: {sidecar.istio.io/status: '{"revision":"default"}'}
spec:
  containers:
    - name: app
      ports: [{name: web, containerPort: 8080}, {containerPort: 53, protocol: UDP}]
    - name: istio-proxy
status:
  phase: Running
  containerStatuses: [{name: app, ready: false}, {name: istio-proxy, ready: true}]
---
apiVersion: v1
kind: Pod
metadata: {name: bare, namespace: shop}
spec:
  containers: [{name: app}]
status: {phase: Running}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: shop}
spec:
  host: reviews
  subsets:
    - {name: v1, labels: {version: v1}}
    - {name: v2, labels: {version: v2}}
  trafficPolicy:
    tls: {mode: ISTIO_MUTUAL}
    loadBalancer: {simple: RANDOM}
    portLevelSettings:
      - {port: {number: 9000}, tls: {mode: DISABLE}, outlierDetection: {}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http:
    - match: [{uri: {prefix: /new}, headers: {end-user: {exact: jason}}}]
      route: [{destination: {host: reviews, subset: v2}}]
    - fault: {delay: {fixedDelay: 7s}}
      route:
        - {destination: {host: reviews, subset: v1}, weight: 90}
        - {destination: {host: reviews.shop.svc.cluster.local, subset: v2}, weight: 10}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: mesh, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: reviews, namespace: shop}
spec:
  selector: {matchLabels: {app: reviews}}
  portLevelMtls: {8080: {mode: DISABLE}, 9000: {mode: UNSET}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: others, namespace: shop}
spec:
  selector: {matchLabels: {app: other}}
  mtls: {mode: DISABLE}
"#;

/// What the proxy of a pod of reviews has.
fn dump() -> Value {
    let kind = |name: &str| format!("type.googleapis.com/envoy.admin.v3.{name}ConfigDump");
    let of = |kind: &str| {
        let path = format!("/apis/networking.istio.io/v1/namespaces/shop/{kind}/reviews");
        json!({"filter_metadata": {"istio": {"config": path}}})
    };
    let host = "reviews.shop.svc.cluster.local";
    let cluster = |port: u16| json!({"cluster": {"name": format!("outbound|{port}||{host}"), "metadata": of("destination-rule")}});
    let route = json!({"metadata": of("virtual-service"), "route": {"cluster": "x"}});
    json!({"configs": [
        {"@type": kind("Clusters"), "dynamic_active_clusters": [cluster(80), cluster(9000)]},
        {"@type": kind("Listeners"), "dynamic_listeners": [{"active_state": {"listener": {
            "name": "virtualInbound", "filter_chains": [{"filter_chain_match": {"destination_port": 8080}, "filters": [
                {"typed_config": {"http_filters": [{"name": "envoy.filters.http.rbac",
                    "typed_config": {"rules": {"policies": {"ns[shop]-policy[viewer]-rule[0]": {}}}}}]}}]}]}}}]},
        {"@type": kind("Routes"), "dynamic_route_configs": [{"route_config": {"name": "80", "virtual_hosts": [
            {"domains": [host, "reviews"], "routes": [route]}]}}]}]})
}

fn mesh() -> FakeCluster {
    let mut mesh = FakeCluster::of(OBJECTS);
    mesh.says("reviews-v1.shop", "config_dump", dump());
    let registry = json!([{"hostname": "reviews.shop.svc.cluster.local", "ports": [
        {"name": "http", "port": 80, "protocol": "HTTP"}]}]);
    mesh.says("istiod-1.istio-system", "/debug/registryz", registry);
    mesh
}

fn asked(mesh: &FakeCluster) -> Asked<'_> {
    Asked {
        cluster: mesh,
        istio_namespace: "istio-system",
        ignore_unmeshed: false,
    }
}

const SERVICE: &str = r#"Service: reviews
   Port: http 80/HTTP targets pod port 8080
   Port:  9000/auto-detect targets pod port 9000
80:
   DestinationRule: reviews for "reviews"
      Matching subsets: v1
         (Non-matching subsets v2)
      Traffic Policy TLS Mode: ISTIO_MUTUAL
      Policies: load balancer
      Port Level Settings:
    9000:
         TLS Mode: DISABLE
         Policies: outlier detection
   VirtualService: reviews
      Route to host "reviews" subset "v1" with weight 90%
      Fault injection {"delay":{"fixedDelay":"7s"}}
      1 additional destination(s) that will not reach this pod
80 RBAC policies: ns[shop]-policy[viewer]-rule[0]
9000:
   DestinationRule: reviews for "reviews"
      Matching subsets: v1
         (Non-matching subsets v2)
      Traffic Policy TLS Mode: ISTIO_MUTUAL
      Policies: load balancer
      Port Level Settings:
    9000:
         TLS Mode: DISABLE
         Policies: outlier detection
"#;

#[tokio::test]
async fn a_pod_is_described_with_all_that_is_about_it() {
    let mesh = mesh();
    let expected = format!(
        r#"Pod: reviews-v1
   Pod Revision: default
   Pod Ports: 8080 (app), 53/UDP (app)
WARNING: Pod reviews-v1 Container app NOT READY
--------------------
{SERVICE}--------------------
Effective PeerAuthentication:
   Workload mTLS mode: STRICT
   Port Level mTLS mode:
      8080: DISABLE
      9000: STRICT
Applied PeerAuthentication:
   mesh.istio-system, reviews.shop
Skipping Gateway information (no ingress gateway pods)
"#
    );
    assert_eq!(
        asked(&mesh).pod("reviews-v1", "shop").await.unwrap(),
        expected
    );
    // From elsewhere, objects are named with their namespace.
    let from_elsewhere = asked(&mesh)
        .pod("reviews-v1.shop", "default")
        .await
        .unwrap();
    assert!(from_elsewhere.starts_with("Pod: reviews-v1.shop\n"));
    assert!(from_elsewhere.contains("VirtualService: reviews.shop\n"));
}

#[tokio::test]
async fn a_service_is_described_as_its_first_pod_sees_it() {
    let mesh = mesh();
    let expected = format!("{SERVICE}Skipping Gateway information (no ingress gateway pods)\n");
    assert_eq!(
        asked(&mesh).service("reviews.shop", "shop").await.unwrap(),
        expected
    );
    let empty = asked(&mesh).service("other", "shop").await.unwrap();
    assert_eq!(empty, "Service \"other\" has no pods.\n");
}

#[tokio::test]
async fn a_pod_outside_of_the_mesh_is_warned_of() {
    let mesh = mesh();
    let expected = "\
Pod: bare
   Pod Revision: 
   Pod does not expose ports
WARNING: bare is not part of mesh; no Istio sidecar
Warning: No Kubernetes Services select pod bare (see https://istio.io/docs/setup/kubernetes/additional-setup/requirements/ )
--------------------
--------------------
Effective PeerAuthentication:
   Workload mTLS mode: STRICT
Applied PeerAuthentication:
   mesh.istio-system
Skipping Gateway information (no ingress gateway pods)
";
    assert_eq!(asked(&mesh).pod("bare", "shop").await.unwrap(), expected);
}

#[tokio::test]
async fn what_does_not_exist_and_what_the_proxy_alone_still_knows_is_told() {
    let mut mesh = mesh();
    let error = asked(&mesh).pod("nobody", "shop").await.unwrap_err();
    assert!(
        error.message.contains("pods \"nobody\" not found"),
        "{error:?}"
    );
    mesh.objects
        .retain(|object| object["kind"] != "VirtualService");
    let text = asked(&mesh).service("reviews", "shop").await.unwrap();
    let warning =
        "WARNING: Proxy is stale; it references to non-existent virtual service reviews.shop\n";
    assert!(text.contains(warning), "{text}");
}

#[tokio::test]
async fn routes_to_unknown_subsets_are_named() {
    let mut mesh = mesh();
    for object in &mut mesh.objects {
        if object["kind"] == "VirtualService" {
            object["spec"]["http"] = json!([
                {"match": [{"uri": {"exact": "/a"}}], "route": [{"destination": {"host": "reviews", "subset": "v2"}}]},
                {"route": [{"destination": {"host": "reviews", "subset": "v9"}}]}]);
        }
    }
    let text = asked(&mesh).service("reviews", "shop").await.unwrap();
    let expected = "   VirtualService: reviews
      WARNING: No destinations match pod subsets (checked 2 HTTP routes)
         Route to non-matching subset v2 for (Match: /a)
         Warning: Route to UNKNOWN subset v9; check DestinationRule reviews
";
    assert!(text.contains(expected), "{text}");
}

const GATEWAY: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: gateway-1
  namespace: istio-system
  labels: {app: gateway, istio: ingressgateway}
status: {phase: Running, hostIP: 10.1.1.1}
---
apiVersion: v1
kind: Service
metadata: {name: gateway, namespace: istio-system}
spec:
  selector: {app: gateway}
  ports: [{name: http2, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: shop, namespace: shop}
spec:
  selector: {istio: ingressgateway}
";

#[tokio::test]
async fn a_service_behind_a_gateway_is_told_where_it_is_exposed() {
    let mut mesh = mesh();
    mesh.objects.extend(FakeCluster::of(GATEWAY).objects);
    for object in &mut mesh.objects {
        if object["kind"] == "VirtualService" {
            object["spec"]["gateways"] = json!(["shop", "mesh"]);
        }
    }
    let mut routes = dump();
    let routed = &mut routes["configs"][2]["dynamic_route_configs"][0]["route_config"];
    routed["name"] = "http.8080".into();
    routed["virtual_hosts"][0]["domains"] = json!(["*"]);
    routed["virtual_hosts"][0]["routes"][0]["route"]["cluster"] =
        "outbound|80|v1|reviews.shop.svc.cluster.local".into();
    mesh.says("gateway-1.istio-system", "config_dump", routes);
    let text = asked(&mesh).service("reviews", "shop").await.unwrap();
    let expected = "\
--------------------
Exposed on Ingress Gateway http://10.1.1.1
VirtualService: reviews
   Route to host \"reviews\" subset \"v1\" with weight 90%
";
    assert!(text.contains(expected), "{text}");
}
