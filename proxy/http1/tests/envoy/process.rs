//! An Envoy in front of one upstream.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) struct Envoy {
    child: Child,
    pub(crate) port: u16,
}

impl Drop for Envoy {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Envoy {
    /// Starts the Envoy that LATEEN_ENVOY names. Its own answers have the response code details as content.
    pub(crate) fn start(upstream: u16) -> Envoy {
        let program =
            std::env::var_os("LATEEN_ENVOY").expect("LATEEN_ENVOY must name an Envoy 1.40");
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = Command::new(program)
            .args([
                "--disable-hot-restart",
                "--concurrency",
                "1",
                "--log-level",
                "error",
                "--config-yaml",
                &config(port, upstream),
            ])
            .stderr(Stdio::null())
            .spawn()
            .expect("LATEEN_ENVOY does not start");
        let envoy = Envoy { child, port };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "Envoy does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        envoy
    }
}

fn config(port: u16, upstream: u16) -> String {
    let address = |port| format!("{{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}");
    format!(
        r#"
static_resources:
  listeners:
  - name: http
    address: {}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          codec_type: HTTP1
          generate_request_id: false
          local_reply_config: {{body_format: {{text_format_source: {{inline_string: "%RESPONSE_CODE_DETAILS%"}}}}}}
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
    load_assignment: {{cluster_name: upstream, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {}}}}}]}}]}}
"#,
        address(port),
        address(upstream)
    )
}
