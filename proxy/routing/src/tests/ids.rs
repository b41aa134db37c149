use std::time::Duration;

use graph::manager::{HttpManager, ServerHeader};
use graph::policy::{Abort, Fault};
use graph::route::{HeaderCondition, HeaderTest};

use super::{Numbers, bytes, fields, get, manager, text};
use crate::request_id::{set, uuid};
use crate::{Injected, fault, grpc, server};

#[test]
fn a_request_id_is_a_uuid_of_version_4() {
    let id = |random| String::from_utf8(uuid(random).to_vec()).unwrap();
    assert_eq!(id([0, 0]), "00000000-0000-4000-8000-000000000000");
    assert_eq!(
        id([u64::MAX, u64::MAX]),
        "ffffffff-ffff-4fff-bfff-ffffffffffff"
    );
    let random = [0x0123_4567_89ab_cdef, 0x0123_4567_89ab_cdef];
    assert_eq!(id(random), "01234567-89ab-4def-8123-456789abcdef");
}

/// Envoy 1.40: an id that came keeps even the character that says why it is traced; the edge makes its own.
#[test]
fn a_request_keeps_its_id_unless_it_comes_from_outside() {
    let came = "11111111-1111-a111-1111-111111111111";
    let preserving = HttpManager {
        preserve_external_request_id: true,
        ..manager()
    };
    let off = HttpManager {
        generate_request_id: false,
        ..manager()
    };
    let new = "00000000-0000-4000-8000-000000000000";
    let cases = [
        (&manager(), Some(came), false, Some(came)),
        (&manager(), Some(came), true, Some(new)),
        (&preserving, Some(came), true, Some(came)),
        (&manager(), None, false, Some(new)),
        (&off, None, false, None),
        (&off, Some(came), true, Some(came)),
    ];
    for (manager, there, edge, expected) in cases {
        let mut request = get("/", &[]);
        if let Some(id) = there {
            request.push(b"x-request-id", id.as_bytes());
        }
        set(&mut request, manager, edge, [0, 0]);
        assert_eq!(text(&request, "x-request-id").as_deref(), expected);
    }
}

#[test]
fn the_server_field_is_ours_as_configured() {
    let cases = [
        (ServerHeader::Overwrite, Some("x"), Some("envoy")),
        (ServerHeader::Overwrite, None, Some("envoy")),
        (ServerHeader::AppendIfAbsent, Some("x"), Some("x")),
        (ServerHeader::AppendIfAbsent, None, Some("envoy")),
        (ServerHeader::PassThrough, Some("x"), Some("x")),
        (ServerHeader::PassThrough, None, None),
    ];
    for (mode, there, expected) in cases {
        let manager = HttpManager {
            server_header: mode,
            ..manager()
        };
        let mut response = fields(&[(":status", "200")]);
        if let Some(value) = there {
            response.push(b"server", value.as_bytes());
        }
        server::set(&mut response, &manager);
        assert_eq!(text(&response, "server").as_deref(), expected, "{mode:?}");
    }
}

#[test]
fn faults_befall_their_share_of_matching_requests() {
    let policy = Fault {
        delay: Some((Duration::from_secs(1), 250_000)),
        abort: Some((Abort::Http(418), 500_000)),
        headers: vec![HeaderCondition {
            name: bytes("end-user"),
            on: HeaderTest::Present(true),
            invert: false,
            missing_as_empty: false,
        }],
    };
    let matching = get("/", &[("end-user", "jason")]);
    let mut numbers = Numbers(5);
    let (mut delayed, mut aborted) = (0, 0);
    for _ in 0..100_000 {
        let random = [numbers.next(), numbers.next()];
        let injected = fault(&policy, &matching, random);
        delayed += u32::from(injected.delay.is_some());
        aborted += u32::from(injected.abort == Some(Abort::Http(418)));
        assert_eq!(fault(&policy, &get("/", &[]), random), Injected::default());
    }
    assert!((24_500..25_500).contains(&delayed), "{delayed}");
    assert!((49_500..50_500).contains(&aborted), "{aborted}");
}

/// <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>
#[test]
fn statuses_of_http_and_grpc_are_told_in_each_others_terms() {
    for (http, expected) in [
        (400, 13),
        (401, 16),
        (403, 7),
        (404, 12),
        (429, 14),
        (502, 14),
        (503, 14),
        (504, 14),
        (500, 2),
        (418, 2),
    ] {
        assert_eq!(grpc::status_of_http(http), expected, "{http}");
    }
    let table = [
        200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401, 500,
    ];
    for (status, expected) in (0..).zip(table) {
        assert_eq!(grpc::status_to_http(status), expected, "{status}");
    }
}
