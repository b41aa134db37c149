//! A gRPC call that streams both ways and keeps nothing of a message that was taken. tonic's own keeps room for the
//! largest message as long as the stream lives: megabytes, where all clusters of a large mesh came in one.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderValue, TE};
use http::{Method, Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use prost::Message;
use tokio_stream::{Stream, StreamExt};
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tower::{Service, ServiceExt};

/// Flag and length before each message.
const PREFIX: usize = 5;

/// The answers of a call.
#[derive(Debug)]
pub(crate) struct Answers {
    body: Body,
    unread: BytesMut,
    /// The largest message, in bytes.
    largest: usize,
}

/// Calls a method (`/package.Service/Method`).
///
/// # Errors
/// The server cannot be reached, or refuses.
pub(crate) async fn call<M: Message + 'static>(
    mut channel: Channel,
    method: &'static str,
    requests: impl Stream<Item = M> + Send + 'static,
    largest: usize,
) -> Result<Answers, Status> {
    let frames = requests.map(|message| Ok::<_, Status>(Frame::data(framed(&message))));
    let request = Request::builder()
        .method(Method::POST)
        .uri(method)
        .header(TE, HeaderValue::from_static("trailers"))
        .header(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))
        .body(Body::new(StreamBody::new(frames)))
        .map_err(|e| Status::internal(e.to_string()))?;
    let unreachable = |e: tonic::transport::Error| Status::from_error(e.into());
    let ready = channel.ready().await.map_err(unreachable)?;
    let (head, body) = ready.call(request).await.map_err(unreachable)?.into_parts();
    if head.status != StatusCode::OK {
        return Err(Status::unavailable(format!("answered {}", head.status)));
    }
    if let Some(status) = Status::from_header_map(&head.headers)
        && status.code() != Code::Ok
    {
        return Err(status);
    }
    Ok(Answers::new(body, largest))
}

impl Answers {
    fn new(body: Body, largest: usize) -> Self {
        Answers {
            body,
            unread: BytesMut::new(),
            largest,
        }
    }

    /// The next message; `None` after the last.
    ///
    /// # Errors
    /// How the call ended, where it did not end well, or what is wrong with a message.
    pub(crate) async fn next<M: Message + Default>(&mut self) -> Result<Option<M>, Status> {
        loop {
            if let Some(message) = self.whole()? {
                let decoded = M::decode(message);
                return decoded
                    .map(Some)
                    .map_err(|e| Status::internal(e.to_string()));
            }
            let Some(frame) = self.body.frame().await else {
                return match self.unread.is_empty() {
                    true => Ok(None),
                    false => Err(Status::internal("it ended within a message")),
                };
            };
            match frame?.into_data() {
                Ok(data) => self.unread.extend_from_slice(&data),
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    match Status::from_header_map(&trailers) {
                        Some(status) if status.code() != Code::Ok => return Err(status),
                        _ => {}
                    }
                }
            }
        }
    }

    /// A message that has come whole; the room that it took goes with it.
    fn whole(&mut self) -> Result<Option<Bytes>, Status> {
        let Some(mut prefix) = self.unread.get(..PREFIX) else {
            return Ok(None);
        };
        if prefix.get_u8() != 0 {
            return Err(Status::unimplemented("a message is compressed"));
        }
        let length = prefix.get_u32() as usize;
        if length > self.largest {
            return Err(Status::resource_exhausted(format!(
                "a message of {length} bytes; the most is {}",
                self.largest
            )));
        }
        if self.unread.len() < PREFIX + length {
            return Ok(None);
        }
        let mut message = std::mem::take(&mut self.unread);
        self.unread
            .extend_from_slice(message.get(PREFIX + length..).unwrap_or_default());
        message.truncate(PREFIX + length);
        message.advance(PREFIX);
        Ok(Some(message.freeze()))
    }
}

fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut framed = BytesMut::with_capacity(PREFIX + length);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    // There is room for it.
    let _ = message.encode(&mut framed);
    framed.freeze()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::HeaderMap;

    use super::*;

    fn answers(frames: Vec<Frame<Bytes>>) -> Answers {
        let frames = tokio_stream::iter(frames.into_iter().map(Ok::<_, Status>));
        Answers::new(Body::new(StreamBody::new(frames)), 1 << 20)
    }

    fn trailers(code: &'static str) -> Frame<Bytes> {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static(code));
        Frame::trailers(trailers)
    }

    #[tokio::test]
    async fn messages_come_whole_however_they_were_cut_and_leave_no_room_behind() {
        let sent: Vec<String> = [0, 1, 300, 100_000]
            .map(|length| "a".repeat(length))
            .to_vec();
        let bytes: Vec<u8> = sent.iter().flat_map(framed).collect();
        for cut in [1, 4, 5, 6, 1000, bytes.len()] {
            let mut frames: Vec<_> = bytes
                .chunks(cut)
                .map(|part| Frame::data(Bytes::copy_from_slice(part)))
                .collect();
            frames.push(trailers("0"));
            let mut answers = answers(frames);
            for wanted in &sent {
                assert_eq!(
                    answers.next::<String>().await.unwrap().as_ref(),
                    Some(wanted)
                );
            }
            assert!(
                answers.unread.capacity() < 100,
                "{}",
                answers.unread.capacity()
            );
            assert_eq!(answers.next::<String>().await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn what_cannot_be_taken_is_named() {
        let data = |bytes: &'static [u8]| Frame::data(Bytes::from_static(bytes));
        for (frame, code) in [
            (data(&[1, 0, 0, 0, 0]), Code::Unimplemented),
            (data(&[0, 1, 0, 0, 0]), Code::ResourceExhausted),
            (data(&[0, 0, 0, 0, 9, 1]), Code::Internal),
            (data(&[0, 0, 0, 0, 1, 0]), Code::Internal),
            (trailers("14"), Code::Unavailable),
        ] {
            let status = answers(vec![frame]).next::<String>().await.unwrap_err();
            assert_eq!(status.code(), code, "{status}");
        }
    }
}
