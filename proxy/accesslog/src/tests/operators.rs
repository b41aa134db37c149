use std::time::Duration;

use super::{address, bare, fields, render};
use crate::{Downstream, Entry, Flags, Protocol, Tls, Upstream};

#[test]
fn names_of_fields_are_found_in_any_case_and_cut_to_a_length() {
    let request = fields(&[
        (":path", "/a?b=1"),
        ("x-one", "first"),
        ("x-one", "second"),
        ("x-empty", ""),
    ]);
    let response = fields(&[("server", "envoy"), (":status", "200")]);
    let trailers = fields(&[("grpc-status", "7")]);
    let entry = Entry {
        request: Some(&request),
        response: Some(&response),
        trailers: Some(&trailers),
        ..bare()
    };
    let shown = |format| render(format, &entry);
    assert_eq!(shown("%REQ(X-One)%"), "first");
    assert_eq!(
        shown("%REQ(X-ONE):3%|%REQ(X-ONE):0%|%REQ(X-ONE):99%"),
        "fir||first"
    );
    assert_eq!(
        shown("%REQ(X-NONE)%|%REQ(X-NONE?X-ONE):2%|%REQ(X-EMPTY)%|%REQ(X-EMPTY?X-ONE)%"),
        "-|fi||"
    );
    assert_eq!(
        shown(
            "%RESP(SERVER)% %RESP(:STATUS)% %TRAILER(GRPC-STATUS)% %RESPONSE_TRAILER(x?grpc-status)%"
        ),
        "envoy 200 7 7"
    );
    assert_eq!(
        shown(
            "%REQ(:PATH)%|%REQUEST_HEADER(:PATH)%|%REQUEST_HEADERS_BYTES%|%RESPONSE_TRAILERS_BYTES%"
        ),
        "/a?b=1|/a?b=1|39|12"
    );
}

#[test]
fn host_and_authority_are_one_field_of_the_request() {
    for name in [":authority", "host"] {
        let request = fields(&[(name, "ex.com:80")]);
        let entry = Entry {
            request: Some(&request),
            ..bare()
        };
        assert_eq!(
            render("%REQ(HOST)% %REQ(:AUTHORITY)%", &entry),
            "ex.com:80 ex.com:80"
        );
    }
}

#[test]
fn values_stand_in_text_as_they_came() {
    let request = fields(&[("user-agent", "\"q\\u{}\t%x\"")]);
    let entry = Entry {
        request: Some(&request),
        ..bare()
    };
    assert_eq!(
        render("\"%REQ(USER-AGENT)%\"", &entry),
        "\"\"q\\u{}\t%x\"\""
    );
}

#[test]
fn paths_and_queries_are_taken_apart() {
    let request = fields(&[
        (":path", "/p/x?a=b%20c&zz=%zz&e=&a=2#frag"),
        ("x-envoy-original-path", "/orig?q=1"),
    ]);
    let entry = Entry {
        request: Some(&request),
        ..bare()
    };
    let shown = |format| render(format, &entry);
    assert_eq!(
        shown("%PATH%|%PATH(NQ)%|%PATH(WQ:ORIG)%|%PATH(NQ:PATH)%|%PATH(NQ:ORIG_OR_PATH):2%"),
        "/orig?q=1|/orig|/orig?q=1|/p/x|/o"
    );
    assert_eq!(
        shown(
            "%QUERY_PARAM(a)%|%QUERY_PARAM(a):1%|%QUERY_PARAM(zz)%|%QUERY_PARAM(e)%|%QUERY_PARAM(none)%"
        ),
        "b c|b|%zz||-"
    );
    assert_eq!(shown("%QUERY_PARAMS%"), "a=b%20c&zz=%zz&e=&a=2");
    let request = fields(&[(":path", "/p")]);
    let entry = Entry {
        request: Some(&request),
        ..bare()
    };
    assert_eq!(
        render(
            "%PATH%|%PATH(WQ:ORIG)%|%QUERY_PARAMS%|%QUERY_PARAM(a)%",
            &entry
        ),
        "/p|-|-|-"
    );
    assert_eq!(render("%PATH%|%QUERY_PARAMS%", &bare()), "-|-");
}

