//! What one side of a connection announces and endures.

/// Which side of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Opened the connection: sends requests.
    Client,
    /// Accepted the connection: answers requests.
    Server,
}

/// Our SETTINGS (RFC 9113, 6.5.2) and the bounds against floods.
///
/// Floods are counted, not timed. Each bound is far above what a well-behaved peer does and low enough that what a
/// hostile one gains is a small multiple of what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// SETTINGS_HEADER_TABLE_SIZE: bytes of the peer's dynamic table that we keep.
    pub header_table_size: u32,
    /// SETTINGS_MAX_HEADER_LIST_SIZE: bytes of one field section, each field counting 32 more (RFC 9113, 10.5.1). A
    /// larger one comes as [`crate::Event::Headers`] with `too_large`. 60 KiB by default, as Envoy's
    /// `max_request_headers_kb`.
    pub max_header_list_size: u32,
    /// The most fields of one section, pseudo-header fields included; more is `too_large`. 100 by default, as Envoy's
    /// `max_headers_count`.
    pub max_header_fields: u32,
    /// SETTINGS_MAX_CONCURRENT_STREAMS, of a server: a further request is refused with REFUSED_STREAM.
    pub max_concurrent_streams: u32,
    /// SETTINGS_INITIAL_WINDOW_SIZE: bytes of one stream that may wait in the proxy. At most 2^31-1.
    pub initial_window: u32,
    /// Bytes of all streams together that may wait in the proxy. At least 65,535, the protocol's own start; at most
    /// 2^31-1.
    pub connection_window: u32,
    /// Whether the connection's window is given back as content comes, whether or not it left the proxy: what waits is
    /// then bounded by the windows of the streams alone, and streams that nobody takes do not stop the others.
    pub streams_wait_alone: bool,
    /// SETTINGS_MAX_FRAME_SIZE: 16,384 to 2^24-1 bytes of one frame's payload.
    pub max_frame_size: u32,
    /// SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441), of a server: whether requests may carry `:protocol`.
    pub enable_connect_protocol: bool,
    /// A setting of the caller's own, announced and looked for in the peer's: its identifier, none of RFC 9113's or
    /// 8441's, and value. Peers that do not know it ignore it (RFC 9113, 6.5.2).
    pub extension: Option<(u16, u32)>,

    /// The most bytes of one header block as it is on the wire, CONTINUATION included. More is ENHANCE_YOUR_CALM: up to
    /// here the block is kept and decoded, so that an oversized request can be answered with 431.
    pub max_header_block: u32,
    /// The most CONTINUATION frames of one header block (ENHANCE_YOUR_CALM).
    pub max_continuations: u32,
    /// The most acknowledgements and resets that wait in the output because the peer does not read
    /// (ENHANCE_YOUR_CALM). 1,000 by default, as Envoy's `max_outbound_control_frames`.
    pub max_queued_control: u32,
    /// The most frames in a row that carry nothing and end nothing: empty DATA, HEADERS, CONTINUATION and frames of
    /// unknown type (ENHANCE_YOUR_CALM).
    pub max_empty_frames: u32,
    /// PRIORITY frames allowed for each stream ever opened, and once more for the connection (ENHANCE_YOUR_CALM). 100
    /// by default, as Envoy's `max_inbound_priority_frames_per_stream`.
    pub max_priority_per_stream: u32,
    /// WINDOW_UPDATE frames allowed for each DATA frame sent, besides 2 for each stream and 100 for the connection
    /// (ENHANCE_YOUR_CALM). 10 by default, as Envoy's `max_inbound_window_update_frames_per_data_frame_sent`.
    pub max_window_updates_per_data: u32,
    /// SETTINGS frames allowed, besides 1 for each stream ever opened (ENHANCE_YOUR_CALM).
    pub max_settings: u32,
    /// Informational responses allowed on one stream (ENHANCE_YOUR_CALM, of the stream): they pass without flow control.
    pub max_informational: u32,
    /// How many streams the peer may reset, or make us reset by errors of its own, before they were answered: rapid
    /// reset, CVE-2023-44487 and CVE-2025-8671 (ENHANCE_YOUR_CALM). Each final response sent gives one back, and
    /// [`crate::Connection::refill_reset_budget`] as many as the caller's clock allows. Keep it above the peer's
    /// concurrent streams: a proxy in front of us may cancel all of them at once in good faith.
    pub reset_budget: u32,
    /// How many of the streams that we reset last are remembered, so that frames the peer sent before it knew are
    /// dropped without a word.
    pub remembered_resets: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            header_table_size: 4096,
            max_header_list_size: 60 * 1024,
            max_header_fields: 100,
            max_concurrent_streams: 1024,
            initial_window: 256 * 1024,
            connection_window: 1024 * 1024,
            streams_wait_alone: false,
            max_frame_size: 16_384,
            enable_connect_protocol: false,
            extension: None,
            max_header_block: 128 * 1024,
            max_continuations: 32,
            max_queued_control: 1000,
            max_empty_frames: 100,
            max_priority_per_stream: 100,
            max_window_updates_per_data: 10,
            max_settings: 100,
            max_informational: 32,
            reset_budget: 2000,
            remembered_resets: 256,
        }
    }
}

impl Config {
    /// The most bytes of heap memory that a peer can make a connection keep between two calls, the caller's own output
    /// aside: a partial frame, a partial header block, the peer's dynamic table, a row for each stream (of a server: as
    /// many as it allows; of a client: as many as the caller opens) and frames that answer the peer's.
    #[must_use]
    pub fn memory_bound(&self, streams: usize) -> usize {
        // A growing buffer doubles; a row has 64 bytes, with its places in the index, the free list and the queue 128.
        2 * (self.max_frame_size as usize
            + self.max_header_block as usize
            + 3 * (self.header_table_size as usize).max(hpack::DEFAULT_TABLE_SIZE)
            + 128 * (streams + 16)
            + 4 * (self.remembered_resets as usize + 1)
            + 17 * (self.max_queued_control as usize + 16)
            + 2048)
    }
}
