//! What a real Envoy (LATEEN_ENVOY) writes of requests that go well and ill, against what our templates make of the
//! same entries: every operator as text, and the JSON line byte for byte.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "with_envoy/envoy.rs"]
mod envoy;
#[path = "with_envoy/probe.rs"]
mod probe;

use std::net::SocketAddr;

use accesslog::{Downstream, Entry, Flags, JsonTemplate, Protocol, Template, Upstream, Value};
use envoy::{Envoy, PATIENCE, quoted};
use headers::Headers;
use probe::Probe;

/// Operators, by lines: of fields, of the entry, of times, of connections, of what has no value here.
const OPERATORS: &str = "REQ(:METHOD) REQ(X-ENVOY-ORIGINAL-PATH?:PATH) REQ(:PATH):5 REQ(:path):0 REQ(nope) REQ(nope?user-agent) REQ(X-MULTI) REQ(x-odd) REQ(x-tab) REQ(x-bytes) REQ(x-both) REQ(x-utf) REQ(x-long) REQ(host) REQ(:authority) REQ(:scheme) REQ(x-empty) REQUEST_HEADER(user-agent) PATH PATH(NQ) PATH(WQ:ORIG) PATH(NQ:PATH):3 QUERY_PARAM(a) QUERY_PARAM(zz):1 QUERY_PARAM(none) QUERY_PARAMS RESP(server) RESP(content-length) RESP(:status) RESP(nope?server):3 RESP(x-up) RESP(x-envoy-upstream-service-time) TRAILER(grpc-status) RESPONSE_TRAILER(x?y):3 RESPONSE_HEADER(server) REQUEST_HEADERS_BYTES RESPONSE_HEADERS_BYTES RESPONSE_TRAILERS_BYTES
PROTOCOL RESPONSE_CODE RESPONSE_FLAGS RESPONSE_FLAGS_LONG RESPONSE_CODE_DETAILS RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES) CONNECTION_TERMINATION_DETAILS BYTES_RECEIVED BYTES_SENT ROUTE_NAME LISTENER_NAME FILTER_CHAIN_NAME ACCESS_LOG_TYPE REQUESTED_SERVER_NAME REQUESTED_SERVER_NAME(SNI_ONLY) HOSTNAME ENVIRONMENT(PATH) ENVIRONMENT(PATH):2 ENVIRONMENT(LATEEN_NOT_SET) GRPC_STATUS GRPC_STATUS(CAMEL_STRING) GRPC_STATUS(SNAKE_STRING) GRPC_STATUS(NUMBER) GRPC_STATUS_NUMBER LOCAL_REPLY_BODY CUSTOM_FLAGS
START_TIME START_TIME(%Y/%m/%dT%H:%M:%S%z|%s.%3f) START_TIME(%s%6f|%9f|%f|%1f) START_TIME(%E3S|%E*S|%e|%j|%p|%I|%a|%A|%b|%B|%y|%C|%D|%F|%T|%R|%u|%w|%U|%W|%V|%G|%g|%h) START_TIME(%t|%c|%x|%X|%r|%k|%l|%Z|%Ez|%E4Y|%P|%:z|%E*f|%E3f|%Ec|%Od|%E0S|%ET|%%|%) START_TIME(plain) START_TIME_LOCAL START_TIME_LOCAL(%F) DURATION REQUEST_DURATION REQUEST_TX_DURATION RESPONSE_DURATION RESPONSE_TX_DURATION COMMON_DURATION(DS_RX_BEG:DS_TX_END:us) COMMON_DURATION(DS_RX_BEG:US_RX_BEG) COMMON_DURATION(US_RX_BEG:US_RX_END:ns) COMMON_DURATION(DS_RX_BEG:mine)
UPSTREAM_HOST UPSTREAM_HOST_NAME UPSTREAM_HOST_NAME_WITHOUT_PORT UPSTREAM_CLUSTER UPSTREAM_CLUSTER_RAW UPSTREAM_LOCAL_ADDRESS UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT UPSTREAM_LOCAL_PORT UPSTREAM_REMOTE_ADDRESS UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT UPSTREAM_REMOTE_PORT UPSTREAM_PROTOCOL UPSTREAM_CONNECTION_ID UPSTREAM_CONNECTION_POOL_READY_DURATION UPSTREAM_TRANSPORT_FAILURE_REASON UPSTREAM_REQUEST_ATTEMPT_COUNT UPSTREAM_WIRE_BYTES_SENT UPSTREAM_WIRE_BYTES_RECEIVED DOWNSTREAM_WIRE_BYTES_SENT DOWNSTREAM_WIRE_BYTES_RECEIVED CONNECTION_ID DOWNSTREAM_LOCAL_ADDRESS DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(24) DOWNSTREAM_LOCAL_PORT DOWNSTREAM_REMOTE_ADDRESS DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(7) DOWNSTREAM_REMOTE_PORT DOWNSTREAM_DIRECT_REMOTE_ADDRESS DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT DOWNSTREAM_DIRECT_REMOTE_PORT DOWNSTREAM_DIRECT_LOCAL_ADDRESS DOWNSTREAM_DIRECT_LOCAL_PORT DOWNSTREAM_TRANSPORT_FAILURE_REASON DOWNSTREAM_TLS_VERSION DOWNSTREAM_TLS_CIPHER DOWNSTREAM_PEER_URI_SAN DOWNSTREAM_PEER_SERIAL DOWNSTREAM_PEER_FINGERPRINT_256 DOWNSTREAM_LOCAL_SUBJECT DOWNSTREAM_LOCAL_URI_SAN UPSTREAM_TLS_VERSION UPSTREAM_PEER_URI_SAN UPSTREAM_LOCAL_URI_SAN
METADATA(ROUTE:com.test:my) METADATA(CLUSTER:a) DYNAMIC_METADATA(com.test:my_key) DYNAMIC_METADATA(com.test):8 CLUSTER_METADATA(a:b) UPSTREAM_METADATA(a:b) FILTER_STATE(x) FILTER_STATE(x:PLAIN) UPSTREAM_FILTER_STATE(x) VIRTUAL_CLUSTER_NAME TRACE_ID DOWNSTREAM_HANDSHAKE_DURATION DOWNSTREAM_TLS_SESSION_ID UPSTREAM_PEER_CERT_V_START";

