//! nginx's configuration: `grpc_pass` is its one way to speak HTTP/2 to an application, and its module `stream` forwards
//! bytes.

use std::fmt::Write as _;
use std::net::SocketAddrV4;
use std::path::Path;

use super::hop::{FileHop, Files};
use crate::mesh::HOST;
use crate::upstream::Protocol;

/// A line as Istio's default is, as far as nginx knows what it says.
const LINE: &str = r#"'[$time_iso8601] "$request_method $request_uri $server_protocol" $status - - - "-" $request_length $body_bytes_sent $request_time $upstream_response_time "$http_x_forwarded_for" "$http_user_agent" "$request_id" "$host" "$upstream_addr" application $remote_addr:$remote_port $server_addr:$server_port $ssl_server_name - default'"#;
const LINE_OF_BYTES: &str = r#"'[$time_iso8601] "- - -" 0 - - - "-" $bytes_received $bytes_sent $session_time - "-" "-" "-" "-" "$upstream_addr" application $remote_addr:$remote_port $server_addr:$server_port $ssl_server_name - -'"#;

/// One process with one worker, whose messages go to its standard error.
pub(super) fn configuration(hop: &FileHop, files: &Files, stream: Option<&Path>) -> String {
    let module = match (hop.speaks, stream) {
        (Protocol::Tcp, Some(module)) => format!("load_module {};\n", module.display()),
        _ => String::new(),
    };
    // nginx needs one for each request under way on each side, and takes memory for all of them at once.
    let connections = 2 * hop.connections + 2048;
    let head = format!(
        "{module}daemon off;\nmaster_process off;\npid {}/pid;\nerror_log stderr warn;\n\
         events {{ worker_connections {connections}; }}\n",
        files.folder.display()
    );
    head + &match hop.speaks {
        Protocol::Tcp => bytes(hop, files),
        Protocol::Http1 | Protocol::Http2 => http(hop, files),
    }
}

fn http(hop: &FileHop, files: &Files) -> String {
    let (module, scheme) = match hop.speaks {
        Protocol::Http2 => ("grpc", "grpc"),
        _ => ("proxy", "http"),
    };
    let secure = if hop.tls_out { "s" } else { "" };
    let mut fields = String::new();
    for (name, value) in [
        ("host", "$host"),
        ("x-request-id", "$request_id"),
        ("x-forwarded-for", "$proxy_add_x_forwarded_for"),
        ("x-forwarded-proto", "$scheme"),
        // Else nginx closes what it has to keep.
        ("connection", "\"\""),
    ] {
        let _ = writeln!(fields, "{module}_set_header {name} {value};");
    }
    fields += match hop.speaks {
        Protocol::Http2 => "grpc_read_timeout 1h;\ngrpc_send_timeout 1h;\n",
        _ => "proxy_http_version 1.1;\nproxy_request_buffering off;\nproxy_max_temp_file_size 0;\n",
    };
    let folders: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {}/{name};\n", files.folder.display()))
        .concat();
    let mut text = format!(
        "http {{\nlog_format line {LINE};\naccess_log {} line buffer=64k flush=1s;\n{folders}\
         client_max_body_size 0;\nkeepalive_timeout 1h;\nkeepalive_requests 1000000000;\n\
         server_names_hash_max_size 65536;\nserver_names_hash_bucket_size 128;\n{fields}{}",
        files.access_log.display(),
        called(hop, files, module)
    );
    let pass = format!("{module}_pass {scheme}{secure}");
    text += &server(hop, files, &pass, "application", HOST, &hop.to);
    for (n, host, at) in hop.known() {
        text += &server(hop, files, &pass, &format!("known-{n}"), &host, &[at]);
    }
    text + "}\n"
}

