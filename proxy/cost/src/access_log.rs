//! A line of the access log, in Istio's default text.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use accesslog::{Downstream, Entry, Protocol, Template, Upstream};

use crate::Failure;
use crate::messages;

/// Istio's default text format.
const ISTIO: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \
\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \
\"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% \
%DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

/// So many lines, each a millisecond after the one before.
pub(crate) fn lines(times: u32) -> Result<(), Failure> {
    let template = Template::parse(ISTIO)?;
    let mut request = messages::call("k8s-combat-service:50051");
    request.push(b"x-request-id", b"6d293d32-af96-9f87-a8e4-6665632f7236");
    let mut response = messages::called();
    response.push(b"x-envoy-upstream-service-time", b"39");
    let client = SocketAddr::from(([172, 17, 0, 9], 54_012));
    let service = SocketAddr::from(([10, 101, 204, 13], 50_051));
    let mut out = Vec::with_capacity(1024);
    for n in 0..times {
        let start = UNIX_EPOCH + Duration::from_millis(1_698_763_934_246 + u64::from(n));
        let entry = Entry {
            request: Some(&request),
            response: Some(&response),
            protocol: Some(Protocol::Http2),
            response_code: 200,
            response_code_details: "via_upstream",
            bytes_received: 12,
            bytes_sent: 61,
            duration: Duration::from_micros(58_700),
            route_name: "default",
            upstream: Upstream {
                host: Some(SocketAddr::from(([172, 17, 0, 9], 50_051))),
                cluster: "outbound|50051||k8s-combat-service.default.svc.cluster.local",
                local_address: Some(SocketAddr::from(([172, 17, 0, 9], 40_804))),
                ..Upstream::default()
            },
            ..Entry::new(start, Downstream::new(service, client))
        };
        out.clear();
        template.render(black_box(&entry), &mut out);
        black_box(&out);
    }
    Ok(())
}
