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
        let address = free();
        Envoy::run(address, &config(side, authority, address, towards))
    }

    /// Starts one that hashes the header `x-user`.
    pub fn hashing(policy: &str, endpoints: &[SocketAddr], weights: &[u32]) -> Envoy {
        let address = free();
        let hosts: Vec<String> = endpoints
            .iter()
            .zip(weights)
            .map(|(endpoint, weight)| {
                format!(
                    "{{load_balancing_weight: {weight}, endpoint: {{address: {}}}}}",
                    socket_address(*endpoint)
                )
            })
            .collect();
        let cluster = format!("lb_policy: {policy}");
        let route = ", hash_policy: [{header: {header_name: x-user}}]";
        let text = resources("name: plain", &cluster, route, address, &hosts.join(", "));
        Envoy::run(address, &text)
    }

    fn run(address: SocketAddr, config: &str) -> Envoy {
        let program =
            std::env::var_os("LATEEN_ENVOY").expect("LATEEN_ENVOY must name an Envoy 1.40");
        let process = Command::new(program)
            .args(["--disable-hot-restart", "--concurrency", "1"])
            .args(["--log-level", "error", "--config-yaml"])
            .arg(config)
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
    let host = format!("{{endpoint: {{address: {}}}}}", socket_address(towards));
    resources(&downstream, &upstream, "", listen, &host)
}

fn socket_address(address: SocketAddr) -> String {
    format!(
        "{{socket_address: {{address: {}, port_value: {}}}}}",
        address.ip(),
        address.port()
    )
}

fn resources(
    downstream: &str,
    upstream: &str,
    route: &str,
    listen: SocketAddr,
    hosts: &str,
) -> String {
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
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{prefix: "/"}}
                route: {{cluster: upstream{route}}}
          http_filters:
          - name: router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: upstream
    connect_timeout: 5s
    {upstream}
    load_assignment: {{cluster_name: upstream, endpoints: [{{lb_endpoints: [{hosts}]}}]}}
"#,
        socket_address(listen)
    )
}