/// A request and what is known of it beforehand.
struct Case {
    target: &'static str,
    extra: &'static str,
    code: u16,
    details: &'static str,
    flags: Flags,
    bytes: (u64, u64),
    route: &'static str,
    cluster: &'static str,
    attempts: u32,
}

const HEAD: &str = "host: ex.com:80\r\nuser-agent: \"ag\\ent\"\r\nx-multi: a\r\nx-multi: b\r\nx-odd: q\"\\u{}%\r\nx-tab: a\tb\r\nx-utf: n\u{e9}\u{1F600}\r\nx-empty:\r\nx-long: 0123456789012345678901234567890123456789\r\n";

/// Bytes that are no UTF-8, alone and beside what is escaped by itself.
const BYTES: &[u8] = b"x-bytes: \x80\xc3\xa9\"\\\r\nx-both: a\t\xff/b\r\n";

const CASES: [Case; 7] = [
    Case {
        target: "GET /direct?a=b%20c&zz=12#f",
        extra: "",
        code: 200,
        details: "direct_response",
        flags: Flags::NONE,
        bytes: (0, 5),
        route: "direct",
        cluster: "",
        attempts: 0,
    },
    Case {
        target: "POST /dead/x",
        extra: "content-length: 3\r\n",
        code: 503,
        details: "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
        flags: Flags::UPSTREAM_CONNECTION_FAILURE,
        bytes: (3, 98),
        route: "dead",
        cluster: "dead",
        attempts: 1,
    },
    Case {
        target: "GET /empty",
        extra: "",
        code: 503,
        details: "no_healthy_upstream",
        flags: Flags::NO_HEALTHY_UPSTREAM,
        bytes: (0, 19),
        route: "empty",
        cluster: "empty",
        attempts: 1,
    },
    Case {
        target: "POST /live/m",
        extra: "content-type: application/grpc\r\nte: trailers\r\ncontent-length: 0\r\n",
        code: 200,
        details: "via_upstream",
        flags: Flags::NONE,
        bytes: (0, 2),
        route: "live",
        cluster: "live",
        attempts: 1,
    },
    Case {
        target: "GET /gone",
        extra: "",
        code: 503,
        details: "cluster_not_found",
        flags: Flags::NO_CLUSTER_FOUND,
        bytes: (0, 0),
        route: "gone",
        cluster: "",
        attempts: 0,
    },
    Case {
        target: "GET /nothing?a",
        extra: "content-type: application/grpc\r\n",
        code: 200,
        details: "route_not_found",
        flags: Flags::NO_ROUTE_FOUND,
        bytes: (0, 0),
        route: "",
        cluster: "",
        attempts: 0,
    },
    Case {
        target: "GET /live/boom",
        extra: "",
        code: 503,
        details: "upstream_reset_before_response_started{connection_termination}",
        flags: Flags::UPSTREAM_CONNECTION_TERMINATION,
        bytes: (0, 95),
        route: "live",
        cluster: "live",
        attempts: 1,
    },
];

