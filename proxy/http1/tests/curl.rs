//! curl asks a server made of this codec over blocking sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use headers::{Headers, Known};
use http1::{BodyLength, Config, Connection, Event, Role};

/// A server that tells what it was asked, and how many connections it had.
struct Server {
    address: String,
    connections: Arc<AtomicUsize>,
}

fn start() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || serve(&mut stream.unwrap()));
        }
    });
    Server {
        address,
        connections,
    }
}

fn serve(stream: &mut TcpStream) {
    let mut conn = Connection::new(
        Role::Server,
        Config {
            accept_http_10: true,
            ..Config::default()
        },
    );
    // What speaks inside a CONNECT's tunnel.
    let mut inner = Connection::new(Role::Server, Config::default());
    let (mut request, mut content, mut tunnel) = (Headers::new(), Vec::new(), false);
    let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
    let mut list = Headers::new();
    while !conn.should_close() {
        let n = if conn.wants_input() {
            stream.read(&mut buffer).unwrap()
        } else {
            0
        };
        if n == 0 && conn.wants_input() {
            return;
        }
        kept.extend_from_slice(&buffer[..n]);
        let mut input = &kept[..];
        while let Some(event) = conn.next(&mut input, &mut list).unwrap() {
            match event {
                Event::Request {
                    expect_continue, ..
                } => {
                    request = list.clone();
                    content.clear();
                    if expect_continue {
                        conn.send_informational(&head(&[(":status", "100")]))
                            .unwrap();
                    }
                    if list.get(Known::Method) == Some(b"CONNECT") {
                        conn.send_response(&head(&[(":status", "200")]), BodyLength::Empty)
                            .unwrap();
                    }
                }
                Event::Tunnel => tunnel = true,
                Event::Data(mut data) if tunnel => {
                    while let Some(event) = inner.next(&mut data, &mut list).unwrap() {
                        if event == Event::End {
                            answer(&mut inner, &list, b"");
                        }
                    }
                    conn.send_data(inner.output()).unwrap();
                    inner.advance(usize::MAX);
                }
                Event::Data(data) => content.extend_from_slice(data),
                Event::Trailers => {
                    content.extend_from_slice(format!("+{} trailers", list.len()).as_bytes())
                }
                Event::End => answer(&mut conn, &request, &content),
                Event::Informational | Event::Response { .. } => panic!("{event:?}"),
            }
        }
        kept = input.to_vec();
        stream.write_all(conn.output()).unwrap();
        conn.advance(usize::MAX);
    }
}

fn head(of: &[(&str, &str)]) -> Headers {
    let mut h = Headers::new();
    h.extend(of.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())));
    h
}

fn answer(conn: &mut Connection, request: &Headers, content: &[u8]) {
    let text = |known| String::from_utf8_lossy(request.get(known).unwrap_or_default()).into_owned();
    let path = text(Known::Path);
    let body = format!(
        "{} {} {} [{}]",
        text(Known::Method),
        text(Known::Authority),
        path,
        String::from_utf8_lossy(content)
    );
    let status = path.strip_prefix("/status/").unwrap_or("200");
    let response = head(&[(":status", status), ("x-a", "b")]);
    let length = if path == "/streamed" {
        BodyLength::Unknown
    } else {
        BodyLength::Exact(body.len() as u64)
    };
    conn.send_response(&response, length).unwrap();
    for piece in body.as_bytes().chunks(7) {
        conn.send_data(piece).unwrap();
    }
    conn.send_trailers(&head(&[("x-trailer", "c")])).unwrap();
}

