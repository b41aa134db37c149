//! Response flags: what went wrong with a request or connection, as Envoy names it.

use std::ops::{BitOr, BitOrAssign};

/// Response flags, a bit each, in the order in which Envoy 1.40 prints them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Flags(pub u32);

macro_rules! flags {
    ($($constant:ident = $bit:literal, $short:literal, $long:literal, $says:literal;)+) => {
        impl Flags {
            $(#[doc = concat!("`", $short, "`, `", $long, "`: ", $says)]
            pub const $constant: Flags = Flags(1 << $bit);)+

            /// Every flag with its short and long name, in print order.
            pub const ALL: &'static [(Flags, &'static str, &'static str)] =
                &[$((Flags::$constant, $short, $long),)+];
        }
    };
}

flags! {
    FAILED_LOCAL_HEALTH_CHECK = 0, "LH", "FailedLocalHealthCheck", "the local service failed its health check.";
    NO_HEALTHY_UPSTREAM = 1, "UH", "NoHealthyUpstream", "no healthy endpoint in the cluster.";
    UPSTREAM_REQUEST_TIMEOUT = 2, "UT", "UpstreamRequestTimeout", "the request timed out upstream.";
    LOCAL_RESET = 3, "LR", "LocalReset", "this side reset the connection.";
    UPSTREAM_REMOTE_RESET = 4, "UR", "UpstreamRemoteReset", "the endpoint reset the stream.";
    UPSTREAM_CONNECTION_FAILURE = 5, "UF", "UpstreamConnectionFailure", "no connection to the endpoint came about.";
    UPSTREAM_CONNECTION_TERMINATION = 6, "UC", "UpstreamConnectionTermination", "the endpoint closed the connection.";
    UPSTREAM_OVERFLOW = 7, "UO", "UpstreamOverflow", "a circuit breaker was open.";
    NO_ROUTE_FOUND = 8, "NR", "NoRouteFound", "no route or no filter chain matched.";
    DELAY_INJECTED = 9, "DI", "DelayInjected", "a fault delayed it.";
    FAULT_INJECTED = 10, "FI", "FaultInjected", "a fault ended it.";
    RATE_LIMITED = 11, "RL", "RateLimited", "a rate limit refused it.";
    UNAUTHORIZED_EXTERNAL_SERVICE = 12, "UAEX", "UnauthorizedExternalService", "an external authorizer refused it.";
    RATE_LIMIT_SERVICE_ERROR = 13, "RLSE", "RateLimitServiceError", "the rate-limit service failed.";
    DOWNSTREAM_CONNECTION_TERMINATION = 14, "DC", "DownstreamConnectionTermination", "the client left.";
    UPSTREAM_RETRY_LIMIT_EXCEEDED = 15, "URX", "UpstreamRetryLimitExceeded", "all retries or connection attempts were used up.";
    STREAM_IDLE_TIMEOUT = 16, "SI", "StreamIdleTimeout", "nothing came for the stream's idle timeout.";
    INVALID_ENVOY_REQUEST_HEADERS = 17, "IH", "InvalidEnvoyRequestHeaders", "an `x-envoy-*` field was refused by strict checks.";
    DOWNSTREAM_PROTOCOL_ERROR = 18, "DPE", "DownstreamProtocolError", "the client broke HTTP.";
    UPSTREAM_MAX_STREAM_DURATION_REACHED = 19, "UMSDR", "UpstreamMaxStreamDurationReached", "the stream's longest duration was reached.";
    RESPONSE_FROM_CACHE_FILTER = 20, "RFCF", "ResponseFromCacheFilter", "a cache answered.";
    NO_FILTER_CONFIG_FOUND = 21, "NFCF", "NoFilterConfigFound", "a filter's configuration had not come in time.";
    DURATION_TIMEOUT = 22, "DT", "DurationTimeout", "the connection's longest duration was reached.";
    UPSTREAM_PROTOCOL_ERROR = 23, "UPE", "UpstreamProtocolError", "the endpoint broke HTTP.";
    NO_CLUSTER_FOUND = 24, "NC", "NoClusterFound", "the route's cluster is unknown.";
    OVERLOAD_MANAGER = 25, "OM", "OverloadManagerTerminated", "the overload manager ended it.";
    DNS_RESOLUTION_FAILED = 26, "DF", "DnsResolutionFailed", "the endpoint's name could not be resolved.";
    DROP_OVERLOAD = 27, "DO", "DropOverload", "dropped as the endpoints' policy asks.";
    DOWNSTREAM_REMOTE_RESET = 28, "DR", "DownstreamRemoteReset", "the client reset the stream.";
    UNCONDITIONAL_DROP_OVERLOAD = 29, "UDO", "UnconditionalDropOverload", "dropped as the endpoints' policy asks of all.";
}

impl Flags {
    /// No flag.
    pub const NONE: Flags = Flags(0);

    /// Whether no flag is set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether one of `other`'s flags is set.
    #[must_use]
    pub const fn intersects(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }

    /// The flag of a short name (`NR`), as configuration names it (`ResponseFlagFilter.flags`).
    #[must_use]
    pub fn of(short: &str) -> Option<Flags> {
        Self::ALL
            .iter()
            .find(|(_, name, _)| *name == short)
            .map(|(flag, _, _)| *flag)
    }

    /// Appends the short names joined by `,`; nothing where no flag is set. Envoy prints flags in the order in which it
    /// sets them: for a `request`, that retries are used up comes before how the last one failed; for a connection of
    /// bytes it comes after.
    pub fn write_short(self, request: bool, out: &mut Vec<u8>) {
        self.write(request, out, |(_, short, _)| short);
    }

    /// As [`Flags::write_short`] with the long names.
    pub fn write_long(self, request: bool, out: &mut Vec<u8>) {
        self.write(request, out, |(_, _, long)| long);
    }

    fn write(
        self,
        request: bool,
        out: &mut Vec<u8>,
        name: impl Fn(&(Flags, &'static str, &'static str)) -> &'static str,
    ) {
        let mut first = true;
        let is_limit = |flag: Flags| flag == Flags::UPSTREAM_RETRY_LIMIT_EXCEEDED;
        let ahead = Self::ALL.iter().filter(|(f, _, _)| request && is_limit(*f));
        let others = Self::ALL
            .iter()
            .filter(|(f, _, _)| !request || !is_limit(*f));
        for flag in ahead
            .chain(others)
            .filter(|(flag, _, _)| self.intersects(*flag))
        {
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            out.extend_from_slice(name(flag).as_bytes());
        }
    }
}

impl BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Flags) {
        self.0 |= other.0;
    }
}
