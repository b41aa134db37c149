//! The secure port with a real ca behind it: who gets configuration and certificates there, and what
//! goes on while the ca is gone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod mesh;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ca_api::IstioCertificateRequest;
use ca_api::istio_certificate_service_client::IstioCertificateServiceClient;
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse,
};
use identity::bundle::WorkloadCertificate;
use identity::tls::{ClientTls, Expected};
use identity::{cert, channel, csr};
use mesh::PATIENCE;
use mesh::secured::Mesh;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

const ISTIOD: &str = "istiod.istio-system.svc";
const GREETER_ID: &str = "spiffe://cluster.local/ns/default/sa/default";

impl Mesh {
    fn tls(&self, certificate: Option<WorkloadCertificate>) -> Arc<ClientTls> {
        let roots = cert::parse_chain(&std::fs::read(self.root()).unwrap()).unwrap();
        let expected = Expected::Dns(ISTIOD.try_into().unwrap());
        Arc::new(ClientTls::new(&roots, certificate, expected).unwrap())
    }

    fn channel(&self, certificate: Option<WorkloadCertificate>) -> Channel {
        let target = format!("127.0.0.1:{}", self.pilot.secure);
        channel::connect(&target, self.tls(certificate)).unwrap()
    }

    /// Asks the pilot for a certificate, as an agent does.
    async fn certificate(
        &self,
        held: Option<WorkloadCertificate>,
        token: Option<&str>,
    ) -> Result<WorkloadCertificate, Status> {
        let (key, csr) = csr::generate("spiffe://cluster.local/ns/other/sa/other").unwrap();
        let mut request = Request::new(IstioCertificateRequest {
            csr: csr.into_string(),
            ..Default::default()
        });
        authorize(&mut request, token);
        // What only a proxy of the ca's trust may say.
        let lie = "URI=spiffe://cluster.local/ns/istio-system/sa/admin";
        let metadata = request.metadata_mut();
        metadata.insert("x-forwarded-client-cert", lie.parse().unwrap());
        let mut client = IstioCertificateServiceClient::new(self.channel(held));
        let answer = client.create_certificate(request).await?.into_inner();
        let root = std::fs::read(self.root()).unwrap();
        let chain = answer.cert_chain.concat();
        Ok(WorkloadCertificate::from_pem(chain.as_bytes(), &key, &root).unwrap())
    }

    /// Opens a delta stream for a node and waits for its clusters.
    async fn clusters(
        &self,
        held: Option<WorkloadCertificate>,
        token: Option<&str>,
        namespace: &str,
    ) -> Result<Stream, Status> {
        let first = DeltaDiscoveryRequest {
            node: Some(Node {
                id: format!("sidecar~127.0.0.11~a.{namespace}~{namespace}.svc.cluster.local"),
                ..Node::default()
            }),
            type_url: xds::TypeUrl::Cluster.as_str().to_owned(),
            ..Default::default()
        };
        let (sender, receiver) = mpsc::channel(4);
        sender.send(first).await.unwrap();
        let requests = ReceiverStream::new(receiver);
        let mut request = Request::new(requests);
        authorize(&mut request, token);
        let mut client = AggregatedDiscoveryServiceClient::new(self.channel(held));
        let mut stream = client
            .delta_aggregated_resources(request)
            .await?
            .into_inner();
        let clusters = next(&mut stream).await?;
        Ok(Stream {
            clusters,
            requests: sender,
            responses: stream,
        })
    }

    /// The fingerprint of the certificate that the secure port serves now.
    async fn served(&self) -> String {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", self.pilot.secure))
            .await
            .unwrap();
        let stream = TlsConnector::from(self.tls(None).config())
            .connect(ISTIOD.try_into().unwrap(), stream)
            .await
            .unwrap();
        cert::fingerprint(&stream.get_ref().1.peer_certificates().unwrap()[0])
    }
}

/// A delta stream after its first response.
#[derive(Debug)]
struct Stream {
    clusters: DeltaDiscoveryResponse,
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    responses: Streaming<DeltaDiscoveryResponse>,
}

