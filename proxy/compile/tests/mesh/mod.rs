//! The k8s-combat mesh as the pilot translates it, and secrets for its workloads.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use bytes::Bytes;
use compile::{Compiler, Outcome, Update, Upsert};
use envoy_types::pb::envoy::config::core::v3::{DataSource, Node, data_source::Specifier};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, Secret, TlsCertificate, secret::Type,
};
use prost::Message;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use resources::mesh_config::MeshConfig;
use resources::object::Object;
use translate::{Change, Proxy, Settings, Snapshot, Subscription, Translator};
use xds::{Resource, TypeUrl};

pub const HOST: &str = "k8s-combat-service.default.svc.cluster.local";
pub const ROUTED: &str = "k8s-combat-service-istio-mesh.default.svc.cluster.local";
/// Kinds in an order that makes everything wait for something.
pub const BACKWARDS: [TypeUrl; 4] = [
    TypeUrl::Listener,
    TypeUrl::Route,
    TypeUrl::Cluster,
    TypeUrl::Endpoints,
];

const MANIFESTS: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: k8s-combat-service, namespace: default}
spec:
  selector: {app: k8s-combat-service}
  clusterIP: 10.101.204.13
  ports:
  - {port: 8081, targetPort: 8081, name: app}
  - {name: grpc, port: 50051, targetPort: 50051, appProtocol: grpc}
---
apiVersion: v1
kind: Service
metadata: {name: k8s-combat-service-istio-mesh, namespace: default}
spec:
  selector: {appId: "12345"}
  clusterIP: 10.101.204.14
  ports:
  - {port: 8081, targetPort: 8081, name: app}
  - {name: grpc, port: 50051, targetPort: 50051, appProtocol: grpc}
---
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata: {name: k8s-combat-service-ds, namespace: default}
spec:
  host: k8s-combat-service-istio-mesh
  subsets:
  - {name: v1, labels: {app: k8s-combat-service-v1}}
  - {name: v2, labels: {app: k8s-combat-service-v2}}
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: k8s-combat-service-vs, namespace: default}
spec:
  gateways: [mesh]
  hosts: [k8s-combat-service-istio-mesh]
  http:
  - name: v1
    match: [{headers: {version: {exact: '100'}}}]
    route: [{destination: {host: k8s-combat-service-istio-mesh, subset: v1}}]
  - name: weighted
    match: [{uri: {exact: /helloworld.Greeter/SayHello}}]
    route:
    - {destination: {host: k8s-combat-service-istio-mesh, subset: v1}, weight: 10}
    - {destination: {host: k8s-combat-service-istio-mesh, subset: v2}, weight: 90}
    timeout: 5000ms
  - name: default
    fault: {abort: {percentage: {value: 50}, httpStatus: 503}}
    corsPolicy: {allowOrigins: [{exact: "https://a.example"}], allowMethods: [GET]}
    headers: {request: {set: {x-a: "%PROTOCOL%"}, remove: [X-B]}}
    rewrite: {uri: /new}
    route: [{destination: {host: k8s-combat-service-istio-mesh, subset: v1}}]
"#;

fn objects(text: &str) -> Vec<Change> {
    let loaded = resources::yaml::load(text, "test.yaml");
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    let object = |raw| Change::Upsert(Box::new(Object::parse(raw).unwrap().0));
    loaded.objects.iter().map(object).collect()
}

fn pod(name: &str, ip: &str, labels: &str) -> String {
    format!(
        r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{name}", "namespace": "default", "labels": {labels}}},
  "spec": {{"serviceAccountName": "default", "containers": [{{"name": "app"}}]}},
  "status": {{"phase": "Running", "podIP": "{ip}"}}}}"#
    )
}

/// The endpoints of a service: address and readiness of each.
pub fn slice(service: &str, endpoints: &[(&str, bool)]) -> Vec<Change> {
    let endpoints: Vec<String> = endpoints
        .iter()
        .map(|(ip, ready)| {
            format!(r#"{{"addresses": ["{ip}"], "conditions": {{"ready": {ready}}}}}"#)
        })
        .collect();
    objects(&format!(
        r#"{{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
  "metadata": {{"name": "{service}-1", "namespace": "default", "labels": {{"kubernetes.io/service-name": "{service}"}}}},
  "ports": [{{"name": "app", "port": 8081}}, {{"name": "grpc", "port": 50051}}],
  "endpoints": [{}]}}"#,
        endpoints.join(",")
    ))
}

