//! A mesh of one data plane: four pods, a ca, a pilot, and the application of the servers' pods in this process.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use local::token::{Bearer, ISSUER, Signer};
use sandbox::network::{Network, NetworkConfig, PodNetwork};

use crate::application::Application;
use crate::case::To;
use crate::sidecar::{self, Process, Settings, answers, until};

/// Objects; `{NAME}` stands for the address of the pod NAME.
const OBJECTS: [&str; 3] = [
    include_str!("mesh.yaml"),
    include_str!("policies.yaml"),
    include_str!("routes.yaml"),
];

type Pod = (&'static str, &'static [(&'static str, &'static str)], bool);

/// Pods: name, labels, whether it has a sidecar. Addresses are given in this order, so they are the same in every mesh.
const PODS: [Pod; 4] = [
    ("client", &[("app", "client"), ("version", "v1")], true),
    ("a", &[("app", "server"), ("version", "v1")], true),
    ("b", &[("app", "server"), ("version", "v2")], true),
    ("plain", &[("app", "plain")], false),
];

pub(crate) struct Mesh {
    pub(crate) name: &'static str,
    pub(crate) application: Application,
    pods: BTreeMap<&'static str, PodNetwork>,
    services: BTreeMap<String, Ipv4Addr>,
    // Ended in this order.
    _sidecars: Vec<Process>,
    _control_plane: Vec<Process>,
    _network: Network,
    directory: tempfile::TempDir,
}

impl Mesh {
    /// A mesh whose sidecars are ready and have what the pilot sends.
    pub(crate) fn up(name: &'static str, envoy: Option<&Path>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let network = Network::create(NetworkConfig::default()).unwrap();
        let pods: BTreeMap<_, _> = PODS
            .iter()
            .map(|(name, ..)| (*name, network.add_pod(name).unwrap()))
            .collect();
        let mut objects = OBJECTS.join("---\n");
        for (name, labels, sidecar) in PODS {
            let ip = pods[name].ip;
            objects = objects.replace(&format!("{{{name}}}"), &ip.to_string());
            objects.push_str(&pod(name, labels, sidecar, ip));
        }
        let signer = Signer::generate().unwrap();
        let mut control_plane = control_plane(&network, &path, &objects, &signer);
        let root = fs::read_to_string(path.join("ca/root-cert.pem")).unwrap();
        let application = Application::new();
        let mut sidecars = Vec::new();
        for (name, labels, sidecar) in PODS {
            let pod = &pods[name];
            if name != "client" {
                pod.enter(|| application.serve(name)).unwrap();
            }
            if sidecar {
                sidecars.push(sidecar::start(&Settings {
                    name,
                    labels,
                    pod,
                    directory: &path,
                    control_plane: network.config().node_ip,
                    root: &root,
                    token: &token(&signer, "default", "default"),
                    envoy,
                }));
            }
        }
        let with_sidecars = PODS.iter().filter(|(.., sidecar)| *sidecar);
        for (process, (pod, ..)) in sidecars.iter_mut().zip(with_sidecars) {
            let mut processes: Vec<&mut Process> = control_plane.iter_mut().collect();
            processes.push(process);
            until(
                &format!("{name}'s sidecar of {pod}"),
                &mut processes,
                || {
                    let ready = || answers((Ipv4Addr::LOCALHOST, 15020), "/healthz/ready");
                    pods[pod].enter(ready).unwrap()
                },
            );
        }
        Self {
            name,
            application,
            services: services(&objects),
            pods,
            _sidecars: sidecars,
            _control_plane: control_plane,
            _network: network,
            directory,
        }
    }

    pub(crate) fn pod(&self, name: &str) -> &PodNetwork {
        &self.pods[name]
    }

    pub(crate) fn address(&self, to: To) -> (Ipv4Addr, u16) {
        match to {
            To::Service(name, port) => match self.services.get(name) {
                Some(address) => (*address, port),
                None => panic!("mesh.yaml has no service {name:?}"),
            },
            To::Pod(name, port) => (self.pods[name].ip, port),
            To::Address(address, port) => (address, port),
        }
    }

    /// What a pod's sidecar has written.
    pub(crate) fn log(&self, pod: &str) -> String {
        fs::read_to_string(self.directory.path().join(format!("{pod}.log"))).unwrap()
    }