#[test]
fn addresses_come_with_and_without_port_and_as_networks() {
    let entry = Entry {
        downstream: Downstream {
            direct_local_address: address("10.0.0.9:15006"),
            direct_remote_address: address("[fd00:1:2:3::4]:7"),
            ..Downstream::new(address("192.168.77.200:80"), address("10.0.0.1:1234"))
        },
        upstream: Upstream {
            host: Some(address("10.1.2.3:8080")),
            local_address: Some(address("127.0.0.6:9")),
            ..Upstream::default()
        },
        ..bare()
    };
    let shown = |format| render(format, &entry);
    assert_eq!(
        shown(
            "%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_PORT%"
        ),
        "192.168.77.200:80 192.168.77.200 80"
    );
    assert_eq!(
        shown(
            "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_PORT% %DOWNSTREAM_DIRECT_LOCAL_ADDRESS%"
        ),
        "10.0.0.1:1234 1234 10.0.0.9:15006"
    );
    assert_eq!(
        shown("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"),
        "[fd00:1:2:3::4]:7 fd00:1:2:3::4"
    );
    assert_eq!(
        shown(
            "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(18)% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT(48)%"
        ),
        "192.168.64.0/18 fd00:1:2::/48"
    );
    assert_eq!(
        shown(
            "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(0)% %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(33)%"
        ),
        "0.0.0.0/0 192.168.77.200/32"
    );
    assert_eq!(
        shown(
            "%UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS% %UPSTREAM_REMOTE_PORT% %UPSTREAM_LOCAL_ADDRESS% %UPSTREAM_LOCAL_PORT%"
        ),
        "10.1.2.3:8080 10.1.2.3:8080 8080 127.0.0.6:9 9"
    );
    assert_eq!(
        render(
            "%UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS% %UPSTREAM_LOCAL_PORT%",
            &bare()
        ),
        "- - -"
    );
}

#[test]
fn an_endpoint_is_known_before_there_is_a_connection_to_it() {
    let entry = Entry {
        upstream: Upstream {
            host: Some(address("10.1.2.3:1")),
            ..Upstream::default()
        },
        ..bare()
    };
    assert_eq!(
        render("%UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS%", &entry),
        "10.1.2.3:1 -"
    );
}

#[test]
fn names_of_endpoints_fall_back_to_their_address() {
    let upstream = |host_name| Entry {
        upstream: Upstream {
            host: Some(address("10.1.2.3:8080")),
            host_name,
            ..Upstream::default()
        },
        ..bare()
    };
    let format = "%UPSTREAM_HOST_NAME% %UPSTREAM_HOST_NAME_WITHOUT_PORT%";
    assert_eq!(render(format, &upstream("")), "10.1.2.3:8080 10.1.2.3");
    assert_eq!(
        render(format, &upstream("a.example")),
        "a.example a.example"
    );
    assert_eq!(
        render(format, &upstream("a.example:443")),
        "a.example:443 a.example"
    );
    assert_eq!(render(format, &bare()), "- -");
}

#[test]
fn clusters_are_shown_by_their_other_name_but_where_the_raw_one_is_asked() {
    let entry = Entry {
        upstream: Upstream {
            cluster: "a|80||b",
            cluster_alt_stat_name: "b",
            ..Upstream::default()
        },
        ..bare()
    };
    assert_eq!(
        render("%UPSTREAM_CLUSTER% %UPSTREAM_CLUSTER_RAW%", &entry),
        "b a|80||b"
    );
    let entry = Entry {
        upstream: Upstream {
            cluster: "a",
            ..Upstream::default()
        },
        ..bare()
    };
    assert_eq!(
        render("%UPSTREAM_CLUSTER% %UPSTREAM_CLUSTER_RAW%", &entry),
        "a a"
    );
}

#[test]
fn flags_come_in_envoys_order_short_and_long() {
    let entry = Entry {
        flags: Flags::UPSTREAM_RETRY_LIMIT_EXCEEDED | Flags::UPSTREAM_CONNECTION_FAILURE,
        ..bare()
    };
    assert_eq!(
        render("%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%", &entry),
        "UF,URX UpstreamConnectionFailure,UpstreamRetryLimitExceeded"
    );
    let headers = headers::Headers::new();
    let of_a_request = Entry {
        request: Some(&headers),
        ..entry
    };
    assert_eq!(render("%RESPONSE_FLAGS%", &of_a_request), "URX,UF");
    assert_eq!(
        render("%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%", &bare()),
        "- -"
    );
    assert_eq!(
        Flags::of("UMSDR"),
        Some(Flags::UPSTREAM_MAX_STREAM_DURATION_REACHED)
    );
    assert_eq!(Flags::of("ZZ"), None);
    let bits = Flags::ALL
        .iter()
        .fold(Flags::NONE, |all, (flag, _, _)| all | *flag);
    assert_eq!(
        (Flags::ALL.len(), bits.0.count_ones()),
        (30, 30),
        "each flag has a bit of its own"
    );
}

