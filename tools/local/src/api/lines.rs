//! A body of lines, read as it comes.

use bytes::Buf;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::client::ClientError;

/// Bytes that one line may have.
const LONGEST: usize = 64 * 1024 * 1024;

/// The lines of an answer.
pub struct Lines {
    body: Incoming,
    rest: Vec<u8>,
    ended: bool,
}

impl Lines {
    /// The lines of this body.
    pub fn new(body: Incoming) -> Self {
        Self {
            body,
            rest: Vec::new(),
            ended: false,
        }
    }

    /// The next line without its end; None after the last. One that is cut off counts.
    ///
    /// # Errors
    /// When the connection breaks, or a line has no end.
    pub async fn next(&mut self) -> Result<Option<String>, ClientError> {
        let broken = |error: &dyn std::fmt::Display| ClientError::Broken(error.to_string());
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line = self.rest.drain(..=end).take(end).collect::<Vec<u8>>();
                return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
            }
            if self.ended {
                let rest = std::mem::take(&mut self.rest);
                return Ok((!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned()));
            }
            if self.rest.len() > LONGEST {
                return Err(broken(&"a line without an end"));
            }
            match self.body.frame().await {
                Some(frame) => {
                    let frame = frame.map_err(|error| broken(&error))?;
                    if let Ok(data) = frame.into_data() {
                        self.rest.extend_from_slice(data.chunk());
                    }
                }
                None => self.ended = true,
            }
        }
    }
}
