//! Tables of cases. Where a comment says so, each case was put to Envoy 1.40 and the answer is what it gave.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod conditions;
mod cors;
mod forwarded;
mod hops;
mod ids;
mod paths;
mod redirect;
mod rewrite;
mod table;
mod timeout;
mod weights;
mod xfcc;

use std::sync::Arc;
use std::time::Duration;

use graph::manager::*;
use graph::route::*;
use headers::Headers;

/// Names and values.
type Fields<'a> = &'a [(&'a str, &'a str)];

fn fields(list: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in list {
        headers.push(name.as_bytes(), value.as_bytes());
    }
    headers
}

fn get(path: &str, more: &[(&str, &str)]) -> Headers {
    let mut list = vec![
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "h"),
        (":path", path),
    ];
    list.extend_from_slice(more);
    fields(&list)
}

fn text(headers: &Headers, name: &str) -> Option<String> {
    let value = headers.find(name.as_bytes())?;
    Some(String::from_utf8_lossy(value).into_owned())
}

fn names(headers: &Headers) -> Vec<String> {
    headers
        .iter()
        .map(|f| String::from_utf8_lossy(f.name).into_owned())
        .collect()
}

fn bytes(text: &str) -> Box<[u8]> {
    text.as_bytes().into()
}

fn regex(pattern: &str) -> regex::bytes::Regex {
    regex::bytes::Regex::new(pattern).unwrap()
}

fn exact(want: &str) -> graph::text::TextMatcher {
    graph::text::TextMatcher {
        pattern: graph::text::TextMatch::Exact(bytes(want)),
        ignore_case: false,
    }
}

fn on(path: PathMatch) -> RouteMatch {
    RouteMatch {
        path,
        headers: Vec::new(),
        query: Vec::new(),
        grpc: false,
        fraction: None,
        client_certificate: None,
    }
}

fn any_path() -> RouteMatch {
    on(PathMatch::Prefix(bytes("/"), Case::Sensitive))
}

fn answering(name: &str, on: RouteMatch) -> Arc<Route> {
    Arc::new(Route {
        name: name.into(),
        on: Arc::new(on),
        action: Action::Respond {
            status: 200,
            body: Arc::from(&b""[..]),
        },
        request: Default::default(),
        response: Default::default(),
        fault: None,
        cors: None,
    })
}

fn forwarding() -> Forwarding {
    Forwarding {
        cluster_not_found: 503,
        timeout: Duration::ZERO,
        max_grpc_timeout: None,
        max_stream_duration: None,
        grpc_timeout_header_max: None,
        idle_timeout: None,
        retry: None,
        path: PathRewrite::None,
        host: HostRewrite::None,
        mirrors: Vec::new(),
        hash: Vec::new(),
        upgrades: Vec::new(),
    }
}

fn manager() -> HttpManager {
    HttpManager {
        stat_prefix: "test".into(),
        codec: Codec::Auto,
        routes: Routes::Inline(Arc::default()),
        access_logs: Vec::new(),
        server_name: "envoy".into(),
        server_header: ServerHeader::Overwrite,
        forward_client_cert: ForwardClientCert::Sanitize,
        set_current_client_cert: ClientCertDetails::default(),
        use_remote_address: false,
        trusted_hops: 0,
        skip_xff_append: false,
        generate_request_id: true,
        preserve_external_request_id: false,
        always_set_request_id_in_response: false,
        normalize_path: true,
        merge_slashes: false,
        escaped_slashes: EscapedSlashes::Keep,
        upgrades: Vec::new(),
        stream_idle_timeout: Duration::ZERO,
        request_timeout: Duration::ZERO,
        request_headers_timeout: Duration::ZERO,
        idle_timeout: Duration::ZERO,
        max_connection_duration: Duration::ZERO,
        max_stream_duration: Duration::ZERO,
        max_requests_per_connection: 0,
        drain_timeout: Duration::ZERO,
        max_request_headers_kib: 60,
        max_headers_count: 100,
        accept_http_10: false,
        http2: Http2Options {
            max_concurrent_streams: 100,
            initial_stream_window: 65_535,
            initial_connection_window: 65_535,
            allow_connect: true,
        },
        filters: Filters::default(),
        stats: None,
        via: "".into(),
        proxy_100_continue: false,
    }
}

/// A sequence of numbers that is the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
