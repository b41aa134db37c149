//! One side of one connection: its state, and what can be asked of it.

use std::collections::VecDeque;

use hpack::{Decoder, Encoder};

use crate::closed::Resets;
use crate::flood::Flood;
use crate::leaving::Leaving;
use crate::output::Output;
use crate::receive::{Block, Reading};
use crate::settings::{self, PeerSettings};
use crate::stream::Stream;
use crate::streams::Streams;
use crate::wire::{self, DEFAULT_FRAME, DEFAULT_WINDOW, MAX_31};
use crate::{Config, ConnectionError, Role, StreamId};

/// One side of one connection.
#[derive(Debug)]
pub struct Connection {
    pub(crate) role: Role,
    pub(crate) config: Config,
    pub(crate) peer: PeerSettings,
    /// How many of our SETTINGS frames the peer has not acknowledged.
    pub(crate) unacknowledged: u32,
    /// The initial window of streams as the peer knows it: ours once it acknowledged our SETTINGS.
    pub(crate) recv_initial: u32,

    pub(crate) streams: Streams,
    /// The highest number of a stream that the peer opened.
    pub(crate) last_peer: u32,
    /// The peer has passed over numbers: a lower one that is not open may never have been.
    pub(crate) has_gaps: bool,
    /// The number of the next stream that we open.
    pub(crate) next_number: u32,
    pub(crate) resets: Resets,

    pub(crate) decoder: Decoder,
    pub(crate) encoder: Encoder,
    pub(crate) reading: Reading,
    /// A frame of which only the start has come.
    pub(crate) partial: Vec<u8>,
    pub(crate) block: Block,

    pub(crate) send_window: i32,
    pub(crate) recv_window: u32,
    /// Credit of the connection released and not yet announced.
    pub(crate) owed: u32,
    /// Streams that may have become writable, in the order in which they were blocked.
    pub(crate) blocked: VecDeque<StreamId>,

    pub(crate) output: Output,
    pub(crate) flood: Flood,
    pub(crate) leaving: Leaving,
    /// The last stream of the peer's GOAWAY.
    pub(crate) peer_left_at: Option<u32>,
    /// The row from which streams beyond that are still to be reported.
    pub(crate) refusing_from: Option<u32>,
    /// PINGs of ours that have not come back.
    pub(crate) pings: u32,
    pub(crate) error: Option<ConnectionError>,
}

impl Connection {
    /// A new connection. Its preface and SETTINGS are in the output. Values of `config` outside the ranges stated there
    /// are brought into them.
    #[must_use]
    pub fn new(role: Role, config: Config) -> Self {
        let config = Config {
            initial_window: config.initial_window.min(MAX_31),
            connection_window: config.connection_window.clamp(DEFAULT_WINDOW, MAX_31),
            max_frame_size: config.max_frame_size.clamp(DEFAULT_FRAME, (1 << 24) - 1),
            ..config
        };
        let mut output = Output::default();
        if role == Role::Client {
            output.buffer().extend_from_slice(wire::PREFACE);
        }
        settings::write(role, &config, output.buffer());
        let more = config.connection_window - DEFAULT_WINDOW;
        if more > 0 {
            wire::window_update(0, more, output.buffer());
        }
        Connection {
            role,
            config,
            peer: PeerSettings::expected(&config),
            unacknowledged: 1,
            recv_initial: DEFAULT_WINDOW,
            streams: Streams::default(),
            last_peer: 0,
            has_gaps: false,
            next_number: 1,
            resets: Resets::default(),
            decoder: Decoder::default(),
            encoder: Encoder::new(),
            reading: Reading::first(role),
            partial: Vec::new(),
            block: Block::default(),
            send_window: DEFAULT_WINDOW.cast_signed(),
            recv_window: config.connection_window,
            owed: 0,
            blocked: VecDeque::new(),
            output,
            flood: Flood::new(&config),
            leaving: Leaving::No,
            peer_left_at: None,
            refusing_from: None,
            pings: 0,
            error: None,
        }
    }

    /// Sets the caller's number for a stream, which every event of it carries from then on.
    pub fn set_token(&mut self, stream: StreamId, token: u32) {
        if let Some(row) = self.streams.get_mut(stream) {
            row.token = token;
        }
    }

    /// The streams that are open and their tokens: what ends with the transport.
    pub fn streams(&self) -> impl Iterator<Item = (StreamId, u32)> {
        self.streams.iter().map(|(id, row)| (id, row.token))
    }

    /// How many streams are open.
    #[must_use]
    pub fn active_streams(&self) -> usize {
        self.streams.len()
    }

    /// Whether the peer's SETTINGS have arrived, without which the next four say what is assumed.
    #[must_use]
    pub fn has_peer_settings(&self) -> bool {
        self.peer.received
    }

    /// SETTINGS_MAX_HEADER_LIST_SIZE of the peer: advice not to send larger sections.
    #[must_use]
    pub fn peer_max_header_list_size(&self) -> u32 {
        self.peer.max_header_list_size
    }

    /// SETTINGS_MAX_CONCURRENT_STREAMS of the peer.
    #[must_use]
    pub fn peer_max_concurrent_streams(&self) -> u32 {
        self.peer.max_concurrent_streams
    }

    /// SETTINGS_ENABLE_CONNECT_PROTOCOL of the peer (RFC 8441): whether requests may carry `:protocol`.
    #[must_use]
    pub fn peer_allows_connect_protocol(&self) -> bool {
        self.peer.connect_protocol
    }

    /// What the peer's SETTINGS say of the setting that `Config::extension` names; none where they say nothing of it, or
    /// have not arrived.
    #[must_use]
    pub fn peer_extension(&self) -> Option<u32> {
        self.peer.extension_value
    }

    /// What is to be written to the peer.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.output.waiting()
    }

    /// How many bytes are to be written.
    #[must_use]
    pub fn output_len(&self) -> usize {
        self.output.len()
    }

    /// `n` bytes of the output were written.
    pub fn advance(&mut self, n: usize) {
        self.output.advance(n);
    }

    /// Bytes of heap memory in use, the output included.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.streams.memory()
            + self.resets.memory()
            + self.decoder.memory()
            + self.partial.capacity()
            + self.block.memory()
            + self.blocked.capacity() * size_of::<StreamId>()
            + self.output.memory()
    }

    /// Gives back memory that a connection without streams and output does not need: for one that has fallen idle.
    pub fn shrink(&mut self) {
        self.streams.shrink();
        self.output.shrink();
        self.partial.shrink_to_fit();
        if self.streams.len() == 0 {
            self.blocked = VecDeque::new();
        }
    }

    /// Ends both halves as far as they are closed: frees the row of a stream that is over.
    pub(crate) fn close_if_over(&mut self, id: StreamId) {
        if self.streams.get(id).is_some_and(Stream::is_closed) {
            self.streams.remove(id);
        }
    }
}