#[test]
fn durations_are_whole_milliseconds_or_absent() {
    let us = |us| Some(Duration::from_micros(us));
    let entry = Entry {
        duration: Duration::from_micros(9_999),
        request_duration: us(1_500),
        request_sent_duration: us(2_000),
        response_duration: us(4_000),
        response_received_duration: us(8_000),
        response_sent_duration: us(9_500),
        upstream: Upstream {
            pool_ready_duration: us(1_001),
            ..Upstream::default()
        },
        ..bare()
    };
    let format = "%DURATION% %REQUEST_DURATION% %REQUEST_TX_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION% %UPSTREAM_CONNECTION_POOL_READY_DURATION%";
    assert_eq!(render(format, &entry), "9 1 2 4 5 1");
    assert_eq!(render(format, &bare()), "0 - - - - -");
    assert_eq!(
        render(
            "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)% %COMMON_DURATION(US_TX_END:US_RX_BEG)% %COMMON_DURATION(US_RX_BEG:US_RX_END:ns)% %COMMON_DURATION(DS_TX_END:DS_RX_END)% %COMMON_DURATION(DS_RX_BEG:mine)%",
            &entry
        ),
        "9500 2 4000000 - -"
    );
}

#[test]
fn details_lose_their_blanks_unless_allowed() {
    let entry = Entry {
        response_code_details: "rbac access denied",
        connection_termination_details: "by rule",
        upstream: Upstream {
            transport_failure_reason: "TLS_error:|a b",
            ..Upstream::default()
        },
        ..bare()
    };
    assert_eq!(
        render(
            "%RESPONSE_CODE_DETAILS% %RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)% %CONNECTION_TERMINATION_DETAILS% %UPSTREAM_TRANSPORT_FAILURE_REASON%",
            &entry
        ),
        "rbac_access_denied rbac access denied by rule TLS_error:|a_b"
    );
}

#[test]
fn a_server_name_can_bring_nothing_but_a_host_name_into_the_log() {
    let name = |requested_server_name| Entry {
        downstream: Downstream {
            requested_server_name,
            ..bare().downstream
        },
        ..bare()
    };
    let shown = crate::shown_server_name("a-b.example\" 200\n");
    assert_eq!(
        render("%REQUESTED_SERVER_NAME%", &name(&shown)),
        "a-b.example__200_"
    );
    assert_eq!(render("%REQUESTED_SERVER_NAME(SNI_ONLY)%", &name("")), "-");
}

#[test]
fn tls_is_shown_of_either_side() {
    let tls = Tls {
        version: "TLSv1.3",
        cipher: "TLS_AES_128_GCM_SHA256",
        peer_uri_san: "spiffe://td/ns/a/sa/b",
        peer_serial: "0a",
        ..Tls::default()
    };
    let entry = Entry {
        downstream: Downstream {
            tls: Some(tls),
            ..bare().downstream
        },
        upstream: Upstream {
            tls: Some(Tls {
                version: "TLSv1.2",
                ..Tls::default()
            }),
            ..Upstream::default()
        },
        ..bare()
    };
    assert_eq!(
        render(
            "%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER% %DOWNSTREAM_PEER_URI_SAN% %DOWNSTREAM_PEER_SERIAL% %DOWNSTREAM_LOCAL_URI_SAN% %UPSTREAM_TLS_VERSION% %UPSTREAM_PEER_URI_SAN%",
            &entry
        ),
        "TLSv1.3 TLS_AES_128_GCM_SHA256 spiffe://td/ns/a/sa/b 0a - TLSv1.2 -"
    );
    assert_eq!(
        render("%DOWNSTREAM_TLS_VERSION% %UPSTREAM_PEER_URI_SAN%", &bare()),
        "- -"
    );
}

