//! HTTP/2 as nobody should speak it: frames by hand.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinHandle;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A literal field without indexing.
pub fn field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        let mut length = text.len();
        if length < 127 {
            bytes.push(u8::try_from(length).unwrap());
        } else {
            bytes.push(127);
            length -= 127;
            while length >= 128 {
                bytes.push(u8::try_from(length % 128).unwrap() | 128);
                length /= 128;
            }
            bytes.push(u8::try_from(length).unwrap());
        }
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// The block of a request.
pub fn request(method: &str, path: &str) -> Vec<u8> {
    [
        field(":method", method),
        field(":scheme", "http"),
        field(":authority", "service"),
        field(":path", path),
    ]
    .concat()
}

pub fn get(stream: u32, path: &str) -> Vec<u8> {
    let block = request("GET", path);
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block)
}

pub fn post(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &request("POST", path))
}

pub fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())
}

pub fn setting(name: u16, value: u32) -> Vec<u8> {
    [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// A peer whose frames are collected as they come.
pub struct Peer {
    pub write: OwnedWriteHalf,
    read: JoinHandle<Vec<Frame>>,
}

impl Peer {
    /// A client that has said its preface and these settings.
    pub async fn client(address: SocketAddr, settings: &[u8]) -> Peer {
        let (read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
        let hello = [PREFACE, &frame(SETTINGS, 0, 0, settings)].concat();
        write.write_all(&hello).await.unwrap();
        Peer {
            write,
            read: tokio::spawn(collect(read)),
        }
    }

    /// Writes, unless the other side has had enough. Whether it was taken.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        matches!(
            tokio::time::timeout(Duration::from_secs(10), self.write.write_all(bytes)).await,
            Ok(Ok(()))
        )
    }

    /// All frames until the other side ended the connection, which it has to.
    pub async fn until_end(self) -> Vec<Frame> {
        let Peer { write, read } = self;
        let frames = tokio::time::timeout(Duration::from_secs(20), read)
            .await
            .expect("the connection is not ended")
            .unwrap();
        drop(write);
        frames
    }

    /// Why the other side ended the connection.
    pub async fn cut_off_with(self) -> u32 {
        code(&self.until_end().await)
    }
}

/// The code of the GOAWAY.
pub fn code(frames: &[Frame]) -> u32 {
    let away = frames.iter().rfind(|f| f.kind == GOAWAY);
    let payload = &away.expect("no GOAWAY").payload;
    u32::from_be_bytes(payload[4..8].try_into().unwrap())
}

async fn collect(mut read: OwnedReadHalf) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some(frame) = next(&mut read).await {
        frames.push(frame);
    }
    frames
}

/// The next frame, if one comes.
pub async fn next(read: &mut OwnedReadHalf) -> Option<Frame> {
    let mut head = [0; 9];
    read.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    read.read_exact(&mut payload).await.ok()?;
    Some(Frame {
        kind: head[3],
        flags: head[4],
        stream: u32::from_be_bytes(head[5..].try_into().unwrap()) & 0x7fff_ffff,
        payload,
    })
}
