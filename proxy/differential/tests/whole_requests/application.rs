//! The application behind the servers' sidecars: it answers each case as its row says, and keeps what it saw.

mod bytes;
pub(crate) use bytes::{end, fill};
mod frames;
mod request;

use std::collections::HashMap;
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use socket2::SockRef;

use crate::case::{Act, Reply};

/// Where it listens: HTTP, HTTP of undeclared protocol, bytes, bytes where the server speaks first, gRPC.
pub(crate) const PORTS: [u16; 8] = [8080, 8081, 8082, 8083, 9000, 9001, 9002, 50051];
/// Here the application sends its first bytes before it has read any.
const SPEAKS_FIRST: u16 = 9001;
/// The longest that a connection waits for the next byte.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is known of a case on the application's side.
struct Script {
    replies: Vec<Reply>,
    requests: usize,
    seen: Vec<Vec<String>>,
}

#[derive(Default)]
struct State {
    scripts: HashMap<String, Script>,
    /// The case that runs: whose a request without its name is.
    current: String,
}

#[derive(Clone, Default)]
pub(crate) struct Application(Arc<Mutex<State>>);

/// One request as it is being seen.
#[derive(Clone)]
pub(super) struct Seen {
    application: Application,
    case: String,
    index: usize,
}

impl Seen {
    fn add(&self, line: impl Into<String>) {
        let mut state = self.application.state();
        if let Some(script) = state.scripts.get_mut(&self.case) {
            script.seen[self.index].push(line.into());
        }
    }
}

impl Application {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// From now on requests are this case's.
    pub(crate) fn begin(&self, case: &str, replies: &[Reply]) {
        let mut state = self.state();
        let script = Script {
            replies: replies.to_vec(),
            requests: 0,
            seen: Vec::new(),
        };
        state.scripts.insert(case.to_owned(), script);
        case.clone_into(&mut state.current);
    }

    /// What requests of a case looked like, in the order in which they came.
    pub(crate) fn seen(&self, case: &str) -> Vec<Vec<String>> {
        let state = self.state();
        state
            .scripts
            .get(case)
            .map_or(Vec::new(), |s| s.seen.clone())
    }

    /// A request or a connection of bytes: what it gets.
    fn reply(&self, case: Option<&str>) -> (Seen, Reply) {
        let mut state = self.state();
        let case = case
            .filter(|case| state.scripts.contains_key(*case))
            .unwrap_or(&state.current)
            .to_owned();
        let script = state.scripts.get_mut(&case).expect("a case runs");
        let last = script.replies.len() - 1;
        let reply = script.replies[script.requests.min(last)].clone();
        script.requests += 1;
        script.seen.push(Vec::new());
        let index = script.seen.len() - 1;
        let application = self.clone();
        (
            Seen {
                application,
                case,
                index,
            },
            reply,
        )
    }

    /// Listens in the calling thread's namespace, for as long as this process lives.
    pub(crate) fn serve(&self, pod: &'static str) {
        for port in PORTS {
            let listener = TcpListener::bind(("0.0.0.0", port)).unwrap();
            let application = self.clone();
            std::thread::spawn(move || {
                for connection in listener.incoming().map_while(Result::ok) {
                    let application = application.clone();
                    std::thread::spawn(move || application.connection(&connection, pod, port));
                }
            });
        }
    }

    fn connection(&self, stream: &TcpStream, pod: &'static str, port: u16) {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let place = format!("{pod}:{port}");
        if (9000..9010).contains(&port) {
            let (seen, reply) = self.reply(None);
            if port != SPEAKS_FIRST {
                // A connection that ends without a byte is seen, too.
                let mut first = [0];
                drop(stream.peek(&mut first));
            }
            seen.add(format!("connection at {place}"));
            bytes::serve(stream, &seen, &reply);
            return;
        }
        let mut first = [0; 3];
        match stream.peek(&mut first) {
            Ok(3) if first == *b"PRI" => frames::serve(self, stream, &place),
            Ok(1..) => request::serve(self, stream, &place),
            _ => {}
        }
    }
}

/// Does what a row says with a connection. False when the connection is over.
fn act(stream: &TcpStream, buffer: &mut Vec<u8>, seen: &Seen, act: &Act) -> bool {
    match act {
        Act::Send(bytes) => (&*stream).write_all(bytes).is_ok(),
        Act::Wait(milliseconds) => {
            std::thread::sleep(Duration::from_millis(*milliseconds));
            true
        }
        Act::Read(length) => {
            let ended = bytes::fill(stream, buffer, *length);
            let read: Vec<u8> = buffer.drain(..buffer.len().min(*length)).collect();
            seen.add(format!("read {}", crate::compare::text(&read)));
            if let Some(end) = &ended {
                seen.add(end.as_str());
            }
            ended.is_none()
        }
        Act::Rest => {
            let end = bytes::fill(stream, buffer, usize::MAX).unwrap_or_default();
            seen.add(format!("read {} until {end}", crate::compare::text(buffer)));
            false
        }
        Act::Close => {
            drop(stream.shutdown(Shutdown::Both));
            false
        }
        Act::Reset => {
            SockRef::from(stream)
                .set_linger(Some(Duration::ZERO))
                .unwrap();
            false
        }
        Act::ReadBody => true,
    }
}