#[test]
fn the_status_of_a_grpc_call_is_found_where_it_is() {
    let format = "%GRPC_STATUS% %GRPC_STATUS(CAMEL_STRING)% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)% %GRPC_STATUS_NUMBER%";
    let shown = |kind, response: &[(&str, &str)], trailers: &[(&str, &str)], response_code| {
        let (request, response, trailers) = (
            fields(&[("content-type", kind)]),
            fields(response),
            fields(trailers),
        );
        render(
            format,
            &Entry {
                request: Some(&request),
                response: Some(&response),
                trailers: Some(&trailers),
                response_code,
                ..bare()
            },
        )
    };
    let grpc = "application/grpc";
    assert_eq!(
        shown(grpc, &[], &[("grpc-status", "5")], 200),
        "NotFound NotFound NOT_FOUND 5 5"
    );
    assert_eq!(
        shown("application/grpc+proto", &[("grpc-status", "1")], &[], 200),
        "Canceled Canceled CANCELLED 1 1"
    );
    assert_eq!(
        shown(grpc, &[("grpc-status", "1")], &[("grpc-status", "0")], 200),
        "OK OK OK 0 0",
        "trailers come first"
    );
    assert_eq!(
        shown(grpc, &[], &[], 503),
        "Unavailable Unavailable UNAVAILABLE 14 14",
        "what HTTP's status means"
    );
    assert_eq!(
        shown(grpc, &[], &[("grpc-status", "99")], 200),
        "99 99 99 99 99"
    );
    assert_eq!(
        shown(grpc, &[], &[("grpc-status", "+1")], 200),
        "-1 -1 -1 -1 -1"
    );
    assert_eq!(
        shown("application/grpc-web", &[], &[("grpc-status", "5")], 200),
        "- - - - -"
    );
    assert_eq!(render(format, &bare()), "- - - - -");
}

#[test]
fn numbers_of_the_entry_are_shown() {
    let entry = Entry {
        response_code: 503,
        bytes_received: u64::MAX,
        bytes_sent: 10,
        protocol: Some(Protocol::Http10),
        downstream: Downstream {
            connection_id: 7,
            wire_bytes_received: 100,
            wire_bytes_sent: 200,
            listener_name: "l",
            filter_chain_name: "f",
            ..bare().downstream
        },
        upstream: Upstream {
            attempts: 3,
            connection_id: Some(9),
            protocol: Some(Protocol::Http2),
            wire_bytes_received: 1,
            wire_bytes_sent: 2,
            ..Upstream::default()
        },
        ..bare()
    };
    assert_eq!(
        render(
            "%RESPONSE_CODE% %BYTES_RECEIVED% %BYTES_SENT% %PROTOCOL% %UPSTREAM_PROTOCOL% %CONNECTION_ID% %UPSTREAM_CONNECTION_ID% %UPSTREAM_REQUEST_ATTEMPT_COUNT%",
            &entry
        ),
        "503 18446744073709551615 10 HTTP/1.0 HTTP/2 7 9 3"
    );
    assert_eq!(
        render(
            "%DOWNSTREAM_WIRE_BYTES_RECEIVED% %DOWNSTREAM_WIRE_BYTES_SENT% %UPSTREAM_WIRE_BYTES_RECEIVED% %UPSTREAM_WIRE_BYTES_SENT%",
            &entry
        ),
        "100 200 1 2"
    );
    assert_eq!(
        render(
            "%LISTENER_NAME% %FILTER_CHAIN_NAME% %ACCESS_LOG_TYPE%",
            &entry
        ),
        "l f DownstreamEnd"
    );
    assert_eq!(
        render(
            "%RESPONSE_CODE% %UPSTREAM_CONNECTION_ID% %ACCESS_LOG_TYPE%[%CUSTOM_FLAGS%]",
            &bare()
        ),
        "0 0 TcpConnectionEnd[]"
    );
}

#[test]
fn host_name_and_environment_are_read_once() {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(render("%HOSTNAME%", &bare()), name.trim_end());
    let path = std::env::var("PATH").unwrap();
    assert_eq!(
        render("%ENVIRONMENT(PATH)%|%ENVIRONMENT(PATH):2%", &bare()),
        format!("{path}|{}", &path[..2])
    );
    assert_eq!(render("%ENVIRONMENT(LATEEN_NOT_SET)%", &bare()), "-");
}

#[test]
fn numbers_and_addresses_of_every_width_are_written_whole() {
    for number in (0..20).flat_map(|power| [10_u64.pow(power) - 1, 10_u64.pow(power)]) {
        let entry = Entry {
            bytes_sent: number,
            ..bare()
        };
        assert_eq!(render("%BYTES_SENT%", &entry), number.to_string());
    }
    for octet in 0..=255_u8 {
        let text = format!("{octet}.0.{octet}.{octet}:{}", u16::from(octet) * 257);
        let entry = Entry {
            downstream: Downstream::new(address(&text), address("1.1.1.1:1")),
            ..bare()
        };
        assert_eq!(render("%DOWNSTREAM_LOCAL_ADDRESS%", &entry), text);
    }
}
