//! The h2 crate as a client and as an echo server.

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::io::DuplexStream;

use crate::Message;

fn map(fields: &[(String, String)]) -> HeaderMap {
    fields
        .iter()
        .filter(|(name, _)| !name.starts_with(':'))
        .map(|(name, value)| {
            (
                name.parse::<HeaderName>().unwrap(),
                value.parse::<HeaderValue>().unwrap(),
            )
        })
        .collect()
}

fn fields_of(map: &HeaderMap) -> Vec<(String, String)> {
    map.iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect()
}

/// Sends content as the peer's windows allow; `end` is sent with the last of it.
async fn send(stream: &mut SendStream<Bytes>, mut content: Bytes, end: bool) {
    while !content.is_empty() {
        stream.reserve_capacity(content.len());
        let capacity = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
        let Some(Ok(capacity)) = capacity else {
            return;
        };
        let now = content.split_to(capacity.min(content.len()));
        let end = end && content.is_empty();
        if stream.send_data(now, end).is_err() {
            return;
        }
    }
}

async fn receive(
    mut body: RecvStream,
) -> Result<(Vec<u8>, Option<Vec<(String, String)>>), h2::Error> {
    let mut content = Vec::new();
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        content.extend_from_slice(&part);
    }
    let trailers = body.trailers().await?;
    Ok((content, trailers.as_ref().map(fields_of)))
}

/// Sends one request and gives what comes back.
pub(crate) async fn ask(
    client: &h2::client::SendRequest<Bytes>,
    message: Message,
) -> Result<(u16, Message), h2::Error> {
    let pseudo = |wanted: &str| {
        let field = message.fields.iter().find(|(name, _)| name == wanted);
        field.unwrap().1.clone()
    };
    let uri = format!("http://{}{}", pseudo(":authority"), pseudo(":path"));
    let mut request = Request::builder()
        .method(pseudo(":method").as_str())
        .uri(uri)
        .body(())
        .unwrap();
    *request.headers_mut() = map(&message.fields);
    let end = message.content.is_empty() && message.trailers.is_none();
    let (response, mut stream) = client.clone().ready().await?.send_request(request, end)?;
    if !end {
        let trailers = message.trailers.as_deref().map(map);
        tokio::spawn(async move {
            send(&mut stream, message.content.into(), trailers.is_none()).await;
            if let Some(trailers) = trailers {
                stream.send_trailers(trailers).unwrap();
            }
        });
    }
    let (head, body) = response.await?.into_parts();
    let (content, trailers) = receive(body).await?;
    let fields = fields_of(&head.headers);
    let message = Message {
        fields,
        content,
        trailers,
    };
    Ok((head.status.as_u16(), message))
}

/// Serves one connection until the client leaves or `most` requests were taken; then leaves gracefully.
pub(crate) async fn serve(pipe: DuplexStream, builder: h2::server::Builder, most: usize) {
    let mut connection = builder.handshake::<_, Bytes>(pipe).await.unwrap();
    let mut taken = 0;
    while let Some(accepted) = connection.accept().await {
        let Ok((request, respond)) = accepted else {
            return;
        };
        taken += 1;
        if taken == most {
            connection.graceful_shutdown();
        }
        tokio::spawn(answer(request, respond));
    }
}

async fn answer(request: Request<RecvStream>, mut respond: h2::server::SendResponse<Bytes>) {
    let (head, mut body) = request.into_parts();
    match head.uri.path() {
        "/reset" => return respond.send_reset(h2::Reason::CANCEL),
        "/refuse" => return respond.send_reset(h2::Reason::REFUSED_STREAM),
        "/informational" => {
            let early = Response::builder().status(103).body(()).unwrap();
            respond.send_informational(early).unwrap();
        }
        "/early" => {
            let early = Response::builder().status(413).body(()).unwrap();
            respond.send_response(early, true).unwrap();
            return;
        }
        _ => {}
    }
    let mut response = Response::new(());
    *response.headers_mut() = head.headers;
    let mut stream = respond.send_response(response, false).unwrap();
    while let Some(Ok(part)) = body.data().await {
        let len = part.len();
        send(&mut stream, part, false).await;
        // Sent on: as a proxy gives credit.
        body.flow_control().release_capacity(len).unwrap();
    }
    match body.trailers().await {
        Ok(Some(trailers)) => stream.send_trailers(trailers).unwrap(),
        Ok(None) => stream.send_data(Bytes::new(), true).unwrap(),
        Err(_) => {}
    }
}