async fn next(
    stream: &mut Streaming<DeltaDiscoveryResponse>,
) -> Result<DeltaDiscoveryResponse, Status> {
    let response = tokio::time::timeout(PATIENCE, stream.message()).await;
    Ok(response
        .expect("no response came")?
        .expect("the stream ended"))
}

impl Drop for Mesh {
    fn drop(&mut self) {
        self.ca_shutdown.cancel();
    }
}

fn authorize<T>(request: &mut Request<T>, token: Option<&str>) {
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_gets_a_certificate_through_the_pilot_and_that_gets_configuration() {
    let mesh = Mesh::start(&[]).await;
    let token = mesh.token("default", "default", "istio-ca");
    let first = mesh.certificate(None, Some(&token)).await.unwrap();
    assert_eq!(first.identity().unwrap().to_string(), GREETER_ID);
    let next = mesh.certificate(Some(first), None).await.unwrap();
    assert_eq!(next.identity().unwrap().to_string(), GREETER_ID);
    let stream = mesh.clusters(Some(next), None, "default").await.unwrap();
    assert!(stream.clusters.resources.len() >= 4);
    let stream = mesh.clusters(None, Some(&token), "default").await.unwrap();
    assert!(stream.clusters.resources.len() >= 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_anothers_configuration_or_any_without_a_credential() {
    let mesh = Mesh::start(&[]).await;
    let token = mesh.token("default", "default", "istio-ca");
    let other = mesh.clusters(None, Some(&token), "bank").await.unwrap_err();
    assert_eq!(other.code(), Code::PermissionDenied, "{other}");
    assert!(other.message().contains("\"bank\""), "{other}");
    let none = mesh.clusters(None, None, "default").await.unwrap_err();
    assert_eq!(none.code(), Code::Unauthenticated, "{none}");
    let elsewhere = mesh.token("default", "default", "elsewhere");
    for refused in [
        mesh.clusters(None, Some(&elsewhere), "default")
            .await
            .unwrap_err(),
        mesh.certificate(None, Some(&elsewhere)).await.unwrap_err(),
        mesh.certificate(None, None).await.unwrap_err(),
    ] {
        assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_ca_is_gone_configuration_is_served_and_certificates_are_refused_for_now() {
    let mut mesh = Mesh::start(&[]).await;
    let token = mesh.token("default", "default", "istio-ca");
    mesh.stop_ca().await;
    let refused = mesh.certificate(None, Some(&token)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    let stream = mesh.clusters(None, Some(&token), "default").await.unwrap();
    assert!(stream.clusters.resources.len() >= 4);
    mesh.start_ca_again().await;
    let deadline = Instant::now() + PATIENCE;
    while let Err(status) = mesh.certificate(None, Some(&token)).await {
        assert!(Instant::now() < deadline, "{status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pilots_certificate_is_replaced_while_streams_go_on() {
    let mesh = Mesh::start(&["--maxWorkloadCertTTL", "6s", "--workloadCertTTL", "6s"]).await;
    let token = mesh.token("default", "default", "istio-ca");
    let mut stream = mesh.clusters(None, Some(&token), "default").await.unwrap();
    let first = mesh.served().await;
    let deadline = Instant::now() + PATIENCE;
    while mesh.served().await == first {
        assert!(Instant::now() < deadline, "the certificate stays");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let ack = DeltaDiscoveryRequest {
        type_url: stream.clusters.type_url.clone(),
        response_nonce: stream.clusters.nonce.clone(),
        ..Default::default()
    };
    stream.requests.send(ack).await.unwrap();
    mesh.pilot.write(
        "more.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: other}\n\
         spec: {clusterIP: 10.96.0.11, ports: [{name: http, port: 80}]}\n",
    );
    let change = next(&mut stream.responses).await.unwrap();
    let name = "outbound|80||other.default.svc.cluster.local";
    assert_eq!(change.resources[0].name, name);
    mesh.certificate(None, Some(&token)).await.unwrap();
}
