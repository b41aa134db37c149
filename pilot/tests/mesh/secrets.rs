//! The secrets that an agent would serve beside a proxy: certificate and root, over a Unix socket.

use std::path::Path;

use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source::Specifier};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, Secret, TlsCertificate, secret,
};
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use envoy_types::pb::envoy::service::secret::v3::secret_discovery_service_server::{
    SecretDiscoveryService, SecretDiscoveryServiceServer,
};
use envoy_types::pb::google::protobuf::Any;
use prost::Message;
use rcgen::{CertificateParams, KeyPair, SanType};
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::{Request, Response, Status, Streaming};

#[derive(Clone)]
struct Secrets {
    certificate: String,
    key: String,
}

/// Serves `default` and `ROOTCA`, self-signed, on a Unix socket.
pub fn serve(socket: &Path) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    let id = "spiffe://cluster.local/ns/default/sa/default";
    params.subject_alt_names = vec![SanType::URI(id.try_into().unwrap())];
    let secrets = Secrets {
        certificate: params.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    };
    let listener = UnixListenerStream::new(UnixListener::bind(socket).unwrap());
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(SecretDiscoveryServiceServer::new(secrets))
            .serve_with_incoming(listener),
    );
}

impl Secrets {
    fn secret(&self, name: &str) -> Secret {
        let inline = |text: &str| {
            Some(DataSource {
                specifier: Some(Specifier::InlineString(text.to_owned())),
                ..DataSource::default()
            })
        };
        let value = if name == "ROOTCA" {
            secret::Type::ValidationContext(CertificateValidationContext {
                trusted_ca: inline(&self.certificate),
                ..CertificateValidationContext::default()
            })
        } else {
            secret::Type::TlsCertificate(TlsCertificate {
                certificate_chain: inline(&self.certificate),
                private_key: inline(&self.key),
                ..TlsCertificate::default()
            })
        };
        Secret {
            name: name.to_owned(),
            r#type: Some(value),
        }
    }

    fn response(&self, request: &DiscoveryRequest) -> DiscoveryResponse {
        let type_url = xds::TypeUrl::Secret.as_str().to_owned();
        let resources = request.resource_names.iter().map(|name| Any {
            type_url: type_url.clone(),
            value: self.secret(name).encode_to_vec(),
        });
        DiscoveryResponse {
            version_info: "1".to_owned(),
            nonce: "1".to_owned(),
            resources: resources.collect(),
            type_url: type_url.clone(),
            ..DiscoveryResponse::default()
        }
    }
}

#[tonic::async_trait]
impl SecretDiscoveryService for Secrets {
    type DeltaSecretsStream = ReceiverStream<Result<DeltaDiscoveryResponse, Status>>;
    type StreamSecretsStream = ReceiverStream<Result<DiscoveryResponse, Status>>;

    async fn delta_secrets(
        &self,
        _: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaSecretsStream>, Status> {
        Err(Status::unimplemented(
            "agents are asked for the state of the world",
        ))
    }

    async fn stream_secrets(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamSecretsStream>, Status> {
        let (sender, receiver) = mpsc::channel(4);
        let mut requests = request.into_inner();
        let secrets = self.clone();
        tokio::spawn(async move {
            while let Ok(Some(request)) = requests.message().await {
                if request.response_nonce.is_empty() {
                    let _ = sender.send(Ok(secrets.response(&request))).await;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn fetch_secrets(
        &self,
        request: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        Ok(Response::new(self.response(request.get_ref())))
    }
}
