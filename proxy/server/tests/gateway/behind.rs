//! What stands behind the gateway.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::certificates::Pair;

/// Answers every request with its head.
pub fn echo() -> u16 {
    listening(answer)
}

/// The same in TLS of its own.
pub fn secure_echo(own: &Pair) -> u16 {
    let chain = CertificateDer::pem_slice_iter(own.chain.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
    let config =
        ServerConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
    let config = Arc::new(config);
    listening(move |stream| {
        let session = ServerConnection::new(config.clone()).unwrap();
        answer(StreamOwned::new(session, stream));
    })
}

fn listening(serve: impl Fn(std::net::TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream));
        }
    });
    port
}

fn answer(mut stream: impl Read + Write) {
    let mut read = Vec::new();
    let mut buffer = [0; 16 << 10];
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        read.extend_from_slice(&buffer[..n]);
        while let Some(end) = read.windows(4).position(|w| w == b"\r\n\r\n") {
            let head: Vec<u8> = read.drain(..end + 4).collect();
            let fields = "HTTP/1.1 200 OK\r\nserver: behind\r\ntransfer-encoding: chunked\r\n\r\n";
            let size = format!("{fields}{:x}\r\n", head.len());
            let whole = [size.as_bytes(), &head, b"\r\n0\r\n\r\n"].concat();
            if stream
                .write_all(&whole)
                .and_then(|()| stream.flush())
                .is_err()
            {
                return;
            }
        }
    }
}
