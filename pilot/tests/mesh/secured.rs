//! A pilot whose secure port is served, with a real ca behind it.

use std::path::PathBuf;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ca::options::Options;
use ca::server::Ca;
use clap::Parser;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{GREETER, Pilot};

/// A ca, the signer of its tokens, and a pilot that has its certificate from it.
pub struct Mesh {
    pub directory: tempfile::TempDir,
    pub signer: rcgen::KeyPair,
    pub ca: Option<Ca>,
    pub ca_port: u16,
    pub ca_flags: Vec<String>,
    pub ca_shutdown: CancellationToken,
    pub pilot: Pilot,
}

impl Mesh {
    pub async fn start(ca_flags: &[&str]) -> Self {
        process::crypto::install();
        let directory = tempfile::tempdir().unwrap();
        let signer = rcgen::KeyPair::generate().unwrap();
        let point = signer.public_key_raw();
        let keys = json!({"keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "kid": "one",
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]),
            "y": URL_SAFE_NO_PAD.encode(&point[33..65]),
        }]});
        let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(file("jwks.json"), keys.to_string()).unwrap();
        let token = token(&signer, "istio-system", "istiod", "istio-ca");
        std::fs::write(file("token"), token).unwrap();
        let own = [
            "--dataDir",
            &file("data"),
            "--jwksFile",
            &file("jwks.json"),
            "--monitoringAddr",
            "127.0.0.1:0",
            "--serverNames",
            "localhost",
            "--dnsNames",
            "istio-system/istiod=istiod.istio-system.svc",
            "--trustedForwarders",
            "spiffe://cluster.local/ns/istio-system/sa/istiod",
        ];
        let all = own.iter().chain(ca_flags);
        let ca_flags: Vec<String> = all.map(|flag| (*flag).to_owned()).collect();
        let ca_shutdown = CancellationToken::new();
        let ca = launch(0, &ca_flags, &ca_shutdown).await;
        let ca_port = ca.address.port();
        let address = format!("localhost:{ca_port}");
        let pilot = Pilot::start_with(
            GREETER,
            &[
                "--caAddress",
                &address,
                "--caRootFile",
                &file("data/root-cert.pem"),
                "--tokenFile",
                &file("token"),
                "--jwksFile",
                &file("jwks.json"),
            ],
        )
        .await;
        Self {
            directory,
            signer,
            ca: Some(ca),
            ca_port,
            ca_flags,
            ca_shutdown,
            pilot,
        }
    }

    pub async fn stop_ca(&mut self) {
        self.ca_shutdown.cancel();
        self.ca.take().unwrap().finished().await.unwrap();
    }

    pub async fn start_ca_again(&mut self) {
        self.ca_shutdown = CancellationToken::new();
        self.ca = Some(launch(self.ca_port, &self.ca_flags, &self.ca_shutdown).await);
    }

    pub fn root(&self) -> PathBuf {
        self.directory.path().join("data/root-cert.pem")
    }

    pub fn token(&self, namespace: &str, account: &str, audience: &str) -> String {
        token(&self.signer, namespace, account, audience)
    }
}

async fn launch(port: u16, flags: &[String], shutdown: &CancellationToken) -> Ca {
    let listen = format!("127.0.0.1:{port}");
    let own = ["ca", "--listen", &listen];
    let options = Options::parse_from(own.into_iter().chain(flags.iter().map(String::as_str)));
    let metrics = axum::Router::new();
    Ca::start(options, metrics, shutdown.clone()).await.unwrap()
}

fn token(signer: &rcgen::KeyPair, namespace: &str, account: &str, audience: &str) -> String {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let claims = json!({
        "iss": "https://kubernetes.default.svc.cluster.local",
        "sub": format!("system:serviceaccount:{namespace}:{account}"),
        "aud": [audience],
        "exp": now + 600,
        "iat": now - 1,
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": account, "uid": "u"}},
    });
    let header = Header {
        kid: Some("one".to_owned()),
        ..Header::new(Algorithm::ES256)
    };
    let key = EncodingKey::from_ec_der(signer.serialized_der());
    encode(&header, &claims, &key).unwrap()
}