fn operators() -> Vec<&'static str> {
    OPERATORS.split_whitespace().collect()
}

/// A JSON format of all operators and some text about them, in no order.
fn json_fields() -> Vec<(String, Value)> {
    let single = operators().into_iter().enumerate().rev();
    let mut fields: Vec<_> = single
        .map(|(n, operator)| (format!("k{n}"), Value::Text(format!("%{operator}%"))))
        .collect();
    let text = |text: &str| Value::Text(text.into());
    fields.push(("é\"\\".into(), text("say \"%REQ(x-odd)%\" %REQ(nope)%")));
    fields.push(("bytes".into(), text("%%%REQ(x-bytes)%")));
    fields.push((
        "list".into(),
        Value::List(vec![
            text("%PROTOCOL%"),
            Value::Number(2.5),
            Value::Bool(true),
            Value::Null,
            text("%REQ(nope)%"),
        ]),
    ));
    fields.push((
        "Object".into(),
        Value::Object(vec![
            ("z".into(), text("%REQ(nope)%")),
            ("a".into(), text("%RESPONSE_CODE%")),
        ]),
    ));
    fields.push((
        "only".into(),
        Value::Object(vec![("z".into(), text("%REQ(nope)%"))]),
    ));
    fields
}

fn json_of(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::Text(text) => quoted(text),
        Value::List(values) => format!(
            "[{}]",
            values.iter().map(json_of).collect::<Vec<_>>().join(",")
        ),
        Value::Object(fields) => json_object(fields),
    }
}

