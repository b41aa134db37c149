//! What Envoy alone knows of a request (times, ids, bytes on the wire), read from its own line.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The values of one line.
#[derive(Debug)]
pub(crate) struct Probe(Vec<String>);

/// A line that begins every entry of the text log.
pub(crate) const FORMAT: &str = "PROBE %START_TIME(%s)% %START_TIME(%9f)% %DURATION% %COMMON_DURATION(DS_RX_BEG:DS_RX_END:ns)% %COMMON_DURATION(DS_RX_BEG:US_TX_END:ns)% %COMMON_DURATION(DS_RX_BEG:US_RX_BEG:ns)% %COMMON_DURATION(DS_RX_BEG:US_RX_END:ns)% %COMMON_DURATION(DS_RX_BEG:DS_TX_END:ns)% %UPSTREAM_CONNECTION_POOL_READY_DURATION% %CONNECTION_ID% %UPSTREAM_CONNECTION_ID% %DOWNSTREAM_WIRE_BYTES_RECEIVED% %DOWNSTREAM_WIRE_BYTES_SENT% %UPSTREAM_WIRE_BYTES_RECEIVED% %UPSTREAM_WIRE_BYTES_SENT% %REQ(X-REQUEST-ID)%\n";

impl Probe {
    pub(crate) fn of(line: &str) -> Self {
        let values = line.strip_prefix("PROBE ").unwrap();
        Probe(values.split(' ').map(str::to_owned).collect())
    }

    pub(crate) fn number(&self, at: usize) -> Option<u64> {
        let text = &self.0[at];
        (text != "-").then(|| text.parse().unwrap())
    }

    fn nanos(&self, at: usize) -> Option<Duration> {
        self.number(at).map(Duration::from_nanos)
    }

    pub(crate) fn start(&self) -> SystemTime {
        UNIX_EPOCH + Duration::new(self.number(0).unwrap(), self.number(1).unwrap() as u32)
    }

    pub(crate) fn duration(&self) -> Duration {
        Duration::from_millis(self.number(2).unwrap())
    }

    /// To the request's end, its end upstream, the answer's begin and end there, its end here.
    pub(crate) fn points(&self) -> [Option<Duration>; 5] {
        std::array::from_fn(|n| self.nanos(3 + n))
    }

    pub(crate) fn pool_ready(&self) -> Option<Duration> {
        self.number(8).map(Duration::from_millis)
    }

    pub(crate) fn request_id(&self) -> &str {
        &self.0[15]
    }
}
