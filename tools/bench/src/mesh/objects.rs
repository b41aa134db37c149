//! The mesh's objects, as YAML that users would write.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use resources::mesh_config::MeshConfig;
use resources::object::Object;
use translate::{Change, Settings, Snapshot};

use crate::failure::{Doing, Failure};

/// What the service's port is declared to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    Grpc,
    Http,
    Tcp,
}

impl Speaks {
    /// The port's `appProtocol`.
    const fn declared(self) -> &'static str {
        match self {
            Speaks::Grpc => "grpc",
            Speaks::Http => "http",
            Speaks::Tcp => "tcp",
        }
    }
}

/// A mesh of one service that is called, and others that are only known.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    pub(crate) speaks: Speaks,
    /// The service's port: where the calling side's listener is.
    pub(crate) port: u16,
    /// The pods' port.
    pub(crate) target: u16,
    pub(crate) pods: Vec<Ipv4Addr>,
    /// Whether the pods have sidecars.
    pub(crate) mutual: bool,
    /// How many services there are in all.
    pub(crate) services: u32,
    /// Where the access log goes.
    pub(crate) access_log: String,
}

impl Objects {
    /// The world with these objects.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, Failure> {
        let mut changes = changes(&self.called())?;
        changes.push(Change::Mesh(Box::new(MeshConfig {
            access_log_file: self.access_log.clone(),
            ..Default::default()
        })));
        for batch in (1..self.services).collect::<Vec<_>>().chunks(500) {
            let text: String = batch.iter().map(|n| self.known(*n)).collect();
            changes.extend(self::changes(&text)?);
        }
        Ok(Snapshot::new(Settings::default()).with(&changes))
    }

    /// The service that is called: its pods are called in turn.
    fn called(&self) -> String {
        let (port, target, declared) = (self.port, self.target, self.speaks.declared());
        let mode = if self.mutual {
            ", security.istio.io/tlsMode: istio"
        } else {
            ""
        };
        let mut text = format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: greeter, namespace: default}}\nspec:\n  \
             selector: {{app: greeter}}\n  clusterIP: 10.96.0.1\n  ports:\n  \
             - {{name: app, port: {port}, targetPort: {target}, appProtocol: {declared}}}\n\
             ---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: greeter, namespace: default}}\n\
             spec: {{host: greeter, trafficPolicy: {{loadBalancer: {{simple: ROUND_ROBIN}}}}}}\n"
        );
        for (n, pod) in self.pods.iter().enumerate() {
            let _ = write!(
                text,
                "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: greeter-{n}, namespace: default, \
                 labels: {{app: greeter{mode}}}}}\nspec: {{serviceAccountName: greeter, containers: [{{name: app}}]}}\n\
                 status: {{phase: Running, podIP: {pod}}}\n"
            );
        }
        text + &slice("greeter", target, self.pods.iter())
    }

    /// The n-th change of things that are known and not called: of endpoints, of a cluster, of a route, in turn.
    pub(crate) fn change(&self, n: u32) -> Result<Vec<Change>, Failure> {
        let varied = n / 3 % 250 + 1;
        let text = match n % 3 {
            0 => {
                let endpoint = Ipv4Addr::new(10, 250, 0, u8::try_from(varied).unwrap_or(1));
                slice("known-1", self.port, std::iter::once(&endpoint))
            }
            1 => format!(
                "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: known-2, namespace: default}}\n\
                 spec: {{host: known-2, trafficPolicy: {{connectionPool: {{tcp: {{connectTimeout: {varied}s}}}}}}}}\n"
            ),
            _ => format!(
                "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: known-3, namespace: default}}\n\
                 spec: {{hosts: [known-3], http: [{{timeout: {varied}s, route: [{{destination: {{host: known-3}}}}]}}]}}\n"
            ),
        };
        changes(&text)
    }

    /// A service that is known and not called.
    fn known(&self, n: u32) -> String {
        let [_, high, mid, low] = n.to_be_bytes();
        let address = Ipv4Addr::new(10, 97 + high, mid, low);
        let endpoint = known_endpoint(n);
        let (port, declared) = (self.port, self.speaks.declared());
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: known-{n}, namespace: default}}\nspec:\n  \
             selector: {{app: known-{n}}}\n  clusterIP: {address}\n  ports:\n  \
             - {{name: app, port: {port}, targetPort: {port}, appProtocol: {declared}}}\n"
        ) + &slice(&format!("known-{n}"), port, std::iter::once(&endpoint))
    }
}

/// The one endpoint of the n-th service that is known and not called.
pub(crate) fn known_endpoint(n: u32) -> Ipv4Addr {
    let [_, high, mid, low] = n.to_be_bytes();
    Ipv4Addr::new(10, 200 + high, mid, low)
}

fn slice<'a>(service: &str, port: u16, addresses: impl Iterator<Item = &'a Ipv4Addr>) -> String {
    let endpoints: Vec<String> = addresses
        .map(|ip| format!("{{addresses: [{ip}], conditions: {{ready: true}}}}"))
        .collect();
    format!(
        "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n\
         metadata: {{name: {service}-1, namespace: default, labels: {{kubernetes.io/service-name: {service}}}}}\n\
         ports: [{{name: app, port: {port}}}]\nendpoints: [{}]\n",
        endpoints.join(", ")
    )
}

/// The changes that bring the objects of a YAML text.
fn changes(text: &str) -> Result<Vec<Change>, Failure> {
    let loaded = resources::yaml::load(text, "the benchmark's mesh");
    if let Some(problem) = loaded.problems.first() {
        return Err(Failure(format!("the benchmark's own objects: {problem:?}")));
    }
    loaded
        .objects
        .iter()
        .map(|raw| {
            let (object, _) = Object::parse(raw).doing("the benchmark's own objects")?;
            Ok(Change::Upsert(Box::new(object)))
        })
        .collect()
}