    /// Pods that have a log.
    pub(crate) fn with_sidecars() -> impl Iterator<Item = &'static str> {
        PODS.iter()
            .filter(|(.., sidecar)| *sidecar)
            .map(|(name, ..)| *name)
    }
}

fn token(signer: &Signer, namespace: &str, account: &str) -> String {
    let bearer = Bearer {
        namespace,
        service_account: account,
        service_account_uid: "u",
        pod: "p",
        pod_uid: "u",
        node: "n",
    };
    let now = time::OffsetDateTime::now_utc();
    signer.mint(bearer, "istio-ca", 3600, now).unwrap()
}

/// The addresses of all services: `name` and `clusterIP` follow each other in mesh.yaml.
fn services(objects: &str) -> BTreeMap<String, Ipv4Addr> {
    let mut services = BTreeMap::new();
    for object in objects
        .split("\n---\n")
        .filter(|o| o.contains("kind: Service\n"))
    {
        let value = |key: &str| {
            let (_, rest) = object.split_once(key)?;
            rest.split(['\n', ',', '}']).next().map(str::trim)
        };
        let name = value("name: ").unwrap().to_owned();
        if let Some(address) = value("clusterIP: ").and_then(|ip| ip.parse().ok()) {
            services.insert(name, address);
        }
    }
    services
}

fn pod(name: &str, labels: &[(&str, &str)], sidecar: bool, ip: Ipv4Addr) -> String {
    let mut all: Vec<String> = labels.iter().map(|(k, v)| format!("{k}: {v}")).collect();
    if sidecar {
        all.push("security.istio.io/tlsMode: istio".to_owned());
    }
    format!(
        "\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{{}}}}}\n\
         spec: {{serviceAccountName: default, containers: [{{name: app}}]}}\n\
         status: {{phase: Running, podIP: {ip}, podIPs: [{{ip: {ip}}}]}}\n",
        all.join(", ")
    )
}

fn control_plane(network: &Network, path: &Path, objects: &str, signer: &Signer) -> Vec<Process> {
    let file = |name: &str| path.join(name).to_str().unwrap().to_owned();
    fs::create_dir(path.join("objects")).unwrap();
    fs::write(path.join("objects/mesh.yaml"), objects).unwrap();
    fs::write(path.join("mesh"), "accessLogFile: /dev/stdout\n").unwrap();
    fs::write(path.join("jwks.json"), signer.jwks().to_string()).unwrap();
    fs::write(path.join("token"), token(signer, "istio-system", "istiod")).unwrap();
    let start = |program: &str, arguments: &[&str], name: &str| {
        let mut command = Command::new(sidecar::required(program));
        command.env_clear().args(arguments);
        let output = path.join(format!("{name}.log"));
        network
            .enter(|| Process::start(command, output, false))
            .unwrap()
    };
    let (jwks, issuer) = (file("jwks.json"), ISSUER);
    let ca = [
        "--listen=0.0.0.0:15013",
        "--monitoringAddr=127.0.0.1:15016",
        "--serverNames=localhost",
        "--dnsNames=istio-system/istiod=istiod.istio-system.svc",
        "--trustedForwarders=spiffe://cluster.local/ns/istio-system/sa/istiod",
        &format!("--dataDir={}", file("ca")),
        &format!("--jwksFile={jwks}"),
        &format!("--tokenIssuer={issuer}"),
    ];
    let mut ca = start("LATEEN_CA", &ca, "ca");
    let ready = |port: u16| {
        move || {
            let ask = || answers((Ipv4Addr::LOCALHOST, port), "/ready");
            network.enter(ask).unwrap()
        }
    };
    until("the ca", &mut [&mut ca], ready(15016));
    let pilot = [
        "discovery",
        "--grpcAddr=",
        "--secureGRPCAddr=0.0.0.0:15012",
        "--monitoringAddr=127.0.0.1:15014",
        "--httpAddr=127.0.0.1:8080",
        "--caAddress=localhost:15013",
        &format!("--configDir={}", file("objects")),
        &format!("--meshConfig={}", file("mesh")),
        &format!("--caRootFile={}", file("ca/root-cert.pem")),
        &format!("--tokenFile={}", file("token")),
        &format!("--jwksFile={jwks}"),
        &format!("--tokenIssuer={issuer}"),
    ];
    let mut pilot = start("LATEEN_PILOT", &pilot, "pilot");
    until("the pilot", &mut [&mut pilot], ready(15014));
    vec![pilot, ca]
}
