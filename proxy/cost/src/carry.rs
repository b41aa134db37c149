//! Bytes from one end of an HTTP/2 connection to the other, in memory.

use headers::Headers;
use http2::{Connection, Event};

use crate::Failure;

/// Hands what `from` has to say to `to`, and each event of that to `react`, which may answer on `to`.
pub(crate) fn carry(
    from: &mut Connection,
    to: &mut Connection,
    headers: &mut Headers,
    mut react: impl FnMut(&mut Connection, Event<'_>, &Headers) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut input = from.output();
    let carried = input.len();
    while let Some(event) = to.next(&mut input, headers)? {
        if let Event::Data { stream, bytes, .. } = event {
            to.release(stream, bytes.len());
        }
        react(to, event, headers)?;
    }
    from.advance(carried);
    Ok(())
}