/// What curl prints. It must succeed.
fn curl(args: &[&str]) -> String {
    let out = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--noproxy",
            "",
            "--max-time",
            "20",
        ])
        .args(args)
        .env_remove("http_proxy")
        .env_remove("ALL_PROXY")
        .output()
        .expect("this test needs curl on the PATH");
    assert!(
        out.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[test]
fn a_get_is_answered_and_the_connection_used_again() {
    let server = start();
    let at = &server.address;
    let out = curl(&[
        &format!("http://{at}/a?b"),
        &format!("http://{at}/c"),
        &format!("http://{at}/streamed"),
    ]);
    assert_eq!(
        out,
        format!("GET {at} /a?b []GET {at} /c []GET {at} /streamed []")
    );
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn content_comes_with_a_length_and_in_chunks_and_after_100() {
    let server = start();
    let (at, url) = (&server.address, format!("http://{}/", server.address));
    let big = "x".repeat(100_000);
    for extra in [
        "X-Y: z",
        "Transfer-Encoding: chunked",
        "Expect: 100-continue",
    ] {
        assert_eq!(
            curl(&["-H", extra, "--data", "hello", &url]),
            format!("POST {at} / [hello]"),
            "{extra}"
        );
        assert_eq!(
            curl(&["-H", extra, "-X", "PUT", "--data", &big, &url]),
            format!("PUT {at} / [{big}]"),
            "{extra}"
        );
    }
}

#[test]
fn head_and_statuses_without_content_leave_the_connection_usable() {
    let server = start();
    let url = |path: &str| format!("http://{}{path}", server.address);
    let out = curl(&["--head", &url("/"), &url("/streamed")]);
    assert!(
        out.starts_with("HTTP/1.1 200 OK\r\nx-a: b\r\ncontent-length: "),
        "{out}"
    );
    assert!(out.contains("transfer-encoding: chunked"), "{out}");
    let out = curl(&[
        "-D",
        "-",
        &url("/status/204"),
        &url("/status/304"),
        &url("/status/404"),
    ]);
    assert!(
        out.starts_with("HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\nHTTP/1.1 304 Not Modified\r\n"),
        "{out}"
    );
    assert!(out.contains("HTTP/1.1 404 Not Found\r\n"), "{out}");
    assert_eq!(server.connections.load(Ordering::SeqCst), 2);
}

#[test]
fn http_1_0_gets_content_up_to_the_end_of_the_connection() {
    let server = start();
    let out = curl(&[
        "--http1.0",
        "-i",
        &format!("http://{}/streamed", server.address),
    ]);
    let want = format!(
        "HTTP/1.0 200 OK\r\nx-a: b\r\nconnection: close\r\n\r\nGET {} /streamed []",
        server.address
    );
    assert_eq!(out, want);
}

#[test]
fn a_proxy_request_has_an_absolute_form_and_connect_a_tunnel() {
    let server = start();
    let proxy = format!("http://{}", server.address);
    let out = curl(&["-x", &proxy, "http://example.test:81/a?b"]);
    assert_eq!(out, "GET example.test:81 /a?b []");
    let out = curl(&["-p", "-x", &proxy, "http://example.test:81/a?b"]);
    assert_eq!(out, "GET example.test:81 /a?b []");
    let out = curl(&["-X", "OPTIONS", "--request-target", "*", &proxy]);
    assert_eq!(out, format!("OPTIONS {} * []", server.address));
}

#[test]
fn an_odd_request_is_refused_and_curl_sees_why() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut conn = Connection::new(Role::Server, Config::default());
        let (mut buffer, mut list) = ([0; 4096], Headers::new());
        let n = stream.read(&mut buffer).unwrap();
        let error = conn.next(&mut &buffer[..n], &mut list).unwrap_err();
        let status = error.status().to_string();
        conn.send_response(
            &head(&[(":status", &status)]),
            BodyLength::Exact(error.details().len() as u64),
        )
        .unwrap();
        conn.send_data(error.details().as_bytes()).unwrap();
        conn.finish().unwrap();
        assert!(conn.should_close());
        stream.write_all(conn.output()).unwrap();
    });
    let out = curl(&[
        "-i",
        "-H",
        "Transfer-Encoding: gzip, chunked",
        "--data",
        "x",
        &url,
    ]);
    assert_eq!(
        out,
        "HTTP/1.1 501 Not Implemented\r\nconnection: close\r\ncontent-length: 31\r\n\r\nhttp1.invalid_transfer_encoding"
    );
}
