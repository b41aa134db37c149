//! SETTINGS (RFC 9113, 6.5).

use crate::error::broken;
use crate::wire::{self, DEFAULT_FRAME, DEFAULT_WINDOW, Kind, MAX_31};
use crate::{Config, ConnectionError, ErrorCode, Role};

const HEADER_TABLE_SIZE: u16 = 0x1;
const ENABLE_PUSH: u16 = 0x2;
const MAX_CONCURRENT_STREAMS: u16 = 0x3;
const INITIAL_WINDOW_SIZE: u16 = 0x4;
const MAX_FRAME_SIZE: u16 = 0x5;
const MAX_HEADER_LIST_SIZE: u16 = 0x6;
const ENABLE_CONNECT_PROTOCOL: u16 = 0x8;

/// How many streams we open before the peer's SETTINGS say how many it takes: the least that RFC 9113, 6.5.2 recommends.
const STREAMS_BEFORE_SETTINGS: u32 = 100;

/// What the peer's SETTINGS say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerSettings {
    pub(crate) received: bool,
    pub(crate) header_table_size: u32,
    pub(crate) max_concurrent_streams: u32,
    pub(crate) initial_window: u32,
    pub(crate) max_frame_size: u32,
    pub(crate) max_header_list_size: u32,
    pub(crate) connect_protocol: bool,
    /// The setting of the caller's own that is looked for; 0: none.
    pub(crate) extension: u16,
    /// What the peer says of it.
    pub(crate) extension_value: Option<u32>,
}

impl Default for PeerSettings {
    fn default() -> Self {
        PeerSettings {
            received: false,
            header_table_size: 4096,
            max_concurrent_streams: STREAMS_BEFORE_SETTINGS,
            initial_window: DEFAULT_WINDOW,
            max_frame_size: DEFAULT_FRAME,
            max_header_list_size: u32::MAX,
            connect_protocol: false,
            extension: 0,
            extension_value: None,
        }
    }
}

impl PeerSettings {
    /// Of a peer that has said nothing yet.
    pub(crate) fn expected(config: &Config) -> Self {
        PeerSettings {
            extension: config.extension.map_or(0, |(id, _)| id),
            ..PeerSettings::default()
        }
    }

    /// Applies the payload of a SETTINGS frame, whose length is a multiple of 6, to a copy.
    pub(crate) fn with(mut self, payload: &[u8], us: Role) -> Result<Self, ConnectionError> {
        if !self.received {
            self.received = true;
            self.max_concurrent_streams = u32::MAX;
        }
        let (settings, _) = payload.as_chunks::<6>();
        for [i0, i1, v0, v1, v2, v3] in settings {
            let value = u32::from_be_bytes([*v0, *v1, *v2, *v3]);
            match u16::from_be_bytes([*i0, *i1]) {
                HEADER_TABLE_SIZE => self.header_table_size = value,
                ENABLE_PUSH if value > 1 || (us == Role::Client && value == 1) => {
                    return Err(protocol("SETTINGS_ENABLE_PUSH out of range"));
                }
                MAX_CONCURRENT_STREAMS => self.max_concurrent_streams = value,
                INITIAL_WINDOW_SIZE if value > MAX_31 => {
                    return Err(broken(
                        ErrorCode::FLOW_CONTROL_ERROR,
                        "SETTINGS_INITIAL_WINDOW_SIZE out of range",
                    ));
                }
                INITIAL_WINDOW_SIZE => self.initial_window = value,
                MAX_FRAME_SIZE if !(DEFAULT_FRAME..1 << 24).contains(&value) => {
                    return Err(protocol("SETTINGS_MAX_FRAME_SIZE out of range"));
                }
                MAX_FRAME_SIZE => self.max_frame_size = value,
                MAX_HEADER_LIST_SIZE => self.max_header_list_size = value,
                ENABLE_CONNECT_PROTOCOL if value > 1 || (self.connect_protocol && value == 0) => {
                    return Err(protocol("SETTINGS_ENABLE_CONNECT_PROTOCOL out of range"));
                }
                ENABLE_CONNECT_PROTOCOL => self.connect_protocol = value == 1,
                id if id == self.extension && id != 0 => self.extension_value = Some(value),
                // Unknown settings are ignored (RFC 9113, 6.5.2), and we never push.
                _ => {}
            }
        }
        Ok(self)
    }
}

const fn protocol(reason: &'static str) -> ConnectionError {
    broken(ErrorCode::PROTOCOL_ERROR, reason)
}

/// Appends our SETTINGS: what differs from what the peer assumes.
pub(crate) fn write(role: Role, config: &Config, out: &mut Vec<u8>) {
    let server = role == Role::Server;
    let all = [
        (
            HEADER_TABLE_SIZE,
            config.header_table_size,
            config.header_table_size != 4096,
        ),
        (ENABLE_PUSH, 0, !server),
        (
            MAX_CONCURRENT_STREAMS,
            config.max_concurrent_streams,
            server,
        ),
        (
            INITIAL_WINDOW_SIZE,
            config.initial_window,
            config.initial_window != DEFAULT_WINDOW,
        ),
        (
            MAX_FRAME_SIZE,
            config.max_frame_size,
            config.max_frame_size != DEFAULT_FRAME,
        ),
        (MAX_HEADER_LIST_SIZE, config.max_header_list_size, true),
        (
            ENABLE_CONNECT_PROTOCOL,
            1,
            server && config.enable_connect_protocol,
        ),
        (
            config.extension.map_or(0, |(id, _)| id),
            config.extension.map_or(0, |(_, value)| value),
            config.extension.is_some(),
        ),
    ];
    let sent = || all.iter().filter(|(_, _, send)| *send);
    out.extend_from_slice(&wire::head(sent().count() * 6, Kind::Settings, 0, 0));
    for (id, value, _) in sent() {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}