/// Two services, one of them routed to versions; three pods and one for each version.
pub fn snapshot() -> Snapshot {
    let mut changes = objects(MANIFESTS);
    for n in 8..=10 {
        let labels = r#"{"app": "k8s-combat-service", "security.istio.io/tlsMode": "istio"}"#;
        changes.extend(objects(&pod(
            &format!("k8s-combat-service-{n}"),
            &format!("172.17.0.{n}"),
            labels,
        )));
    }
    for n in 1..=2 {
        let labels = format!(
            r#"{{"app": "k8s-combat-service-v{n}", "appId": "12345", "security.istio.io/tlsMode": "istio"}}"#
        );
        changes.extend(objects(&pod(
            &format!("v{n}"),
            &format!("172.17.1.{n}"),
            &labels,
        )));
    }
    changes.extend(slice(
        "k8s-combat-service",
        &[
            ("172.17.0.8", true),
            ("172.17.0.9", true),
            ("172.17.0.10", true),
        ],
    ));
    changes.extend(slice(
        "k8s-combat-service-istio-mesh",
        &[("172.17.1.1", true), ("172.17.1.2", true)],
    ));
    changes.push(Change::Mesh(Box::new(MeshConfig {
        access_log_file: "/dev/stdout".to_owned(),
        ..Default::default()
    })));
    Snapshot::new(Settings::default()).with(&changes)
}

pub fn sidecar() -> Proxy {
    let id = "sidecar~172.17.0.8~k8s-combat-service-8.default~default.svc.cluster.local";
    Proxy::from_node(&Node {
        id: id.to_owned(),
        ..Default::default()
    })
    .unwrap()
}

/// All resources of a kind that the sidecar gets.
pub fn resources(snapshot: &Snapshot, kind: TypeUrl) -> Vec<Arc<Resource>> {
    let translator = Translator::new();
    let snapshot = Arc::new(snapshot.clone());
    let all = |kind| translator.resources(&snapshot, &sidecar(), kind, Subscription::Wildcard);
    let names: Vec<Arc<str>> = match kind {
        TypeUrl::Cluster | TypeUrl::Listener => return all(kind),
        TypeUrl::Endpoints => {
            let outbound =
                |r: &Arc<Resource>| r.name.starts_with("outbound|").then(|| r.name.clone());
            all(TypeUrl::Cluster).iter().filter_map(outbound).collect()
        }
        _ => vec![
            "50051".into(),
            format!("{HOST}:8081").into(),
            format!("{ROUTED}:8081").into(),
        ],
    };
    translator.resources(&snapshot, &sidecar(), kind, Subscription::Names(&names))
}

pub fn update(kind: TypeUrl, resources: &[Arc<Resource>]) -> Update {
    let upsert = |r: &Arc<Resource>| Upsert {
        name: r.name.clone(),
        body: r.body.clone(),
    };
    Update {
        kind,
        upserts: resources.iter().map(upsert).collect(),
        removals: Vec::new(),
    }
}

/// One message as an update.
pub fn message(kind: TypeUrl, name: &str, message: &impl Message) -> Update {
    Update {
        kind,
        upserts: vec![Upsert {
            name: name.into(),
            body: Bytes::from(message.encode_to_vec()),
        }],
        removals: Vec::new(),
    }
}

pub fn accepted(outcome: Outcome) -> Outcome {
    assert_eq!(outcome.rejected, [], "rejected");
    outcome
}

/// An authority of a trust domain.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// The secrets `default` and `ROOTCA` of a workload.
    pub fn secrets(&self, id: &str) -> [Update; 2] {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(id.try_into().unwrap())];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let own = Type::TlsCertificate(TlsCertificate {
            certificate_chain: inline(&certificate.pem()),
            private_key: inline(&key.serialize_pem()),
            ..Default::default()
        });
        let roots = Type::ValidationContext(CertificateValidationContext {
            trusted_ca: inline(&self.0.pem()),
            ..Default::default()
        });
        [("default", own), ("ROOTCA", roots)].map(|(name, secret)| {
            let secret = Secret {
                name: name.to_owned(),
                r#type: Some(secret),
            };
            message(TypeUrl::Secret, name, &secret)
        })
    }
}

pub fn inline(pem: &str) -> Option<DataSource> {
    Some(DataSource {
        specifier: Some(Specifier::InlineString(pem.to_owned())),
        ..Default::default()
    })
}

/// A compiler that has everything but secrets.
pub fn without_secrets() -> Compiler {
    let mut compiler = Compiler::new();
    for kind in BACKWARDS {
        accepted(compiler.apply(update(kind, &resources(&snapshot(), kind))));
    }
    compiler
}

pub fn ready(authority: &Authority) -> Compiler {
    let mut compiler = without_secrets();
    for secret in authority.secrets("spiffe://cluster.local/ns/default/sa/default") {
        accepted(compiler.apply(secret));
    }
    compiler
}
