//! Frames about the connection and its streams: SETTINGS, PING, GOAWAY, WINDOW_UPDATE, RST_STREAM, PRIORITY.

use super::protocol;
use crate::error::broken;
use crate::leaving::LEAVE_PING;
use crate::wire::{self, DEFAULT_WINDOW, Head, MAX_31, flag};
use crate::{Connection, ConnectionError, ErrorCode, Event, Role};

type Taken = Result<Option<Event<'static>>, ConnectionError>;

/// Four octets of a payload whose size was checked.
fn word(payload: &[u8]) -> u32 {
    payload
        .first_chunk()
        .map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// The stream that priority fields name (RFC 9113, 6.3).
pub(super) fn dependency(priority: &[u8]) -> u32 {
    word(priority) & MAX_31
}

const fn overflow(reason: &'static str) -> ConnectionError {
    broken(ErrorCode::FLOW_CONTROL_ERROR, reason)
}

impl Connection {
    /// RFC 9113, 6.5.3: the values are applied in order, then acknowledged.
    pub(super) fn take_settings(&mut self, payload: &[u8]) -> Taken {
        self.flood.settings_came(&self.config)?;
        let new = self.peer.with(payload, self.role)?;
        let old = std::mem::replace(&mut self.peer, new);
        if new.header_table_size != old.header_table_size {
            self.encoder
                .set_peer_table_size(new.header_table_size as usize);
        }
        if new.initial_window != old.initial_window {
            self.change_send_windows(
                i64::from(new.initial_window) - i64::from(old.initial_window),
            )?;
        }
        wire::settings_ack(self.output.buffer());
        self.output.count_control();
        let more = new.max_concurrent_streams > old.max_concurrent_streams;
        Ok((more || !old.received).then_some(Event::Opened))
    }

    /// RFC 9113, 6.9.2: the windows of all streams change by the difference; those of the peer may become negative.
    fn change_send_windows(&mut self, difference: i64) -> Result<(), ConnectionError> {
        let mut opened = Vec::new();
        for (stream, row) in self.streams.iter_mut() {
            row.send_window = i32::try_from(i64::from(row.send_window) + difference)
                .map_err(|_| overflow("SETTINGS_INITIAL_WINDOW_SIZE overflows a window"))?;
            if row.blocked && row.send_window > 0 {
                opened.push(stream);
            }
        }
        for stream in opened {
            self.queue_blocked(stream);
        }
        Ok(())
    }

    /// The peer has applied our SETTINGS: from here on it keeps to them.
    pub(super) fn take_settings_ack(&mut self) -> Taken {
        if self.unacknowledged == 0 {
            return Err(protocol("acknowledgement of SETTINGS never sent"));
        }
        self.unacknowledged = 0;
        self.decoder
            .set_max_table_size(self.config.header_table_size as usize);
        let difference = i64::from(self.config.initial_window) - i64::from(DEFAULT_WINDOW);
        self.recv_initial = self.config.initial_window;
        for (_, row) in self.streams.iter_mut() {
            let window = i64::from(row.recv_window) + difference;
            row.recv_window = i32::try_from(window).unwrap_or(i32::MAX);
        }
        Ok(None)
    }

    pub(super) fn take_ping(&mut self, head: Head, payload: &[u8]) -> Taken {
        let opaque = payload.first_chunk::<8>().copied().unwrap_or_default();
        if !head.has(flag::ACK) {
            wire::ping(true, opaque, self.output.buffer());
            self.output.count_control();
            return Ok(None);
        }
        if opaque == LEAVE_PING {
            self.announcement_was_read();
            return Ok(None);
        }
        // One that was never sent is ignored.
        let Some(left) = self.pings.checked_sub(1) else {
            return Ok(None);
        };
        self.pings = left;
        Ok(Some(Event::PingAck { opaque }))
    }

    pub(super) fn take_go_away(&mut self, payload: &[u8]) -> Taken {
        let last_stream = word(payload) & MAX_31;
        let code = ErrorCode(word(payload.get(4..).unwrap_or_default()));
        if self.peer_left_at.is_some_and(|last| last_stream > last) {
            return Err(protocol("GOAWAY with a higher stream than before"));
        }
        self.peer_left_at = Some(last_stream);
        // A client's GOAWAY speaks of streams that a server opens by pushing: there are none.
        if self.role == Role::Client {
            self.refusing_from = Some(0);
        }
        Ok(Some(Event::GoAway { last_stream, code }))
    }

    pub(super) fn take_window_update(&mut self, number: u32, payload: &[u8]) -> Taken {
        self.flood.window_update_came(&self.config)?;
        let increment = (word(payload) & MAX_31).cast_signed();
        if number == 0 {
            if increment == 0 {
                return Err(protocol("WINDOW_UPDATE of nothing"));
            }
            self.send_window = self
                .send_window
                .checked_add(increment)
                .ok_or(overflow("WINDOW_UPDATE overflows the connection's window"))?;
            return Ok(None);
        }
        if self.is_idle(number) {
            return Err(protocol("WINDOW_UPDATE on an idle stream"));
        }
        let Some(stream) = self.streams.find(number) else {
            return Ok(None);
        };
        if increment == 0 {
            return self.stream_error(number, ErrorCode::PROTOCOL_ERROR);
        }
        let Some(row) = self.streams.get_mut(stream) else {
            return Ok(None);
        };
        let Some(window) = row.send_window.checked_add(increment) else {
            return self.stream_error(number, ErrorCode::FLOW_CONTROL_ERROR);
        };
        row.send_window = window;
        if row.blocked && window > 0 {
            self.queue_blocked(stream);
        }
        Ok(None)
    }

    pub(super) fn take_reset(&mut self, number: u32, payload: &[u8]) -> Taken {
        if self.is_idle(number) {
            return Err(protocol("RST_STREAM on an idle stream"));
        }
        let Some(stream) = self.streams.find(number) else {
            return Ok(None);
        };
        self.charge_reset(stream)?;
        let Some(row) = self.streams.remove(stream) else {
            return Ok(None);
        };
        Ok(Some(Event::Reset {
            stream,
            token: row.token,
            code: ErrorCode(word(payload)),
            by_us: false,
        }))
    }

    /// Priorities are ignored (RFC 9113, 5.3.2), but not every frame is one.
    pub(super) fn take_priority(&mut self, number: u32, payload: &[u8]) -> Taken {
        self.flood.priority_came(&self.config)?;
        if dependency(payload) == number {
            return self.priority_error(number, ErrorCode::PROTOCOL_ERROR);
        }
        Ok(None)
    }

    /// A stream error of a PRIORITY frame, which any stream may have: an idle one cannot be reset (RFC 9113, 5.1).
    pub(super) fn priority_error(&mut self, number: u32, code: ErrorCode) -> Taken {
        if self.is_idle(number) {
            return Err(broken(code, "bad PRIORITY on an idle stream"));
        }
        self.stream_error(number, code)
    }
}
