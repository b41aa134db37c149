//! Handshakes between the settings that the graph carries.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod mesh;

use std::sync::Arc;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CommonTlsContext, SdsSecretConfig, Secret, UpstreamTlsContext,
    common_tls_context::ValidationContextType,
};
use envoy_types::pb::google::protobuf;
use graph::chain::{Network, Transport};
use graph::cluster::UpstreamTransport;
use graph::tls::{DownstreamTls, HTTP1_IN_HTTP2, Secured};
use mesh::{Authority, HOST, accepted, ready};
use prost::{Message, Name};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, ServerConfig, ServerConnection};
use xds::TypeUrl;

const ID: &str = "spiffe://cluster.local/ns/default/sa/default";

fn settings(compiler: &mut compile::Compiler) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let (server, client) = sides(compiler);
    (server.config.clone(), client)
}

fn sides(compiler: &mut compile::Compiler) -> (Arc<DownstreamTls>, Arc<ClientConfig>) {
    let graph = compiler.graph();
    let inbound = graph
        .listeners
        .iter()
        .find(|l| &*l.name == "virtualInbound")
        .unwrap();
    let mutual = inbound
        .chains
        .iter()
        .find(|c| c.on.destination_port == Some(50051) && c.on.transport == Some(Transport::Tls))
        .unwrap();
    let Some(Secured::Ready(server)) = &mutual.tls else {
        panic!()
    };
    let name = format!("outbound|50051||{HOST}");
    let cluster = graph
        .clusters
        .iter()
        .flatten()
        .find(|c| *c.name == *name)
        .unwrap();
    let UpstreamTransport::Tls(Secured::Ready(client)) = &cluster.transports[0] else {
        panic!()
    };
    (server.clone(), client.config.clone())
}

