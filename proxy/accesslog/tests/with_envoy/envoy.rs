//! A real Envoy with listeners, clusters and logs, and an application behind it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A string of JSON.
pub(crate) fn quoted(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{escaped}\"")
}

pub(crate) struct Envoy {
    process: Child,
    pub(crate) folder: PathBuf,
    pub(crate) http: SocketAddr,
    pub(crate) tcp: SocketAddr,
    admin: SocketAddr,
    pub(crate) application: SocketAddr,
    /// The other ends of connections to the application.
    pub(crate) peers: Receiver<SocketAddr>,
}

fn free_ports<const N: usize>() -> [SocketAddr; N] {
    let listeners: Vec<_> = (0..N)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    std::array::from_fn(|n| listeners[n].local_addr().unwrap())
}

/// Answers one request of each connection; closes without an answer where it is asked for `/live/boom`.
fn application() -> (SocketAddr, Receiver<SocketAddr>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, peers) = channel();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut request = Vec::new();
            let mut piece = [0; 4096];
            while !request.windows(4).any(|w| w == b"\r\n\r\n") {
                match connection.read(&mut piece) {
                    Ok(n @ 1..) => request.extend_from_slice(&piece[..n]),
                    _ => break,
                }
            }
            if tell.send(connection.peer_addr().unwrap()).is_err() {
                return;
            }
            if !request.windows(5).any(|w| w == b"/boom") {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\ngrpc-status: 5\r\ncontent-type: application/grpc\r\nx-up: a\"b\\c\r\n\r\nhi";
                connection.write_all(answer).unwrap();
            }
        }
    });
    (address, peers)
}

impl Envoy {
    /// Starts it; each of `logs` (a `SubstitutionFormatString` as JSON) goes to a file named by its number.
    pub(crate) fn start(logs: &[String]) -> Self {
        let binary = std::env::var("LATEEN_ENVOY").unwrap_or_default();
        assert!(
            Path::new(&binary).is_file(),
            "LATEEN_ENVOY must be the path of an Envoy binary (1.40); it is {binary:?}"
        );
        let folder = std::env::temp_dir().join(format!("lateen-accesslog-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let [http, tcp, admin, dead] = free_ports();
        let (application, peers) = application();
        let config = config(&folder, logs, [http, tcp, admin, dead, application]);
        // As a file, and not as YAML on the command line, which makes text of 2.5.
        let file = folder.join("config.json");
        std::fs::write(&file, config).unwrap();
        let errors = std::fs::File::create(folder.join("stderr")).unwrap();
        let process = Command::new(binary)
            .args([
                "-c",
                file.to_str().unwrap(),
                "--disable-hot-restart",
                "--concurrency",
                "1",
            ])
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .unwrap();
        let envoy = Envoy {
            process,
            folder,
            http,
            tcp,
            admin,
            application,
            peers,
        };
        let started = Instant::now();
        while TcpStream::connect(envoy.http).is_err() {
            let said = || std::fs::read_to_string(envoy.folder.join("stderr")).unwrap();
            assert!(
                started.elapsed() < PATIENCE,
                "Envoy does not listen: {}",
                said()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        envoy
    }

    /// Sends `bytes` on a connection of its own; what came back until the answer was whole, and the connection's own
    /// address.
    pub(crate) fn exchange(&self, to: SocketAddr, bytes: &[u8]) -> (Vec<u8>, SocketAddr) {
        let mut connection = TcpStream::connect(to).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        connection.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        while !whole(&answer) {
            match connection.read(&mut piece) {
                Ok(n @ 1..) => answer.extend_from_slice(&piece[..n]),
                _ => break,
            }
        }
        (answer, connection.local_addr().unwrap())
    }

    /// Ends it, so that all it had to log is written, and returns the logs.
    pub(crate) fn finish(mut self, logs: usize) -> Vec<Vec<u8>> {
        let (answer, _) = self.exchange(
            self.admin,
            b"POST /quitquitquit HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
        );
        assert!(answer.starts_with(b"HTTP/1.1 200"));
        self.process.wait().unwrap();
        (0..logs)
            .map(|n| std::fs::read(self.folder.join(n.to_string())).unwrap())
            .collect()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Whether an answer with `content-length` is there.
fn whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| body.len() >= length.parse().unwrap())
}

fn address(at: SocketAddr) -> String {
    format!(
        r#"{{"socket_address":{{"address":"127.0.0.1","port_value":{}}}}}"#,
        at.port()
    )
}

fn cluster(name: &str, endpoint: Option<SocketAddr>) -> String {
    let endpoint = endpoint.map_or_else(String::new, |at| {
        format!(
            r#"{{"endpoint":{{"hostname":"host.of.{name}","address":{}}}}}"#,
            address(at)
        )
    });
    format!(
        r#"{{"name":"{name}","alt_stat_name":"{name}_alt","type":"STATIC","connect_timeout":"5s","load_assignment":{{"cluster_name":"{name}","endpoints":[{{"lb_endpoints":[{endpoint}]}}]}}}}"#
    )
}

fn config(
    folder: &Path,
    logs: &[String],
    [http, tcp, admin, dead, application]: [SocketAddr; 5],
) -> String {
    let api = "type.googleapis.com/envoy.extensions";
    let logs: Vec<_> = logs
        .iter()
        .enumerate()
        .map(|(n, format)| {
            let path = quoted(folder.join(n.to_string()).to_str().unwrap());
            format!(r#"{{"name":"f","typed_config":{{"@type":"{api}.access_loggers.file.v3.FileAccessLog","path":{path},"log_format":{format}}}}}"#)
        })
        .collect();
    let logs = logs.join(",");
    let route = |name: &str| {
        format!(
            r#"{{"name":"{name}","match":{{"prefix":"/{name}"}},"route":{{"cluster":"{name}"}}}}"#
        )
    };
    let routes = [
        r#"{"name":"direct","match":{"prefix":"/direct"},"direct_response":{"status":200,"body":{"inline_string":"hello"}}}"#.to_owned(),
        route("dead"),
        route("empty"),
        route("live"),
        route("gone"),
    ]
    .join(",");
    let manager = format!(
        r#"{{"name":"m","typed_config":{{"@type":"{api}.filters.network.http_connection_manager.v3.HttpConnectionManager","stat_prefix":"h","access_log":[{logs}],"http_filters":[{{"name":"r","typed_config":{{"@type":"{api}.filters.http.router.v3.Router"}}}}],"route_config":{{"validate_clusters":false,"virtual_hosts":[{{"name":"v","domains":["*"],"routes":[{routes}]}}]}}}}}}"#
    );
    let proxy = format!(
        r#"{{"name":"t","typed_config":{{"@type":"{api}.filters.network.tcp_proxy.v3.TcpProxy","stat_prefix":"t","cluster":"dead","access_log":[{logs}]}}}}"#
    );
    let listener = |name: &str, at, filter| {
        format!(
            r#"{{"name":"{name}","address":{},"filter_chains":[{{"name":"chain","filters":[{filter}]}}]}}"#,
            address(at)
        )
    };
    let listeners = [listener("l", http, manager), listener("tcp", tcp, proxy)].join(",");
    let clusters = [
        cluster("dead", Some(dead)),
        cluster("empty", None),
        cluster("live", Some(application)),
    ]
    .join(",");
    format!(
        r#"{{"node":{{"id":"n","cluster":"c"}},"admin":{{"address":{}}},"static_resources":{{"listeners":[{listeners}],"clusters":[{clusters}]}}}}"#,
        address(admin)
    )
}
