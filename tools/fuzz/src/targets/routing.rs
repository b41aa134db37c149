//! Paths in one form, and the fields that speak of a request's way.

use std::sync::Arc;
use std::time::Duration;

use graph::manager::{
    ClientCertDetails, Codec, EscapedSlashes, Filters, ForwardClientCert, Http2Options,
    HttpManager, Routes, ServerHeader,
};
use headers::{Headers, Known};
use routing::normalize::{Normalized, Rules, normalize};
use routing::{forwarded, hops, query};

use crate::input::Input;

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let rules = Rules {
        normalize: input.flag(),
        merge_slashes: input.flag(),
        escaped_slashes: input.pick(&[
            EscapedSlashes::Keep,
            EscapedSlashes::Reject,
            EscapedSlashes::UnescapeAndRedirect,
            EscapedSlashes::UnescapeAndForward,
        ]),
    };
    let path = input.long_piece();
    paths(path, rules);
    let mut count = 0;
    for (name, value) in query::pairs(query::of(path)) {
        count += name.len() + value.len();
    }
    assert!(count <= path.len());
    fields(path, &mut input);
}

fn paths(path: &[u8], rules: Rules) {
    let (Normalized::Changed(new) | Normalized::Redirect(new)) = normalize(path, rules) else {
        return;
    };
    assert_ne!(new, path);
    assert!(new.len() <= 3 * path.len() + 1);
    let plain = new.split(|b| *b == b'?').next().unwrap_or_default();
    // Slashes alone become two, as in Envoy.
    if rules.merge_slashes && plain != b"//" {
        assert!(!plain.windows(2).any(|two| two == b"//"), "{}", show(&new));
    }
    if rules.normalize {
        let mut segments = plain.split(|b| *b == b'/');
        assert!(!segments.any(|s| s == b".." || s == b"."), "{}", show(&new));
    }
}

fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn fields(path: &[u8], input: &mut Input<'_>) {
    const NAMES: &[&str] = &[
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-envoy-internal",
        "x-envoy-external-address",
        "x-request-id",
        "connection",
        "upgrade",
        "te",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "content-length",
        ":protocol",
        "x",
    ];
    let mut request = Headers::new();
    request.push_known(
        Known::Method,
        input.pick(&[&b"GET"[..], b"CONNECT", b"POST"]),
    );
    request.push_known(Known::Path, path);
    while !input.is_empty() {
        let name = input.pick(NAMES);
        request.push(name.as_bytes(), input.piece());
    }
    let connection = forwarded::Connection {
        remote: [10, 0, 0, 1].into(),
        own: [10, 0, 0, 2].into(),
        tls: false,
    };
    let mut marked = request.clone();
    forwarded::mark(&mut marked, &manager(), &connection);
    forwarded::set_scheme(&mut marked, true);
    let mut stripped = request.clone();
    hops::strip_request(&mut stripped);
    hops::request_to_http2(&mut stripped);
    for gone in [Known::Connection, Known::TransferEncoding, Known::Upgrade] {
        assert!(!stripped.has(gone), "{gone:?}: {stripped:?}");
    }
    hops::request_from_http2(&mut stripped);
    let mut response = request;
    hops::strip_response(&mut response, false);
    hops::response_to_http2(&mut response);
    assert!(!response.has(Known::Connection), "{response:?}");
}

fn manager() -> HttpManager {
    HttpManager {
        stat_prefix: "a".into(),
        codec: Codec::Auto,
        routes: Routes::Inline(Arc::default()),
        access_logs: Vec::new(),
        server_name: "envoy".into(),
        server_header: ServerHeader::Overwrite,
        forward_client_cert: ForwardClientCert::Sanitize,
        set_current_client_cert: ClientCertDetails::default(),
        use_remote_address: true,
        trusted_hops: 1,
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
