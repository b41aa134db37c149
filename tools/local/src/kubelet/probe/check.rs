//! Asking once.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::Question;
use crate::kubelet::runtime::{Running, Runtime};

/// Bytes of an answer that are read at most.
const ANSWER_LIMIT: usize = 10 * 1024;

/// Asks once; Err says why the answer was no.
///
/// # Errors
/// The text of a no, as an event would show it.
pub async fn ask(
    question: &Question,
    timeout: Duration,
    runtime: &dyn Runtime,
    running: &Arc<dyn Running>,
    pod_ip: IpAddr,
) -> Result<(), String> {
    let asked = async {
        match question {
            Question::Http {
                host,
                port,
                path,
                headers,
            } => {
                let stream = dial(runtime, host.as_deref(), *port, pod_ip).await?;
                http(stream, pod_ip, *port, path, headers).await
            }
            Question::Tcp { host, port } => dial(runtime, host.as_deref(), *port, pod_ip)
                .await
                .map(drop),
            Question::Grpc { port, service } => {
                let stream = dial(runtime, None, *port, pod_ip).await?;
                grpc(stream, pod_ip, *port, service).await
            }
            Question::Exec(command) => exec(running, command.clone()).await,
        }
    };
    tokio::time::timeout(timeout, asked)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", timeout.as_secs())))
}

async fn dial(
    runtime: &dyn Runtime,
    host: Option<&str>,
    port: u16,
    pod_ip: IpAddr,
) -> Result<TcpStream, String> {
    let ip = match host {
        None => pod_ip,
        Some(host) => host
            .parse()
            .map_err(|_| format!("host {host:?} of a probe must be an IP address here"))?,
    };
    runtime
        .connect(SocketAddr::new(ip, port))
        .await
        .map_err(|error| format!("dial tcp {ip}:{port}: {error}"))
}

async fn http(
    stream: TcpStream,
    ip: IpAddr,
    port: u16,
    path: &str,
    headers: &[(String, String)],
) -> Result<(), String> {
    let mut request = Request::get(path)
        .header(header::USER_AGENT, "kube-probe/1.34")
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close");
    let mut host = format!("{ip}:{port}");
    for (name, value) in headers {
        if name.eq_ignore_ascii_case("host") {
            host.clone_from(value);
        } else {
            request = request.header(name, value);
        }
    }
    let request = request
        .header(header::HOST, host)
        .body(Full::<Bytes>::default())
        .map_err(|error| format!("httpGet: {error}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let _driver = Driver(tokio::spawn(async move {
        // The request below reports what goes wrong.
        let _ = connection.await;
    }));
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| error.to_string())?;
    if (200..400).contains(&response.status().as_u16()) {
        Ok(())
    } else {
        Err(format!(
            "HTTP probe failed with statuscode: {}",
            response.status().as_u16()
        ))
    }
}

async fn grpc(stream: TcpStream, ip: IpAddr, port: u16, service: &str) -> Result<(), String> {
    let request = Request::post(format!("http://{ip}:{port}/grpc.health.v1.Health/Check"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .body(Full::new(health_request(service)))
        .map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
    let _driver = Driver(tokio::spawn(async move {
        let _ = connection.await;
    }));
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| error.to_string())?;
    let body = Limited::new(response.into_body(), ANSWER_LIMIT)
        .collect()
        .await
        .map_err(|error| error.to_string())?;
    let status = body
        .trailers()
        .and_then(|trailers| trailers.get("grpc-status"))
        .and_then(|status| status.to_str().ok())
        .unwrap_or("0")
        .to_owned();
    if status != "0" {
        return Err(format!("grpc status {status}"));
    }
    match is_serving(&body.to_bytes()) {
        true => Ok(()),
        false => Err("service unhealthy (not SERVING)".to_owned()),
    }
}

/// A length-prefixed `HealthCheckRequest { service = 1 }`.
fn health_request(service: &str) -> Bytes {
    let service: Vec<u8> = service.bytes().take(127).collect();
    let mut message = Vec::new();
    if !service.is_empty() {
        // 127 at most, so one byte of length.
        message.extend([0x0a, u8::try_from(service.len()).unwrap_or(0)]);
        message.extend(service);
    }
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap_or(0).to_be_bytes());
    frame.extend(message);
    frame.into()
}

/// Whether a length-prefixed `HealthCheckResponse { status = 1 }` says SERVING (1).
fn is_serving(frame: &[u8]) -> bool {
    frame.get(5..) == Some(&[0x08, 0x01])
}

async fn exec(running: &Arc<dyn Running>, command: Vec<String>) -> Result<(), String> {
    let mut execution = running
        .exec(command, false)
        .await
        .map_err(|error| error.to_string())?;
    // What it prints must be read or it would block; nobody wants it.
    let (mut out, mut err) = (tokio::io::sink(), tokio::io::sink());
    let (code, _, _) = tokio::join!(
        execution.exit,
        tokio::io::copy(&mut execution.stdout, &mut out),
        tokio::io::copy(&mut execution.stderr, &mut err),
    );
    match code {
        Ok(0) => Ok(()),
        Ok(code) => Err(format!("command exited with {code}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Ends a connection's task when the question is answered or given up.
struct Driver(tokio::task::JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_health_messages_are_those_of_grpc_health_v1() {
        assert_eq!(&health_request("")[..], &[0, 0, 0, 0, 0]);
        assert_eq!(&health_request("ab")[..], b"\0\0\0\0\x04\x0a\x02ab");
        assert!(is_serving(&[0, 0, 0, 0, 2, 8, 1]));
        assert!(!is_serving(&[0, 0, 0, 0, 2, 8, 2]));
        assert!(!is_serving(&[0, 0, 0, 0, 0]));
    }
}
