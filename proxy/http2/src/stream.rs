//! The state of one stream (RFC 9113, 5.1), as two halves: "open" is both not closed, "half-closed" one of them closed,
//! "closed" both. An idle or closed stream has no row.

use crate::NO_TOKEN;

/// One direction of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    /// The request's or final response's field section has not passed.
    Headers,
    /// It has: content and trailers may follow.
    Body,
    /// END_STREAM has passed.
    Closed,
}

/// What the request's method says about the response's content (RFC 9110, 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// The response has content unless its status says otherwise.
    Other,
    /// The response has none.
    Head,
    /// A successful response is followed by a tunnel, whatever its content-length says.
    Connect,
}

/// One stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    /// 0 in a row that is free.
    pub(crate) number: u32,
    pub(crate) token: u32,
    /// What we may still send; negative after the peer's SETTINGS took some back (RFC 9113, 6.9.2).
    pub(crate) send_window: i32,
    /// What the peer may still send; negative where our own SETTINGS took some back.
    pub(crate) recv_window: i32,
    /// Credit released and not yet announced.
    pub(crate) owed: u32,
    /// How much content must still come, where content-length says so.
    pub(crate) content_left: Option<u64>,
    pub(crate) send: Half,
    pub(crate) recv: Half,
    pub(crate) method: Method,
    /// How many informational responses came.
    pub(crate) informational: u32,
    /// The last `send_data` was cut short and no Writable came since.
    pub(crate) blocked: bool,
    /// The queue of blocked streams has it.
    pub(crate) queued: bool,
}

impl Stream {
    pub(crate) const FREE: Stream = Stream {
        number: 0,
        token: NO_TOKEN,
        send_window: 0,
        recv_window: 0,
        owed: 0,
        content_left: None,
        send: Half::Closed,
        recv: Half::Closed,
        method: Method::Other,
        informational: 0,
        blocked: false,
        queued: false,
    };

    /// Whether no final response has passed: what a reset costs work for nothing.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.send == Half::Headers
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.send == Half::Closed && self.recv == Half::Closed
    }

    /// Counts content against content-length; `Err` where it is more, or less at the end (RFC 9113, 8.1.1).
    pub(crate) fn count_content(&mut self, len: u32, end: bool) -> Result<(), ()> {
        let Some(left) = self.content_left else {
            return Ok(());
        };
        let left = left.checked_sub(u64::from(len)).ok_or(())?;
        self.content_left = Some(left);
        if end && left != 0 { Err(()) } else { Ok(()) }
    }
}
