//! Asking once.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;

use super::Question;
use crate::dial;
use crate::kubelet::runtime::{Program, Reader, Running, Runtime};

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
            Question::Http { host, port, .. } => {
                let stream = dial(runtime, host.as_deref(), *port, pod_ip)
                    .await
                    .map_err(|problem| format!("Get {:?}: {problem}", url(question, pod_ip)))?;
                get(stream, question, pod_ip).await
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
        .unwrap_or_else(|_| Err(timed_out(question, timeout, pod_ip)))
}

fn timed_out(question: &Question, timeout: Duration, pod_ip: IpAddr) -> String {
    let seconds = timeout.as_secs();
    match question {
        Question::Http { .. } => format!(
            "Get {:?}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
            url(question, pod_ip)
        ),
        Question::Tcp { host, port } => format!(
            "dial tcp {}:{port}: i/o timeout",
            host.clone().unwrap_or_else(|| pod_ip.to_string())
        ),
        Question::Grpc { port, .. } => format!(
            "timeout: failed to connect service \"{pod_ip}:{port}\" within {seconds}s: context deadline exceeded"
        ),
        Question::Exec(command) => format!(
            "command timed out: {:?} timed out after {seconds}s",
            command.join(" ")
        ),
    }
}

/// What an HTTP question asks for; empty for others.
fn url(question: &Question, pod_ip: IpAddr) -> String {
    let Question::Http {
        tls,
        host,
        port,
        path,
        ..
    } = question
    else {
        return String::new();
    };
    let scheme = if *tls { "https" } else { "http" };
    let host = host.clone().unwrap_or_else(|| pod_ip.to_string());
    format!("{scheme}://{host}:{port}{path}")
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
        .map_err(|error| dial::failed(SocketAddr::new(ip, port), &error))
}

async fn get(stream: TcpStream, question: &Question, pod_ip: IpAddr) -> Result<(), String> {
    let Question::Http {
        tls,
        host,
        port,
        path,
        headers,
    } = question
    else {
        return Err("not a question by HTTP".to_owned());
    };
    let ip = host
        .as_deref()
        .and_then(|host| host.parse().ok())
        .unwrap_or(pod_ip);
    let mut request = Request::get(path)
        .header(header::USER_AGENT, "kube-probe/1.34")
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close");
    let mut authority = format!("{ip}:{port}");
    for (name, value) in headers {
        if name.eq_ignore_ascii_case("host") {
            authority.clone_from(value);
        } else {
            request = request.header(name, value);
        }
    }
    let server = authority
        .rsplit_once(':')
        .map_or(authority.clone(), |(host, _)| host.to_owned());
    let request = request
        .header(header::HOST, authority)
        .body(Full::<Bytes>::default())
        .map_err(|error| format!("httpGet: {error}"))?;
    let whole = |problem: String| format!("Get {:?}: {problem}", url(question, pod_ip));
    let status = if *tls {
        let stream = super::tls::connect(stream, &server, ip)
            .await
            .map_err(whole)?;
        http(stream, request).await
    } else {
        http(stream, request).await
    }
    .map_err(whole)?;
    if (200..400).contains(&status) {
        Ok(())
    } else {
        Err(format!("HTTP probe failed with statuscode: {status}"))
    }
}

async fn http(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<u16, String> {
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
    Ok(response.status().as_u16())
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
        false => Err("service unhealthy (responded with \"NOT_SERVING\")".to_owned()),
    }
}

/// A length-prefixed `HealthCheckRequest { service = 1 }`.
fn health_request(service: &str) -> Bytes {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        // The length as a varint: seven bits a byte, the lowest first.
        let mut length = service.len();
        while length >= 0x80 {
            message.push(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
            length >>= 7;
        }
        message.push(u8::try_from(length).unwrap_or(0));
        message.extend_from_slice(service.as_bytes());
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
    let execution = running
        .exec(Program {
            args: command,
            ..Program::default()
        })
        .await
        .map_err(|error| error.to_string())?;
    let (code, out, err) = tokio::join!(
        execution.exit,
        printed(execution.stdout),
        printed(execution.stderr),
    );
    match code {
        Ok(0) => Ok(()),
        Ok(code) => Err(match format!("{out}{err}").trim_end() {
            "" => format!("command exited with {code}"),
            said => said.to_owned(),
        }),
        Err(error) => Err(error.to_string()),
    }
}

/// The beginning of what a program prints; the rest is read too, or the program would block.
async fn printed(mut from: Reader) -> String {
    let mut kept = Vec::new();
    let limit = u64::try_from(ANSWER_LIMIT).unwrap_or(u64::MAX);
    // A stream that breaks has said what it said.
    let _ = (&mut from).take(limit).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).into_owned()
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
        let long = health_request(&"s".repeat(300));
        assert_eq!(
            long.get(..8),
            Some(&[0, 0, 0, 1, 0x2f, 0x0a, 0xac, 0x02][..])
        );
        assert!(is_serving(&[0, 0, 0, 0, 2, 8, 1]));
        assert!(!is_serving(&[0, 0, 0, 0, 2, 8, 2]));
        assert!(!is_serving(&[0, 0, 0, 0, 0]));
    }
}
