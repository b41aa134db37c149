//! Frames as bytes (RFC 9113, 4.1 and 6).

use crate::ErrorCode;

/// What a client's bytes start with (RFC 9113, 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The length of a frame's header.
pub(crate) const HEAD: usize = 9;

/// The largest window, stream identifier and window increment: 31 bits.
pub(crate) const MAX_31: u32 = (1 << 31) - 1;

/// The window of a connection, and of streams before any SETTINGS (RFC 9113, 6.9.2).
pub(crate) const DEFAULT_WINDOW: u32 = 65_535;

/// The frame size that every endpoint takes (RFC 9113, 4.2).
pub(crate) const DEFAULT_FRAME: u32 = 16_384;

pub(crate) mod flag {
    pub(crate) const END_STREAM: u8 = 0x1;
    pub(crate) const ACK: u8 = 0x1;
    pub(crate) const END_HEADERS: u8 = 0x4;
    pub(crate) const PADDED: u8 = 0x8;
    pub(crate) const PRIORITY: u8 = 0x20;
}

/// The type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Data,
    Headers,
    Priority,
    Reset,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// Of an extension: to be ignored (RFC 9113, 5.5).
    Unknown,
}

impl Kind {
    const fn of(byte: u8) -> Kind {
        match byte {
            0 => Kind::Data,
            1 => Kind::Headers,
            2 => Kind::Priority,
            3 => Kind::Reset,
            4 => Kind::Settings,
            5 => Kind::PushPromise,
            6 => Kind::Ping,
            7 => Kind::GoAway,
            8 => Kind::WindowUpdate,
            9 => Kind::Continuation,
            _ => Kind::Unknown,
        }
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) len: u32,
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl Head {
    pub(crate) const fn parse(bytes: [u8; HEAD]) -> Head {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = bytes;
        Head {
            len: u32::from_be_bytes([0, l0, l1, l2]),
            kind: Kind::of(kind),
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & MAX_31,
        }
    }

    pub(crate) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The header of a frame to be sent.
pub(crate) fn head(len: usize, kind: Kind, flags: u8, stream: u32) -> [u8; HEAD] {
    let [.., l0, l1, l2] = len.to_be_bytes();
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    [l0, l1, l2, kind as u8, flags, s0, s1, s2, s3]
}

pub(crate) fn reset(stream: u32, code: ErrorCode, out: &mut Vec<u8>) {
    out.extend_from_slice(&head(4, Kind::Reset, 0, stream));
    out.extend_from_slice(&code.0.to_be_bytes());
}

pub(crate) fn ping(ack: bool, opaque: [u8; 8], out: &mut Vec<u8>) {
    let flags = if ack { flag::ACK } else { 0 };
    out.extend_from_slice(&head(8, Kind::Ping, flags, 0));
    out.extend_from_slice(&opaque);
}

pub(crate) fn go_away(last_stream: u32, code: ErrorCode, reason: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&head(8 + reason.len(), Kind::GoAway, 0, 0));
    out.extend_from_slice(&last_stream.to_be_bytes());
    out.extend_from_slice(&code.0.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

pub(crate) fn window_update(stream: u32, increment: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&head(4, Kind::WindowUpdate, 0, stream));
    out.extend_from_slice(&increment.to_be_bytes());
}

pub(crate) fn settings_ack(out: &mut Vec<u8>) {
    out.extend_from_slice(&head(0, Kind::Settings, flag::ACK, 0));
}
