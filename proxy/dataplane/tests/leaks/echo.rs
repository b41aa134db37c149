//! An endpoint that gives back what it got, if it gives back anything.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

/// What an answer says: the request's own header and its body. Paths with `/slow` take their time, those with `/lost`
/// end their connection, those with `/again` are refused the first time.
pub async fn endpoint() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            tokio::spawn(async move {
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let service = service_fn(answer);
                let _ = server.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    address
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Err(std::io::Error::other("the client has gone"));
    };
    let path = head.uri.path();
    if path.contains("/slow") {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    if path.contains("/lost") {
        return Err(std::io::Error::other("lost on purpose"));
    }
    let attempt = head.headers.get("x-envoy-attempt-count");
    let first = attempt.is_some_and(|n| n == "1");
    let status = if path.contains("/again") && first {
        503
    } else {
        200
    };
    let mut answer = Response::builder().status(status);
    if let Some(tag) = head.headers.get("x-tag") {
        answer = answer.header("x-tag", tag);
    }
    Ok(answer.body(Full::new(body.to_bytes())).unwrap())
}
