//! Configuration as the pilot translates it for a sidecar, made to work without redirection: the one listener that is
//! needed binds on loopback, and the application is reached where it is.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use compile::{Compiler, Update, Upsert};
use envoy_types::pb::envoy::config::core::v3 as core;
use resources::mesh_config::MeshConfig;
use resources::object::Object;
use translate::{Change, Proxy, Settings, Snapshot, Subscription, Translator};
use xds::{Resource, TypeUrl};

use crate::{Failure, place, secrets};

/// The port of all services.
pub(crate) const PORT: u16 = 50_051;

/// Beside whom the sidecar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The caller, whom it takes plaintext from.
    Caller,
    /// The first service's application, for which it takes mutual TLS.
    Application,
}

impl Side {
    /// The sidecar's node.
    pub(crate) const fn node(self) -> &'static str {
        match self {
            Side::Caller => "sidecar~127.0.0.1~caller-1.default~default.svc.cluster.local",
            Side::Application => "sidecar~127.0.0.1~greeter-0.default~default.svc.cluster.local",
        }
    }

    /// The listener that takes its requests.
    fn listener(self) -> String {
        match self {
            Side::Caller => format!("0.0.0.0_{PORT}"),
            Side::Application => "virtualInbound".to_owned(),
        }
    }
}

/// What the services' port is declared to speak.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Speaks {
    /// HTTP/2.
    Grpc,
    /// HTTP/1.1.
    Http,
}

/// The n-th service as clients call it. The first has an application.
pub(crate) fn authority(n: u32) -> String {
    format!("greeter-{n}.default.svc.cluster.local:{PORT}")
}

/// What the sidecar's mesh is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mesh {
    pub(crate) side: Side,
    /// How many services there are.
    pub(crate) services: u32,
    pub(crate) speaks: Speaks,
    /// The file of the access log; empty: there is none.
    pub(crate) access_log: &'static str,
}

/// The configuration of a sidecar that knows so many services, compiled. Nothing listens and nothing is reached.
pub(crate) fn compiled(services: u32) -> Result<Compiler, Failure> {
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    let mesh = Mesh {
        side: Side::Caller,
        services,
        speaks: Speaks::Grpc,
        access_log: "",
    };
    placed(&mesh, nowhere, nowhere)
}

/// The configuration of a sidecar, compiled. Its listener is at `listen`, and `application` is what stands behind the
/// first of the services.
pub(crate) fn placed(
    mesh: &Mesh,
    listen: SocketAddr,
    application: SocketAddr,
) -> Result<Compiler, Failure> {
    let mut changes = vec![Change::Mesh(Box::new(MeshConfig {
        access_log_file: mesh.access_log.to_owned(),
        ..Default::default()
    }))];
    for n in 0..mesh.services {
        let text = service(n, mesh.speaks, application.port());
        changes.extend(parsed(&text)?);
    }
    if mesh.side == Side::Application {
        changes.extend(parsed(POD)?);
    }
    let snapshot = Arc::new(Snapshot::new(Settings::default()).with(&changes));
    let node = core::Node {
        id: mesh.side.node().to_owned(),
        ..Default::default()
    };
    let proxy = Proxy::from_node(&node)?;
    let translator = Translator::new();
    let sent = |kind, names| translator.resources(&snapshot, &proxy, kind, names);
    let mut compiler = Compiler::new();
    apply(&mut compiler, secrets::update()?)?;
    let clusters = sent(TypeUrl::Cluster, Subscription::Wildcard);
    let outbound: Vec<Arc<str>> = clusters
        .iter()
        .filter(|r| r.name.starts_with("outbound|"))
        .map(|r| r.name.clone())
        .collect();
    let placed: Option<Vec<Upsert>> = clusters
        .iter()
        .map(|r| match r.name.starts_with("inbound|") {
            true => place::cluster(r, application),
            false => Some(upsert(r)),
        })
        .collect();
    let listeners = sent(TypeUrl::Listener, Subscription::Wildcard);
    let bound: Option<Vec<Upsert>> = listeners
        .iter()
        .filter(|r| *r.name == mesh.side.listener())
        .map(|r| place::listener(r, listen))
        .collect();
    let endpoints = sent(TypeUrl::Endpoints, Subscription::Names(&outbound));
    let mut updates = vec![
        (
            TypeUrl::Cluster,
            placed.ok_or("a cluster that cannot be placed")?,
        ),
        (TypeUrl::Endpoints, endpoints.iter().map(upsert).collect()),
        (
            TypeUrl::Listener,
            bound.ok_or("a listener that cannot be bound")?,
        ),
    ];
    if mesh.side == Side::Caller {
        let name = [PORT.to_string().into()];
        let routes = sent(TypeUrl::Route, Subscription::Names(&name));
        updates.push((TypeUrl::Route, routes.iter().map(upsert).collect()));
    }
    for (kind, upserts) in updates {
        if upserts.is_empty() {
            return Err(format!("the pilot sends no {}", kind.short()).into());
        }
        let update = Update {
            kind,
            upserts,
            removals: Vec::new(),
        };
        apply(&mut compiler, update)?;
    }
    Ok(compiler)
}

fn apply(compiler: &mut Compiler, update: Update) -> Result<(), Failure> {
    match compiler.apply(update).rejected.first() {
        Some(rejection) => Err(format!("{}: {}", rejection.name, rejection.message).into()),
        None => Ok(()),
    }
}

fn upsert(resource: &Arc<Resource>) -> Upsert {
    Upsert {
        name: resource.name.clone(),
        body: resource.body.clone(),
    }
}

/// The pod of the first service, where it is the sidecar's own.
const POD: &str = "apiVersion: v1\nkind: Pod\n\
     metadata: {name: greeter-0, namespace: default, labels: {app: greeter-0}}\n\
     spec: {serviceAccountName: default, containers: [{name: app}]}\n\
     status: {phase: Running, podIP: 127.0.0.1}\n";

/// One service with one endpoint, as users would write it.
fn service(n: u32, speaks: Speaks, target: u16) -> String {
    let declared = match speaks {
        Speaks::Grpc => "grpc",
        Speaks::Http => "http",
    };
    let name = format!("greeter-{n}");
    let [_, high, mid, low] = n.to_be_bytes();
    let address = Ipv4Addr::new(10, 97 + high, mid, low);
    let endpoint = match n {
        0 => Ipv4Addr::LOCALHOST,
        _ => Ipv4Addr::new(10, 200 + high, mid, low),
    };
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\n\
         spec: {{selector: {{app: {name}}}, clusterIP: {address}, ports: \
         [{{name: app, port: {PORT}, targetPort: {target}, appProtocol: {declared}}}]}}\n\
         ---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n\
         metadata: {{name: {name}-1, namespace: default, labels: {{kubernetes.io/service-name: {name}}}}}\n\
         ports: [{{name: app, port: {target}}}]\n\
         endpoints: [{{addresses: [{endpoint}], conditions: {{ready: true}}}}]\n"
    )
}

fn parsed(text: &str) -> Result<Vec<Change>, Failure> {
    let loaded = resources::yaml::load(text, "the mesh's objects");
    if let Some(problem) = loaded.problems.first() {
        return Err(format!("{problem:?}").into());
    }
    let object = |raw| -> Result<Change, Failure> {
        let (object, _) = Object::parse(raw).map_err(|e| format!("{e:?}"))?;
        Ok(Change::Upsert(Box::new(object)))
    };
    loaded.objects.iter().map(object).collect()
}
