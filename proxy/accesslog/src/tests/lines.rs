//! The lines that a sidecar of Istio wrote, byte for byte.

use std::time::Duration;

use super::{address, fields, moment};
use crate::{Downstream, Entry, Protocol, Template, Upstream};

/// Istio's default text format.
const ISTIO: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

/// What differs between the lines.
struct Call {
    /// After 14:52:14.246.
    later_ms: u64,
    duration: u64,
    service_time: &'static str,
    id: &'static str,
    endpoint: &'static str,
    cluster: &'static str,
    local: &'static str,
    to: &'static str,
    from: &'static str,
    sni: &'static str,
}

const OUTBOUND: &str = "outbound|50051||k8s-combat-service.default.svc.cluster.local";
const VIRTUAL: &str = "10.101.204.13:50051";
const CLIENT: &str = "172.17.0.9:54012";

const CALLS: [(Call, &str); 5] = [
    (
        Call {
            later_ms: 33,
            duration: 14,
            service_time: "9",
            id: "6d293d32-af96-9f87-a8e4-6665632f7236",
            endpoint: "172.17.0.9:50051",
            cluster: "inbound|50051||",
            local: "127.0.0.6:42051",
            to: "172.17.0.9:50051",
            from: "172.17.0.9:40804",
            sni: "outbound_.50051_._.k8s-combat-service.default.svc.cluster.local",
        },
        r#"[2023-10-31T14:52:14.279Z] "POST /helloworld.Greeter/SayHello HTTP/2" 200 - via_upstream - "-" 12 61 14 9 "-" "grpc-go/1.58.3" "6d293d32-af96-9f87-a8e4-6665632f7236" "k8s-combat-service:50051" "172.17.0.9:50051" inbound|50051|| 127.0.0.6:42051 172.17.0.9:50051 172.17.0.9:40804 outbound_.50051_._.k8s-combat-service.default.svc.cluster.local default"#,
    ),
    (
        Call {
            later_ms: 0,
            duration: 58,
            service_time: "39",
            id: "6d293d32-af96-9f87-a8e4-6665632f7236",
            endpoint: "172.17.0.9:50051",
            cluster: OUTBOUND,
            local: "172.17.0.9:40804",
            to: VIRTUAL,
            from: CLIENT,
            sni: "",
        },
        r#"[2023-10-31T14:52:14.246Z] "POST /helloworld.Greeter/SayHello HTTP/2" 200 - via_upstream - "-" 12 61 58 39 "-" "grpc-go/1.58.3" "6d293d32-af96-9f87-a8e4-6665632f7236" "k8s-combat-service:50051" "172.17.0.9:50051" outbound|50051||k8s-combat-service.default.svc.cluster.local 172.17.0.9:40804 10.101.204.13:50051 172.17.0.9:54012 - default"#,
    ),
    (
        Call {
            later_ms: 1413,
            duration: 35,
            service_time: "34",
            id: "ed8ab4f2-384d-98da-81b7-d4466eaf0207",
            endpoint: "172.17.0.10:50051",
            cluster: OUTBOUND,
            local: "172.17.0.9:39800",
            to: VIRTUAL,
            from: CLIENT,
            sni: "",
        },
        r#"[2023-10-31T14:52:15.659Z] "POST /helloworld.Greeter/SayHello HTTP/2" 200 - via_upstream - "-" 12 61 35 34 "-" "grpc-go/1.58.3" "ed8ab4f2-384d-98da-81b7-d4466eaf0207" "k8s-combat-service:50051" "172.17.0.10:50051" outbound|50051||k8s-combat-service.default.svc.cluster.local 172.17.0.9:39800 10.101.204.13:50051 172.17.0.9:54012 - default"#,
    ),
    (
        Call {
            later_ms: 2278,
            duration: 28,
            service_time: "26",
            id: "67a22028-dfb3-92ca-aa23-573660b30dd4",
            endpoint: "172.17.0.8:50051",
            cluster: OUTBOUND,
            local: "172.17.0.9:44580",
            to: VIRTUAL,
            from: CLIENT,
            sni: "",
        },
        r#"[2023-10-31T14:52:16.524Z] "POST /helloworld.Greeter/SayHello HTTP/2" 200 - via_upstream - "-" 12 61 28 26 "-" "grpc-go/1.58.3" "67a22028-dfb3-92ca-aa23-573660b30dd4" "k8s-combat-service:50051" "172.17.0.8:50051" outbound|50051||k8s-combat-service.default.svc.cluster.local 172.17.0.9:44580 10.101.204.13:50051 172.17.0.9:54012 - default"#,
    ),
    (
        Call {
            later_ms: 2434,
            duration: 2,
            service_time: "2",
            id: "b4761d9f-7e4c-9f2c-b06f-64a028faa5bc",
            endpoint: "172.17.0.10:50051",
            cluster: OUTBOUND,
            local: "172.17.0.9:39800",
            to: VIRTUAL,
            from: CLIENT,
            sni: "",
        },
        r#"[2023-10-31T14:52:16.680Z] "POST /helloworld.Greeter/SayHello HTTP/2" 200 - via_upstream - "-" 12 61 2 2 "-" "grpc-go/1.58.3" "b4761d9f-7e4c-9f2c-b06f-64a028faa5bc" "k8s-combat-service:50051" "172.17.0.10:50051" outbound|50051||k8s-combat-service.default.svc.cluster.local 172.17.0.9:39800 10.101.204.13:50051 172.17.0.9:54012 - default"#,
    ),
];

#[test]
fn the_lines_of_a_real_sidecar_come_out_byte_for_byte() {
    let template = Template::parse(ISTIO).unwrap();
    for (call, line) in CALLS {
        let request = fields(&[
            (":method", "POST"),
            (":path", "/helloworld.Greeter/SayHello"),
            (":authority", "k8s-combat-service:50051"),
            ("user-agent", "grpc-go/1.58.3"),
            ("x-request-id", call.id),
        ]);
        let response = fields(&[("x-envoy-upstream-service-time", call.service_time)]);
        let downstream = Downstream {
            requested_server_name: call.sni,
            ..Downstream::new(address(call.to), address(call.from))
        };
        let entry = Entry {
            request: Some(&request),
            response: Some(&response),
            protocol: Some(Protocol::Http2),
            response_code: 200,
            response_code_details: "via_upstream",
            bytes_received: 12,
            bytes_sent: 61,
            duration: Duration::from_micros(call.duration * 1000 + 700),
            route_name: "default",
            upstream: Upstream {
                host: Some(address(call.endpoint)),
                cluster: call.cluster,
                local_address: Some(address(call.local)),
                ..Upstream::default()
            },
            ..Entry::new(
                moment() - Duration::from_millis(33) + Duration::from_millis(call.later_ms),
                downstream,
            )
        };
        let mut out = Vec::new();
        template.render(&entry, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), format!("{line}\n"));
    }
}

#[test]
fn a_connection_of_bytes_leaves_the_columns_of_http_empty() {
    let entry = Entry {
        bytes_received: 3,
        ..Entry::new(
            moment(),
            Downstream::new(address("[fd00::1]:5432"), address("[fd00::2]:40000")),
        )
    };
    let mut out = Vec::new();
    Template::parse(ISTIO).unwrap().render(&entry, &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "[2023-10-31T14:52:14.279Z] \"- - -\" 0 - - - \"-\" 3 0 0 - \"-\" \"-\" \"-\" \"-\" \"-\" - - [fd00::1]:5432 [fd00::2]:40000 - -\n"
    );
}
