//! DATA (RFC 9113, 6.1), which is passed on as it arrives.

use super::{Reading, frame_size, protocol};
use crate::error::broken;
use crate::stream::Half;
use crate::wire::{Head, flag};
use crate::{Connection, ConnectionError, ErrorCode, Event, StreamId};

/// Content of a DATA frame that is still to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arriving {
    stream: StreamId,
    left: u32,
    padding: u32,
    end_stream: bool,
}

impl Connection {
    /// A DATA frame starts: all of it counts against both windows (RFC 9113, 6.9.1).
    pub(super) fn start_data(
        &mut self,
        head: Head,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        if self.is_idle(head.stream) {
            return Err(protocol("DATA on an idle stream"));
        }
        if head.has(flag::PADDED) && head.len == 0 {
            return Err(frame_size("DATA without its pad length"));
        }
        let Some(window) = self.recv_window.checked_sub(head.len) else {
            return Err(broken(
                ErrorCode::FLOW_CONTROL_ERROR,
                "more DATA than the connection's window",
            ));
        };
        self.recv_window = window;
        if let Err(code) = self.charge_stream(&head) {
            self.drop_data(&head)?;
            return match code {
                Some(code) => self.stream_error(head.stream, code),
                None => Ok(None),
            };
        }
        if head.has(flag::PADDED) {
            self.reading = Reading::PadLength(head);
            return Ok(None);
        }
        self.start_content(&head, head.len, 0)
    }

    /// Charges a stream for a frame. `Err` where the frame is to be dropped, with the error it is, if it is one.
    fn charge_stream(&mut self, head: &Head) -> Result<(), Option<ErrorCode>> {
        let row = self
            .streams
            .find(head.stream)
            .and_then(|stream| self.streams.get_mut(stream));
        let Some(row) = row else {
            let tolerated = self.is_tolerated(head.stream);
            return Err((!tolerated).then_some(ErrorCode::STREAM_CLOSED));
        };
        match row.recv {
            Half::Closed => return Err(Some(ErrorCode::STREAM_CLOSED)),
            Half::Headers => return Err(Some(ErrorCode::PROTOCOL_ERROR)),
            Half::Body => {}
        }
        let window = i64::from(row.recv_window) - i64::from(head.len);
        if window < 0 && head.len > 0 {
            return Err(Some(ErrorCode::FLOW_CONTROL_ERROR));
        }
        row.recv_window = i32::try_from(window).unwrap_or(row.recv_window);
        Ok(())
    }

    /// Passes over a frame whose stream is gone: its credit comes back at once.
    fn drop_data(&mut self, head: &Head) -> Result<(), ConnectionError> {
        self.reading = Reading::Skipped(head.len);
        self.credit_connection(head.len);
        if head.len == 0 {
            self.flood.empty_came(&self.config)?;
        }
        Ok(())
    }

    /// The pad length came (RFC 9113, 6.1): padding's credit comes back at once.
    pub(super) fn padded_data(
        &mut self,
        head: Head,
        padding: u8,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        let padding = u32::from(padding);
        let Some(content) = (head.len - 1).checked_sub(padding) else {
            return Err(protocol("more padding than DATA"));
        };
        self.credit_connection(padding + 1);
        if let Some(stream) = self.streams.find(head.stream) {
            self.credit_stream(stream, padding + 1);
        }
        self.start_content(&head, content, padding)
    }

    fn start_content(
        &mut self,
        head: &Head,
        content: u32,
        padding: u32,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        let end_stream = head.has(flag::END_STREAM);
        if content > 0 {
            self.flood.something_came();
        } else if !end_stream {
            self.flood.empty_came(&self.config)?;
        }
        let stream = self.streams.find(head.stream);
        let Some((stream, row)) = stream.and_then(|id| Some((id, self.streams.get_mut(id)?)))
        else {
            // The caller has reset it since the frame's header came.
            self.credit_connection(content);
            self.reading = Reading::Skipped(content + padding);
            return Ok(None);
        };
        if row.count_content(content, end_stream).is_err() {
            self.credit_connection(content);
            self.reading = Reading::Skipped(content + padding);
            return self.stream_error(head.stream, ErrorCode::PROTOCOL_ERROR);
        }
        self.reading = if content == 0 && !end_stream {
            Reading::Skipped(padding)
        } else {
            Reading::Content(Arriving {
                stream,
                left: content,
                padding,
                end_stream,
            })
        };
        Ok(None)
    }

    /// Passes on what there is of a frame's content.
    #[inline]
    pub(super) fn content<'i>(
        &mut self,
        arriving: Arriving,
        input: &mut &'i [u8],
    ) -> Result<Option<Event<'i>>, ConnectionError> {
        let (bytes, rest) = input.split_at((arriving.left as usize).min(input.len()));
        let now = u32::try_from(bytes.len()).unwrap_or(arriving.left);
        let left = arriving.left - now;
        if bytes.is_empty() && left > 0 {
            return Ok(None);
        }
        *input = rest;
        if self.config.streams_wait_alone {
            self.credit_connection(now);
        }
        self.reading = if left > 0 {
            Reading::Content(Arriving { left, ..arriving })
        } else if arriving.padding > 0 {
            Reading::Skipped(arriving.padding)
        } else {
            Reading::Head
        };
        let stream = arriving.stream;
        let Some(row) = self.streams.get_mut(stream) else {
            // The caller has reset it since the frame began.
            self.credit_connection(now);
            return Ok(None);
        };
        let token = row.token;
        let end_stream = arriving.end_stream && left == 0;
        if end_stream {
            row.recv = Half::Closed;
            self.close_if_over(stream);
        }
        Ok(Some(Event::Data {
            stream,
            token,
            bytes,
            end_stream,
        }))
    }
}
