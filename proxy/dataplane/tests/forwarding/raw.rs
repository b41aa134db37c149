//! HTTP/1.1 as bytes: a server that does what its script says and a client that leaves nothing out of what it sees.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A message as its receiver saw it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// First line and fields, in order, without line ends.
    pub head: Vec<String>,
    pub body: Vec<u8>,
    pub trailers: Vec<String>,
}

impl Message {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head
            .iter()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Without what differs each time.
    pub fn comparable(mut self) -> Self {
        let changing = [
            "x-request-id: ",
            "date: ",
            "x-envoy-upstream-service-time: ",
        ];
        for line in &mut self.head {
            if let Some(name) = changing.iter().find(|name| line.starts_with(**name)) {
                (*name).clone_into(line);
            }
        }
        self
    }
}

/// Reads one message; `None` where the peer ended before. `has_body`: its framing counts.
pub async fn read(
    from: &mut BufReader<impl tokio::io::AsyncRead + Unpin>,
    has_body: bool,
) -> Option<Message> {
    let head = section(from).await?;
    let mut message = Message {
        head,
        ..Message::default()
    };
    let status = message.head[0].split(' ').nth(1).unwrap().to_owned();
    let is_answer = message.head[0].starts_with("HTTP/");
    if !has_body || is_answer && (status.starts_with('1') || status == "204" || status == "304") {
        return Some(message);
    }
    if message.field("transfer-encoding") == Some("chunked") {
        loop {
            let mut line = String::new();
            from.read_line(&mut line).await.ok()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            if size == 0 {
                message.trailers = section(from).await?;
                return Some(message);
            }
            let mut chunk = vec![0; size + 2];
            from.read_exact(&mut chunk).await.ok()?;
            chunk.truncate(size);
            message.body.extend(chunk);
        }
    }
    match message.field("content-length") {
        Some(length) => {
            message.body = vec![0; length.parse().unwrap()];
            from.read_exact(&mut message.body).await.ok()?;
        }
        None if is_answer => {
            from.read_to_end(&mut message.body).await.ok()?;
        }
        None => {}
    }
    Some(message)
}

async fn section(from: &mut BufReader<impl tokio::io::AsyncRead + Unpin>) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end_matches(['\r', '\n']) {
            "" => return Some(lines),
            text => lines.push(text.to_owned()),
        }
    }
}

/// What a scripted server answers to a path; it closes the connection after an answer that ends so.
pub type Script = fn(path: &str) -> &'static str;

/// A server that answers by its script and keeps what it was asked.
pub async fn server(script: Script) -> (SocketAddr, Arc<Mutex<Vec<Message>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(BufReader::new(socket), script, kept.clone()));
        }
    });
    (address, seen)
}

async fn serve(mut socket: BufReader<TcpStream>, script: Script, seen: Arc<Mutex<Vec<Message>>>) {
    while let Some(request) = read(&mut socket, true).await {
        let path = request.head[0].split(' ').nth(1).unwrap().to_owned();
        let head = request.head[0].starts_with("HEAD ");
        seen.lock().unwrap().push(request);
        let answer = script(&path);
        let end = answer.find("\r\n\r\n").map_or(answer.len(), |at| at + 4);
        let part = if head { &answer[..end] } else { answer };
        if socket.write_all(part.as_bytes()).await.is_err() {
            return;
        }
        if answer.contains("connection: close") {
            return;
        }
    }
}

/// Asks on a connection of its own and takes all answers to it, informational ones too.
pub async fn ask(address: SocketAddr, request: &str) -> Vec<Message> {
    let mut socket = BufReader::new(TcpStream::connect(address).await.unwrap());
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answers = Vec::new();
    while let Some(answer) = read(&mut socket, !request.starts_with("HEAD ")).await {
        let last = !answer.head[0].starts_with("HTTP/1.1 1");
        answers.push(answer);
        if last {
            break;
        }
    }
    answers
}