fn json_object(fields: &[(String, Value)]) -> String {
    let fields = fields
        .iter()
        .map(|(key, value)| format!("{}:{}", quoted(key), json_of(value)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// The text format: a line for each operator, and one that ends the entry.
fn text_format() -> String {
    let lines: String = operators()
        .iter()
        .map(|operator| format!("%{operator}%\u{1}\n"))
        .collect();
    format!("{}{lines}----\n", probe::FORMAT)
}

/// Fields of a head as they came.
fn fields(head: &[u8], into: &mut Headers) {
    for line in head
        .split(|b| *b == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
    {
        let colon = line.iter().position(|b| *b == b':').unwrap();
        into.push(
            &line[..colon].to_ascii_lowercase(),
            line[colon + 1..].trim_ascii(),
        );
    }
}

/// The request as Envoy logs it: with what it adds on its way.
fn request_of(case: &Case, id: &str) -> Headers {
    let (method, target) = case.target.split_once(' ').unwrap();
    let mut request = Headers::new();
    let path = target.split('#').next().unwrap();
    for (name, value) in [
        (":authority", "ex.com:80"),
        (":path", path),
        (":method", method),
        (":scheme", "http"),
    ] {
        request.push(name.as_bytes(), value.as_bytes());
    }
    fields(HEAD.split_once("\r\n").unwrap().1.as_bytes(), &mut request);
    fields(BYTES, &mut request);
    fields(case.extra.as_bytes(), &mut request);
    request.push(b"x-forwarded-proto", b"http");
    request.push(b"x-request-id", id.as_bytes());
    if !case.cluster.is_empty() {
        request.push(b"x-envoy-expected-rq-timeout-ms", b"15000");
    }
    request
}

/// The answer as Envoy logs it: as the client got it, but for what the codec alone adds.
fn response_of(answer: &[u8]) -> Headers {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let status = answer[..end].splitn(3, |b| *b == b' ').nth(1).unwrap();
    let first = answer.iter().position(|b| *b == b'\n').unwrap();
    let mut response = Headers::new();
    response.push(b":status", status);
    fields(&answer[first..end], &mut response);
    if response.find(b"content-length") == Some(b"0") {
        response.remove_name(b"content-length");
    }
    response
}

struct Lines {
    text: Vec<Vec<u8>>,
    json: Vec<Vec<u8>>,
    terse: Vec<Vec<u8>>,
}

impl Lines {
    fn of(logs: &[Vec<u8>]) -> Self {
        let split = |log: &[u8], end: &[u8]| {
            let mut entries = Vec::new();
            let mut rest = log;
            while let Some(at) = rest.windows(end.len()).position(|w| w == end) {
                entries.push(rest[..at].to_vec());
                rest = &rest[at + end.len()..];
            }
            entries
        };
        Lines {
            text: split(&logs[0], b"----\n"),
            json: split(&logs[1], b"\n"),
            terse: split(&logs[2], b"\n"),
        }
    }

    /// Compares everything written of one entry.
    fn compare(&self, at: usize, what: &str, entry: &Entry<'_>) {
        let mut lines = self.text[at].split(|b| *b == b'\n').skip(1);
        for operator in operators() {
            let mut ours = Vec::new();
            Template::parse(&format!("%{operator}%\u{1}"))
                .unwrap()
                .render(entry, &mut ours);
            let envoys = lines.next().unwrap();
            assert_eq!(
                String::from_utf8_lossy(&ours),
                String::from_utf8_lossy(envoys),
                "%{operator}% of {what}"
            );
            assert_eq!(ours, envoys, "%{operator}% of {what}");
        }
        for (omit, envoys) in [(false, &self.json[at]), (true, &self.terse[at])] {
            let mut ours = Vec::new();
            JsonTemplate::parse(&json_fields(), omit)
                .unwrap()
                .render(entry, &mut ours);
            assert_eq!(ours.pop(), Some(b'\n'));
            let same = ours.iter().zip(envoys).take_while(|(a, b)| a == b).count();
            let from = |line: &[u8]| {
                String::from_utf8_lossy(&line[same.saturating_sub(60)..]).into_owned()
            };
            assert_eq!(
                from(&ours),
                from(envoys),
                "JSON of {what}, omitting: {omit}"
            );
        }
    }

    fn probe(&self, at: usize) -> Probe {
        let line = self.text[at].split(|b| *b == b'\n').next().unwrap();
        Probe::of(std::str::from_utf8(line).unwrap())
    }
}

/// The entry but for its headers, from what is known of the case and what Envoy alone knows.
fn entry<'a>(probe: &Probe, name: &'a str, at: SocketAddr, client: SocketAddr) -> Entry<'a> {
    let [
        request,
        request_sent,
        response,
        response_received,
        response_sent,
    ] = probe.points();
    let downstream = Downstream {
        listener_name: name,
        filter_chain_name: "chain",
        connection_id: probe.number(9).unwrap(),
        wire_bytes_received: probe.number(11).unwrap(),
        wire_bytes_sent: probe.number(12).unwrap(),
        ..Downstream::new(at, client)
    };
    Entry {
        duration: probe.duration(),
        request_duration: request,
        request_sent_duration: request_sent,
        response_duration: response,
        response_received_duration: response_received,
        response_sent_duration: response_sent,
        upstream: Upstream {
            connection_id: probe.number(10),
            pool_ready_duration: probe.pool_ready(),
            wire_bytes_received: probe.number(13).unwrap(),
            wire_bytes_sent: probe.number(14).unwrap(),
            ..Upstream::default()
        },
        ..Entry::new(probe.start(), downstream)
    }
}

#[test]
fn every_operator_renders_as_envoy_renders_it() {
    let json = format!("{{\"json_format\":{}}}", json_object(&json_fields()));
    let terse = format!(
        "{{\"json_format\":{},\"omit_empty_values\":true}}",
        json_object(&json_fields())
    );
    let text = format!(
        "{{\"text_format_source\":{{\"inline_string\":{}}}}}",
        quoted(&text_format())
    );
    let text = text.replace('\u{1}', "\\u0001");
    let envoy = Envoy::start(&[text, json, terse]);

    let mut seen = Vec::new();
    for case in &CASES {
        let body = if case.bytes.0 > 0 { "abc" } else { "" };
        let mut request = format!(
            "{} HTTP/1.1\r\n{HEAD}",
            case.target.split('#').next().unwrap()
        )
        .into_bytes();
        request.extend_from_slice(BYTES);
        request.extend_from_slice(format!("{}\r\n{body}", case.extra).as_bytes());
        let (answer, client) = envoy.exchange(envoy.http, &request);
        let local = (case.cluster == "live").then(|| envoy.peers.recv_timeout(PATIENCE).unwrap());
        seen.push((answer, client, local));
    }
    let (_, tcp_client) = envoy.exchange(envoy.tcp, b"abc");
    let (http, tcp, application) = (envoy.http, envoy.tcp, envoy.application);
    let logs = envoy.finish(3);
    let lines = Lines::of(&logs);
    assert_eq!(
        (lines.text.len(), lines.json.len(), lines.terse.len()),
        (8, 8, 8)
    );

    let dead = String::from_utf8_lossy(&lines.text[1]).into_owned();
    let dead = dead
        .lines()
        .find(|line| line.starts_with("127.0.0.1:") && !line.contains(&http.to_string()))
        .unwrap();
    let dead: SocketAddr = dead.trim_end_matches('\u{1}').parse().unwrap();
    let refused = "delayed_connect_error: Connection refused";

    for (n, (case, (answer, client, local))) in CASES.iter().zip(&seen).enumerate() {
        let probe = lines.probe(n);
        let (request, response) = (request_of(case, probe.request_id()), response_of(answer));
        let known = entry(&probe, "l", http, *client);
        let host = match case.cluster {
            "live" => Some(application),
            "dead" => Some(dead),
            _ => None,
        };
        let alternative = format!("{}_alt", case.cluster);
        let name = format!("host.of.{}", case.cluster);
        let entry = Entry {
            request: Some(&request),
            response: Some(&response),
            protocol: Some(Protocol::Http11),
            response_code: case.code,
            response_code_details: case.details,
            flags: case.flags,
            bytes_received: case.bytes.0,
            bytes_sent: case.bytes.1,
            route_name: case.route,
            upstream: Upstream {
                host,
                host_name: if host.is_some() { &name } else { "" },
                cluster: case.cluster,
                cluster_alt_stat_name: if case.cluster.is_empty() {
                    ""
                } else {
                    &alternative
                },
                local_address: *local,
                protocol: local.map(|_| Protocol::Http11),
                attempts: case.attempts,
                transport_failure_reason: if case.cluster == "dead" { refused } else { "" },
                ..known.upstream
            },
            ..known
        };
        lines.compare(n, case.target, &entry);
    }

    let known = entry(&lines.probe(7), "tcp", tcp, tcp_client);
    let connection = Entry {
        flags: Flags::UPSTREAM_CONNECTION_FAILURE | Flags::UPSTREAM_RETRY_LIMIT_EXCEEDED,
        upstream: Upstream {
            host: Some(dead),
            host_name: "host.of.dead",
            cluster: "dead",
            cluster_alt_stat_name: "dead_alt",
            attempts: 1,
            transport_failure_reason: refused,
            ..known.upstream
        },
        ..known
    };
    lines.compare(7, "a connection of bytes", &connection);
}
