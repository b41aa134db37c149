//! What a peer may make us do for nothing, counted.

use crate::error::broken;
use crate::{Config, ConnectionError, ErrorCode};

/// WINDOW_UPDATE frames allowed for the connection as such, and for each stream.
const WINDOW_UPDATES: u64 = 100;
const WINDOW_UPDATES_PER_STREAM: u64 = 2;

/// The counts of one connection.
#[derive(Debug)]
pub(crate) struct Flood {
    /// In a row.
    empty: u32,
    priority: u64,
    window_updates: u64,
    settings: u64,
    streams: u64,
    data_sent: u64,
    resets_left: u32,
}

const fn calm(reason: &'static str) -> ConnectionError {
    broken(ErrorCode::ENHANCE_YOUR_CALM, reason)
}

impl Flood {
    pub(crate) const fn new(config: &Config) -> Self {
        Flood {
            empty: 0,
            priority: 0,
            window_updates: 0,
            settings: 0,
            streams: 0,
            data_sent: 0,
            resets_left: config.reset_budget,
        }
    }

    pub(crate) fn stream_opened(&mut self) {
        self.streams += 1;
    }

    pub(crate) fn data_sent(&mut self) {
        self.data_sent += 1;
    }

    pub(crate) fn something_came(&mut self) {
        self.empty = 0;
    }

    pub(crate) fn empty_came(&mut self, config: &Config) -> Result<(), ConnectionError> {
        self.empty += 1;
        if self.empty > config.max_empty_frames {
            return Err(calm("too many empty frames"));
        }
        Ok(())
    }

    pub(crate) fn priority_came(&mut self, config: &Config) -> Result<(), ConnectionError> {
        self.priority += 1;
        if self.priority > u64::from(config.max_priority_per_stream) * (1 + self.streams) {
            return Err(calm("too many PRIORITY frames"));
        }
        Ok(())
    }

    pub(crate) fn window_update_came(&mut self, config: &Config) -> Result<(), ConnectionError> {
        self.window_updates += 1;
        let allowed = WINDOW_UPDATES
            + WINDOW_UPDATES_PER_STREAM * self.streams
            + u64::from(config.max_window_updates_per_data) * self.data_sent;
        if self.window_updates > allowed {
            return Err(calm("too many WINDOW_UPDATE frames"));
        }
        Ok(())
    }

    pub(crate) fn settings_came(&mut self, config: &Config) -> Result<(), ConnectionError> {
        self.settings += 1;
        if self.settings > u64::from(config.max_settings) + self.streams {
            return Err(calm("too many SETTINGS frames"));
        }
        Ok(())
    }

    /// A stream was reset before it was answered.
    pub(crate) fn unanswered_reset(&mut self) -> Result<(), ConnectionError> {
        self.resets_left = self
            .resets_left
            .checked_sub(1)
            .ok_or(calm("too many streams reset before they were answered"))?;
        Ok(())
    }

    /// A stream was answered, or time has passed.
    pub(crate) fn refill_resets(&mut self, n: u32, config: &Config) {
        self.resets_left = self.resets_left.saturating_add(n).min(config.reset_budget);
    }
}
