//! An Envoy with one listener and one cluster, on either side of mutual TLS.

use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::authority::{Authority, CLIENT, SERVER};
use crate::peers::free;

pub struct Envoy {
    process: Child,
    pub address: SocketAddr,
}

impl Drop for Envoy {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Which side of mutual TLS it has.
#[derive(Clone, Copy)]
pub enum Side {
    /// Its listener demands certificates, as Istio's inbound chains of HTTP.
    Server,
    /// Its cluster shows one, and offers what Istio's filter does for HTTP/1.1.
    Client,
}

impl Envoy {
    /// Starts the Envoy that LATEEN_ENVOY names and waits until it listens.
    pub fn start(side: Side, authority: &Authority, towards: SocketAddr) -> Envoy {
        let program =
            std::env::var_os("LATEEN_ENVOY").expect("LATEEN_ENVOY must name an Envoy 1.40");
        let address = free();
        let process = Command::new(program)
            .args(["--disable-hot-restart", "--concurrency", "1"])
            .args(["--log-level", "error", "--config-yaml"])
            .arg(config(side, authority, address, towards))
            .stderr(Stdio::null())
            .spawn()
            .expect("LATEEN_ENVOY does not start");
        let envoy = Envoy { process, address };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "Envoy does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        envoy
    }
}

fn config(side: Side, authority: &Authority, listen: SocketAddr, towards: SocketAddr) -> String {
    let inline = |text: &str| format!("{:?}", text);
    let (uri, alpn) = match side {
        Side::Server => (SERVER, r#"["h2", "http/1.1"]"#),
        Side::Client => (CLIENT, r#"["istio-http/1.1", "istio", "http/1.1"]"#),
    };
    let [chain, key, root] = authority.pem(uri).map(|text| inline(&text));
    let common = format!(
        "{{alpn_protocols: {alpn}, tls_certificates: [{{certificate_chain: {{inline_string: {chain}}}, \
         private_key: {{inline_string: {key}}}}}], validation_context: {{trusted_ca: {{inline_string: {root}}}}}}}"
    );
    let socket = |context: &str, more: &str| {
        format!(
            "transport_socket: {{name: tls, typed_config: {{\"@type\": \
             type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{context}, {more}, common_tls_context: {common}}}}}"
        )
    };
    let (downstream, upstream) = match side {
        Side::Server => (
            socket("DownstreamTlsContext", "require_client_certificate: true"),
            "lb_policy: ROUND_ROBIN".to_owned(),
        ),
        Side::Client => (
            "name: plain".to_owned(),
            socket("UpstreamTlsContext", "sni: peer.example"),
        ),
    };
    let address = |a: SocketAddr| {
        format!(
            "{{socket_address: {{address: {}, port_value: {}}}}}",
            a.ip(),
            a.port()
        )
    };
    format!(
        r#"
static_resources:
  listeners:
  - name: http
    address: {}
    filter_chains:
    - {downstream}
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          upgrade_configs: [{{upgrade_type: websocket}}]
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{prefix: "/"}}
                route: {{cluster: upstream}}
          http_filters:
          - name: router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: upstream
    connect_timeout: 5s
    {upstream}
    load_assignment: {{cluster_name: upstream, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {}}}}}]}}]}}
"#,
        address(listen),
        address(towards)
    )
}
