//! Texts of an entry.

use headers::Known;

use super::address::Form;
use crate::{Entry, Protocol, Tls};

/// Which text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    Protocol,
    UpstreamProtocol,
    ResponseCodeDetails,
    /// With blanks as they are.
    ResponseCodeDetailsAsIs,
    ConnectionTerminationDetails,
    UpstreamTransportFailure,
    DownstreamTransportFailure,
    /// The name for observability, where there is another.
    UpstreamCluster,
    UpstreamClusterRaw,
    UpstreamHostName,
    UpstreamHostNameWithoutPort,
    RouteName,
    RequestedServerName,
    ListenerName,
    FilterChainName,
    /// `x-request-id`, which Envoy's stream id is made from.
    StreamId,
    AccessLogType,
    Downstream(TlsText),
    Upstream(TlsText),
}

/// Which text of a TLS connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsText {
    Version,
    Cipher,
    PeerUriSan,
    PeerDnsSan,
    PeerSubject,
    PeerIssuer,
    PeerSerial,
    PeerFingerprint256,
    LocalUriSan,
    LocalDnsSan,
    LocalSubject,
}

impl TlsText {
    fn read<'a>(self, tls: &Tls<'a>) -> &'a str {
        match self {
            TlsText::Version => tls.version,
            TlsText::Cipher => tls.cipher,
            TlsText::PeerUriSan => tls.peer_uri_san,
            TlsText::PeerDnsSan => tls.peer_dns_san,
            TlsText::PeerSubject => tls.peer_subject,
            TlsText::PeerIssuer => tls.peer_issuer,
            TlsText::PeerSerial => tls.peer_serial,
            TlsText::PeerFingerprint256 => tls.peer_fingerprint_256,
            TlsText::LocalUriSan => tls.local_uri_san,
            TlsText::LocalDnsSan => tls.local_dns_san,
            TlsText::LocalSubject => tls.local_subject,
        }
    }
}

impl Text {
    #[inline]
    pub(crate) fn write(self, entry: &Entry<'_>, out: &mut Vec<u8>) -> bool {
        let text = match self {
            Text::Protocol => entry.protocol.map_or("", Protocol::name),
            Text::UpstreamProtocol => entry.upstream.protocol.map_or("", Protocol::name),
            Text::ResponseCodeDetails => return without_blanks(entry.response_code_details, out),
            Text::ResponseCodeDetailsAsIs => entry.response_code_details,
            Text::ConnectionTerminationDetails => entry.connection_termination_details,
            Text::UpstreamTransportFailure => {
                return without_blanks(entry.upstream.transport_failure_reason, out);
            }
            Text::DownstreamTransportFailure => {
                return without_blanks(entry.downstream.transport_failure_reason, out);
            }
            Text::UpstreamCluster if entry.upstream.cluster_alt_stat_name.is_empty() => {
                entry.upstream.cluster
            }
            Text::UpstreamCluster => entry.upstream.cluster_alt_stat_name,
            Text::UpstreamClusterRaw => entry.upstream.cluster,
            Text::UpstreamHostName => return host_name(entry, Form::WithPort, out),
            Text::UpstreamHostNameWithoutPort => return host_name(entry, Form::WithoutPort, out),
            Text::RouteName => entry.route_name,
            Text::RequestedServerName => entry.downstream.requested_server_name,
            Text::ListenerName => entry.downstream.listener_name,
            Text::FilterChainName => entry.downstream.filter_chain_name,
            Text::StreamId => {
                let id = entry
                    .request
                    .and_then(|request| request.get(Known::XRequestId));
                out.extend_from_slice(id.unwrap_or_default());
                return id.is_some();
            }
            Text::AccessLogType if entry.protocol.is_some() => "DownstreamEnd",
            Text::AccessLogType => "TcpConnectionEnd",
            Text::Downstream(text) => entry
                .downstream
                .tls
                .as_ref()
                .map_or("", |tls| text.read(tls)),
            Text::Upstream(text) => entry.upstream.tls.as_ref().map_or("", |tls| text.read(tls)),
        };
        out.extend_from_slice(text.as_bytes());
        !text.is_empty()
    }
}

/// Details must not break a line of columns apart: Envoy writes `_` for blanks.
fn without_blanks(text: &str, out: &mut Vec<u8>) -> bool {
    masked(text, |b| !b.is_ascii_whitespace(), out)
}

/// A client's SNI as lines show it. It is the client's to choose: what no host name can hold becomes `_`, as Envoy
/// writes it. Made once for a connection.
#[must_use]
pub fn shown_server_name(name: &str) -> String {
    let shown = |c: char| match c {
        '-' | '.' => c,
        _ if c.is_ascii_alphanumeric() => c,
        _ => '_',
    };
    name.chars().map(shown).collect()
}

/// Appends text with `_` for bytes that may not stand there.
fn masked(text: &str, may_stand: impl Fn(u8) -> bool, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.extend_from_slice(text.as_bytes());
    for byte in out.iter_mut().skip(start) {
        if !may_stand(*byte) {
            *byte = b'_';
        }
    }
    !text.is_empty()
}

fn host_name(entry: &Entry<'_>, form: Form, out: &mut Vec<u8>) -> bool {
    let name = entry.upstream.host_name;
    if name.is_empty() {
        return entry
            .upstream
            .host
            .is_some_and(|host| form.write(host, out));
    }
    let shown = match (form, name.rsplit_once(':')) {
        (Form::WithoutPort, Some((host, port))) if port.parse::<u16>().is_ok() => host,
        _ => name,
    };
    out.extend_from_slice(shown.as_bytes());
    true
}