/// A host and where requests for it go, in turn.
fn server(
    hop: &FileHop,
    files: &Files,
    pass: &str,
    name: &str,
    host: &str,
    to: &[SocketAddrV4],
) -> String {
    let http2 = match hop.speaks {
        Protocol::Http2 => " http2",
        Protocol::Http1 | Protocol::Tcp => "",
    };
    let tls = if hop.tls_in { " ssl" } else { "" };
    format!(
        "upstream {name} {{\n{}keepalive 256;\nkeepalive_requests 1000000000;\nkeepalive_timeout 1h;\n}}\n\
         server {{\nlisten {}{http2}{tls};\nserver_name {host};\n{}location / {{ {pass}://{name}; }}\n}}\n",
        servers(to),
        hop.listen,
        callers(hop, files),
    )
}

fn bytes(hop: &FileHop, files: &Files) -> String {
    let (tls_in, tls_out) = (
        if hop.tls_in { " ssl" } else { "" },
        if hop.tls_out { "proxy_ssl on;\n" } else { "" },
    );
    format!(
        "stream {{\nlog_format line {LINE_OF_BYTES};\naccess_log {} line buffer=64k flush=1s;\n\
         upstream application {{\n{}}}\n\
         server {{\nlisten {}{tls_in};\n{}proxy_pass application;\nproxy_timeout 1h;\n{tls_out}{}}}\n}}\n",
        files.access_log.display(),
        servers(&hop.to),
        hop.listen,
        callers(hop, files),
        called(hop, files, "proxy"),
    )
}

fn servers(to: &[SocketAddrV4]) -> String {
    to.iter().map(|at| format!("server {at};\n")).collect()
}

/// Mutual TLS with callers.
fn callers(hop: &FileHop, files: &Files) -> String {
    if !hop.tls_in {
        return String::new();
    }
    format!(
        "ssl_certificate {};\nssl_certificate_key {};\nssl_client_certificate {};\nssl_verify_client on;\n\
         ssl_protocols TLSv1.3;\n",
        files.chain.display(),
        files.key.display(),
        files.roots.display(),
    )
}

/// Mutual TLS with those who are called, in the words of a module.
fn called(hop: &FileHop, files: &Files, module: &str) -> String {
    if !hop.tls_out {
        return String::new();
    }
    [
        ("certificate", files.chain.display().to_string()),
        ("certificate_key", files.key.display().to_string()),
        ("trusted_certificate", files.roots.display().to_string()),
        ("verify", "on".to_owned()),
        ("name", HOST.to_owned()),
        ("server_name", "on".to_owned()),
        ("protocols", "TLSv1.3".to_owned()),
    ]
    .map(|(what, value)| format!("{module}_ssl_{what} {value};\n"))
    .concat()
}

#[cfg(test)]
mod tests {
    use super::super::hop::tests::{files, hop};
    use super::*;

    #[test]
    fn requests_go_on_over_mutual_tls_and_known_hosts_have_places_of_their_own() {
        let text = configuration(&hop(Protocol::Http2, true), &files(), None);
        for wanted in [
            "listen 127.0.0.1:1234 http2;",
            "server 127.0.1.1:80;\nserver 127.0.1.2:80;\n",
            "grpc_pass grpcs://application;",
            "grpc_ssl_verify on;",
            "grpc_ssl_certificate /f/chain.pem;",
            "server_name known-1.default.svc.cluster.local;",
            "worker_connections 2248;",
        ] {
            assert!(text.contains(wanted), "{wanted} is not in\n{text}");
        }
        assert!(!text.contains("ssl_verify_client"));
    }

    #[test]
    fn callers_must_show_a_certificate_beside_the_application() {
        let text = configuration(&hop(Protocol::Http1, false), &files(), None);
        for wanted in [
            "listen 127.0.0.1:1234 ssl;",
            "ssl_verify_client on;",
            "proxy_pass http://application;",
        ] {
            assert!(text.contains(wanted), "{wanted} is not in\n{text}");
        }
    }

    #[test]
    fn bytes_are_the_matter_of_a_module() {
        let module = Path::new("/m/ngx_stream_module.so");
        let text = configuration(&hop(Protocol::Tcp, true), &files(), Some(module));
        assert!(
            text.starts_with("load_module /m/ngx_stream_module.so;\n"),
            "{text}"
        );
        assert!(
            text.contains("stream {") && text.contains("proxy_ssl_verify on;"),
            "{text}"
        );
    }
}
