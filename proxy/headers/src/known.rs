//! The names that have a slot.

macro_rules! known {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// A field name that the proxy reads or writes itself, pseudo-header fields (RFC 9113, 8.3) included.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Known {
            $(#[doc = concat!("`", $name, "`")] $variant,)+
        }

        impl Known {
            /// Every known name.
            pub const ALL: &'static [Known] = &[$(Known::$variant),+];

            /// The name as it stands on the wire of HTTP/2: lower case.
            #[must_use]
            #[inline]
            pub const fn name(self) -> &'static str {
                match self { $(Known::$variant => $name),+ }
            }

            /// The known name that `name` is, compared exactly: names are lower case from the codecs on.
            #[must_use]
            #[allow(non_upper_case_globals)] // a constant for each variant, of its name
            pub fn of(name: &[u8]) -> Option<Known> {
                // Compiled to a switch on length and bytes.
                $(const $variant: &[u8] = $name.as_bytes();)+
                match name { $($variant => Some(Known::$variant),)+ _ => None }
            }
        }
    };
}

known! {
    Method = ":method",
    Scheme = ":scheme",
    Authority = ":authority",
    Path = ":path",
    Protocol = ":protocol",
    Status = ":status",
    Host = "host",
    Connection = "connection",
    KeepAlive = "keep-alive",
    ProxyConnection = "proxy-connection",
    TransferEncoding = "transfer-encoding",
    Upgrade = "upgrade",
    Te = "te",
    Trailer = "trailer",
    ContentLength = "content-length",
    ContentType = "content-type",
    Expect = "expect",
    Date = "date",
    Server = "server",
    Via = "via",
    UserAgent = "user-agent",
    Cookie = "cookie",
    Location = "location",
    Origin = "origin",
    Authorization = "authorization",
    RetryAfter = "retry-after",
    GrpcStatus = "grpc-status",
    GrpcMessage = "grpc-message",
    GrpcTimeout = "grpc-timeout",
    XForwardedFor = "x-forwarded-for",
    XForwardedProto = "x-forwarded-proto",
    XForwardedHost = "x-forwarded-host",
    XForwardedClientCert = "x-forwarded-client-cert",
    XRequestId = "x-request-id",
    XEnvoyOriginalPath = "x-envoy-original-path",
    XEnvoyOriginalHost = "x-envoy-original-host",
    XEnvoyAttemptCount = "x-envoy-attempt-count",
    XEnvoyDecoratorOperation = "x-envoy-decorator-operation",
    XEnvoyPeerMetadata = "x-envoy-peer-metadata",
    XEnvoyPeerMetadataId = "x-envoy-peer-metadata-id",
    XEnvoyExpectedTimeout = "x-envoy-expected-rq-timeout-ms",
    XEnvoyUpstreamTimeout = "x-envoy-upstream-rq-timeout-ms",
    XEnvoyUpstreamServiceTime = "x-envoy-upstream-service-time",
    XEnvoyOverloaded = "x-envoy-overloaded",
    XEnvoyRetryOn = "x-envoy-retry-on",
    XEnvoyRetryGrpcOn = "x-envoy-retry-grpc-on",
    XEnvoyMaxRetries = "x-envoy-max-retries",
    XEnvoyPerTryTimeout = "x-envoy-upstream-rq-per-try-timeout-ms",
    XEnvoyRetriableStatusCodes = "x-envoy-retriable-status-codes",
    XEnvoyInternal = "x-envoy-internal",
    XEnvoyRatelimited = "x-envoy-ratelimited",
    XB3Traceid = "x-b3-traceid",
    XB3Spanid = "x-b3-spanid",
    XB3Parentspanid = "x-b3-parentspanid",
    XB3Sampled = "x-b3-sampled",
    Traceparent = "traceparent",
    Tracestate = "tracestate",
}

/// How many slots there are.
pub(crate) const SLOTS: usize = Known::ALL.len();

impl Known {
    /// Whether it is a pseudo-header field of HTTP/2.
    #[must_use]
    #[inline]
    pub const fn is_pseudo(self) -> bool {
        (self as u8) <= (Known::Status as u8)
    }

    /// Whether it speaks of one connection only and must not pass on (RFC 9110, 7.6.1; RFC 9113, 8.2.2).
    #[must_use]
    #[inline]
    pub const fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Known::Connection
                | Known::KeepAlive
                | Known::ProxyConnection
                | Known::TransferEncoding
                | Known::Upgrade
        )
    }
}
