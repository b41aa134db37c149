//! HAProxy's configuration.

use std::fmt::Write as _;

use super::hop::{FileHop, Files};
use crate::mesh::HOST;
use crate::upstream::Protocol;

/// The file that says which services hosts are.
pub(super) const HOSTS: &str = "hosts";

/// A line as Istio's default is, as far as HAProxy knows what it says.
const LINE: &str = r#"'[%tr] "%HM %HU %HV" %ST %tsc - - "-" %U %B %Ta %Tr "-" "%[capture.req.hdr(0)]" "%ID" "%[capture.req.hdr(1)]" "%si:%sp" %b %ci:%cp %fi:%fp - default'"#;
const LINE_OF_BYTES: &str =
    r#"'[%t] "- - -" 0 %ts - - "-" %U %B %Tt - "-" "-" "-" "-" "%si:%sp" %b %ci:%cp %fi:%fp - -'"#;

/// One thread. The access log goes where messages go: HAProxy writes no files by itself.
pub(super) fn configuration(hop: &FileHop, files: &Files) -> String {
    let is_http = hop.speaks != Protocol::Tcp;
    let (mode, line) = if is_http {
        ("http", LINE)
    } else {
        ("tcp", LINE_OF_BYTES)
    };
    let mut text = format!(
        "global\n  nbthread 1\n  maxconn {}\n  no strict-limits\n  log stdout len 2048 format raw daemon\n\
         defaults\n  mode {mode}\n  log global\n  timeout connect 10s\n  timeout client 1h\n  timeout server 1h\n",
        hop.connections + 512
    );
    if is_http {
        text += "  timeout http-keep-alive 1h\n  http-reuse always\n  option forwardfor\n";
    }
    let _ = write!(
        text,
        "frontend callers\n  bind {}{}\n  log-format {line}\n",
        hop.listen,
        callers(hop, files)
    );
    if is_http {
        text += "  unique-id-format %[uuid]\n  unique-id-header x-request-id\n  \
                 http-request capture req.hdr(user-agent) len 256\n  \
                 http-request capture req.hdr(host) len 256\n  \
                 http-request set-header x-forwarded-proto http\n";
    }
    if is_http && hop.services > 1 {
        let _ = writeln!(
            text,
            "  use_backend %[req.hdr(host),host_only,lower,map({})] if {{ req.hdr(host),host_only,lower,map({0}) -m found }}",
            files.folder.join(HOSTS).display()
        );
    }
    text += "  default_backend application\nbackend application\n  balance roundrobin\n";
    let options = called(hop, files);
    for (n, at) in hop.to.iter().enumerate() {
        let _ = writeln!(text, "  server pod-{n} {at}{options}");
    }
    for (n, _, at) in hop.known() {
        let _ = write!(text, "backend known-{n}\n  server pod {at}{options}\n");
    }
    text
}

/// Options of the socket that callers come to.
fn callers(hop: &FileHop, files: &Files) -> String {
    match (hop.tls_in, hop.speaks) {
        (true, speaks) => format!(
            " ssl crt {} ca-file {} verify required ssl-min-ver TLSv1.3{}",
            files.both.display(),
            files.roots.display(),
            alpn(speaks)
        ),
        (false, Protocol::Http2) => " proto h2".to_owned(),
        (false, _) => String::new(),
    }
}

/// Options of those who are called.
fn called(hop: &FileHop, files: &Files) -> String {
    match (hop.tls_out, hop.speaks) {
        (true, speaks) => format!(
            " ssl crt {} ca-file {} verify required verifyhost {HOST} sni str({HOST}) ssl-min-ver TLSv1.3{}",
            files.both.display(),
            files.roots.display(),
            alpn(speaks)
        ),
        (false, Protocol::Http2) => " proto h2".to_owned(),
        (false, _) => String::new(),
    }
}

fn alpn(speaks: Protocol) -> &'static str {
    match speaks {
        Protocol::Http1 => " alpn http/1.1",
        Protocol::Http2 => " alpn h2",
        Protocol::Tcp => "",
    }
}

#[cfg(test)]
mod tests {
    use super::super::hop::tests::{files, hop};
    use super::*;

    #[test]
    fn requests_go_on_over_mutual_tls_and_known_hosts_have_places_of_their_own() {
        let text = configuration(&hop(Protocol::Http2, true), &files());
        for wanted in [
            "bind 127.0.0.1:1234 proto h2\n",
            "server pod-1 127.0.1.2:80 ssl crt /f/both.pem ca-file /f/roots.pem verify required",
            " alpn h2\n",
            "map(/f/hosts)]",
            "backend known-1\n",
            "maxconn 612\n",
        ] {
            assert!(text.contains(wanted), "{wanted} is not in\n{text}");
        }
    }

    #[test]
    fn callers_must_show_a_certificate_beside_the_application() {
        let text = configuration(&hop(Protocol::Http1, false), &files());
        assert!(
            text.contains(
                "bind 127.0.0.1:1234 ssl crt /f/both.pem ca-file /f/roots.pem verify required"
            ),
            "{text}"
        );
        assert!(text.contains("server pod-0 127.0.1.1:80\n"), "{text}");
    }

    #[test]
    fn bytes_are_forwarded_as_they_are() {
        let text = configuration(&hop(Protocol::Tcp, true), &files());
        assert!(
            text.contains("mode tcp\n") && !text.contains("alpn"),
            "{text}"
        );
    }
}