/// A handshake, to its end with all that comes after it.
fn shake(
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
    alpn: &[&[u8]],
) -> Result<(ServerConnection, ClientConnection), rustls::Error> {
    let alpn = alpn.iter().map(|p| p.to_vec()).collect();
    let name = ServerName::try_from("peer.example").unwrap();
    let mut client = ClientConnection::new_with_alpn(client.clone(), name, alpn)?;
    let mut server = ServerConnection::new(server.clone())?;
    for _ in 0..8 {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    assert!(!server.is_handshaking() && !client.is_handshaking());
    Ok((server, client))
}

#[test]
fn both_sides_show_certificates_and_agree_on_the_listeners_protocol() {
    let (server, client) = settings(&mut ready(&Authority::new()));
    let (s, c) = shake(&server, &client, &[b"istio", b"h2"]).unwrap();
    assert_eq!(s.alpn_protocol(), Some(&b"h2"[..]));
    for chain in [
        s.peer_certificates().unwrap(),
        c.peer_certificates().unwrap(),
    ] {
        assert_eq!(
            identity::cert::leaf_identity(chain).unwrap().to_string(),
            ID
        );
    }
}

#[test]
fn a_client_of_the_mesh_that_carries_bytes_is_not_refused_for_its_protocol() {
    let (server, client) = sides(&mut ready(&Authority::new()));
    let offered: [&[u8]; 1] = [b"istio"];
    let server = server.for_client(&offered.map(<[u8]>::to_vec));
    let (s, _) = shake(server, &client, &offered).unwrap();
    assert_eq!(s.alpn_protocol(), None);
}

#[test]
fn http1_in_http2_is_agreed_on_with_a_proxy_of_our_own_and_by_chains_of_http_alone() {
    let mut compiler = ready(&Authority::new());
    let (server, client) = settings(&mut compiler);
    let istio: [&[u8]; 3] = [b"istio-http/1.1", b"istio", b"http/1.1"];
    let (s, _) = shake(&server, &client, &istio).unwrap();
    assert_eq!(s.alpn_protocol(), Some(&b"http/1.1"[..]));
    let ours = [HTTP1_IN_HTTP2, istio[0], istio[1], istio[2]];
    let (s, _) = shake(&server, &client, &ours).unwrap();
    assert_eq!(s.alpn_protocol(), Some(HTTP1_IN_HTTP2));
    let graph = compiler.graph();
    let mut kinds = [0, 0];
    for chain in graph.listeners.iter().flat_map(|l| &l.chains) {
        let Some(Secured::Ready(tls)) = &chain.tls else {
            continue;
        };
        let is_http = matches!(chain.network, Network::Http(_));
        let agrees = tls
            .config
            .alpn_protocols
            .iter()
            .any(|p| p == HTTP1_IN_HTTP2);
        assert_eq!(agrees, is_http, "{}", chain.name);
        kinds[usize::from(is_http)] += 1;
    }
    assert!(kinds[0] > 0 && kinds[1] > 0, "{kinds:?}");
}

#[test]
fn peers_of_another_authority_are_refused_by_both_sides() {
    let (server, client) = settings(&mut ready(&Authority::new()));
    let (foreign_server, foreign_client) = settings(&mut ready(&Authority::new()));
    assert!(shake(&server, &foreign_client, &[b"h2"]).is_err());
    assert!(shake(&foreign_server, &client, &[b"h2"]).is_err());
}

#[test]
fn a_client_that_trusts_the_server_and_shows_no_certificate_is_refused() {
    let mut compiler = ready(&Authority::new());
    accepted(compiler.apply(mesh::message(
        TypeUrl::Cluster,
        "anonymous",
        &without_certificate(),
    )));
    let (server, _) = settings(&mut compiler);
    let graph = compiler.graph();
    let cluster = graph
        .clusters
        .iter()
        .flatten()
        .find(|c| &*c.name == "anonymous")
        .unwrap();
    let UpstreamTransport::Tls(Secured::Ready(client)) = &cluster.transports[0] else {
        panic!()
    };
    let refused = shake(&server, &client.config, &[b"h2"]).unwrap_err();
    assert_eq!(refused, rustls::Error::NoCertificatesPresented);
}

/// A cluster that verifies servers by the mesh's roots and shows nothing.
fn without_certificate() -> Cluster {
    let roots = SdsSecretConfig {
        name: "ROOTCA".to_owned(),
        sds_config: Some(core::ConfigSource {
            config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(
                Default::default(),
            )),
            ..Default::default()
        }),
    };
    let context = UpstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            validation_context_type: Some(ValidationContextType::ValidationContextSdsSecretConfig(
                roots,
            )),
            ..Default::default()
        }),
        ..Default::default()
    };
    Cluster {
        name: "anonymous".to_owned(),
        transport_socket: Some(core::TransportSocket {
            config_type: Some(core::transport_socket::ConfigType::TypedConfig(
                protobuf::Any {
                    type_url: UpstreamTlsContext::type_url(),
                    value: context.encode_to_vec(),
                },
            )),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[test]
fn a_session_is_resumed_until_identity_or_roots_change() {
    let authority = Authority::new();
    let mut compiler = ready(&authority);
    let (server, client) = settings(&mut compiler);
    let (s, _) = shake(&server, &client, &[b"h2"]).unwrap();
    assert_eq!(s.handshake_kind(), Some(HandshakeKind::Full));
    let (s, c) = shake(&server, &client, &[b"h2"]).unwrap();
    assert_eq!(s.handshake_kind(), Some(HandshakeKind::Resumed));
    assert!(
        c.peer_certificates().is_some(),
        "names can still be compared"
    );
    for secret in authority.secrets(ID) {
        accepted(compiler.apply(secret));
    }
    let (new_server, new_client) = settings(&mut compiler);
    let (s, _) = shake(&new_server, &client, &[b"h2"]).unwrap();
    assert_eq!(
        s.handshake_kind(),
        Some(HandshakeKind::Full),
        "the server's identity is another"
    );
    let (s, _) = shake(&server, &new_client, &[b"h2"]).unwrap();
    assert_eq!(
        s.handshake_kind(),
        Some(HandshakeKind::Full),
        "the client's identity is another"
    );
}

#[test]
fn another_certificate_leaves_the_filters_behind_it_alone() {
    let authority = Authority::new();
    let mut compiler = ready(&authority);
    // Connections go on as long as their filter is there.
    let mut filters = || -> Vec<*const ()> {
        let graph = compiler.graph();
        let chains = graph.listeners.iter().flat_map(|l| l.chains.iter());
        let found = chains
            .map(|chain| match &chain.network {
                Network::Http(manager) => Arc::as_ptr(manager).cast(),
                Network::Tcp(proxy) => Arc::as_ptr(proxy).cast(),
            })
            .collect();
        for secret in authority.secrets(ID) {
            accepted(compiler.apply(secret));
        }
        found
    };
    let before = filters();
    assert!(before.len() > 2);
    assert_eq!(filters(), before);
    assert_eq!(filters(), before);
}

#[test]
fn the_same_secret_again_changes_nothing() {
    let authority = Authority::new();
    let secrets = authority.secrets(ID);
    let mut compiler = mesh::without_secrets();
    for secret in secrets.clone() {
        accepted(compiler.apply(secret));
    }
    let before = compiler.graph();
    for secret in secrets {
        accepted(compiler.apply(secret));
    }
    assert!(Arc::ptr_eq(&before, &compiler.graph()));
}

#[test]
fn roots_in_place_of_a_certificate_are_refused_and_the_certificate_goes_on() {
    let authority = Authority::new();
    let mut compiler = ready(&authority);
    let before = compiler.graph();
    let [_, roots] = authority.secrets(ID);
    let mut secret = Secret::decode(roots.upserts[0].body.clone()).unwrap();
    secret.name = "default".to_owned();
    let outcome = compiler.apply(mesh::message(TypeUrl::Secret, "default", &secret));
    assert!(
        outcome.rejected[0]
            .message
            .starts_with("type: is not what listeners"),
        "{outcome:?}"
    );
    assert!(Arc::ptr_eq(&before, &compiler.graph()));
}
