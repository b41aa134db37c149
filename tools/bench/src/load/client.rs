//! The load's one thread: connections, requests under way, and when the next is due.

mod answers;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use headers::Headers;
use http2::StreamId;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::link::{Codec, Link};
use super::pacer::Pacer;
use super::{Exchange, Latencies, Load, Moment, Outcome, Pace, Version};
use crate::failure::{Doing, Failure};

/// How long answers are awaited after the end.
const PATIENCE: Duration = Duration::from_secs(20);
/// Content that may wait in a connection's output.
const MOST_UNWRITTEN: usize = 256 * 1024;
/// Content is made in pieces of this size at most.
const PIECE: usize = 64 * 1024;
const TIMER: Token = Token(usize::MAX);

static CONTENT: [u8; PIECE] = [b'x'; PIECE];

/// Where a load stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Requests are made and do not count.
    WarmUp,
    /// They count.
    Counting,
    /// No more are made; those under way are answered.
    Draining,
}

/// A request under way.
struct Request {
    link: usize,
    /// Of HTTP/2.
    stream: Option<StreamId>,
    /// When it was due; of a stream of messages, when the last one was.
    due: Instant,
    /// The message under way, from 1.
    message: u32,
    /// Messages that the stream will have had.
    messages: u32,
    /// Bytes of content sent and received.
    sent: u64,
    got: u64,
    status_seen: bool,
    grpc_status_seen: bool,
}

struct Client<'l> {
    exchange: &'l Exchange,
    /// Of a closed loop: how many requests each connection has under way.
    in_flight: Option<usize>,
    links: Vec<Link>,
    requests: Slab<Request>,
    /// When requests were due that no connection had room for.
    backlog: VecDeque<Instant>,
    /// The connection that is next in an open loop.
    turn: usize,
    phase: Phase,
    since: Instant,
    answered: u64,
    latencies: Latencies,
}

/// Makes the load and says what came of it. `at` is called when counting begins and ends.
pub(crate) fn run(
    load: &Load,
    at: &mut dyn FnMut(Moment) -> Result<(), Failure>,
) -> Result<Outcome, Failure> {
    let mut poll = Poll::new().doing("epoll")?;
    let mut client = Client::new(load)?;
    for (n, link) in client.links.iter_mut().enumerate() {
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(&mut link.socket, Token(n), both)
            .doing("epoll")?;
    }
    let mut pacer = match load.pace {
        Pace::Open { per_second } => Some(Pacer::start(per_second, &poll, TIMER)?),
        Pace::Closed { .. } => None,
    };
    client.fill();
    let mut events = Events::with_capacity(256);
    let mut buffer = vec![0; 256 * 1024];
    let mut headers = Headers::new();
    let mut change = Instant::now() + load.warm_up;
    let mut time = Duration::ZERO;
    loop {
        let now = Instant::now();
        if client.phase == Phase::Draining && client.requests.is_empty() {
            break;
        }
        if now >= change {
            match client.phase {
                Phase::WarmUp => {
                    at(Moment::Begin)?;
                    client.begin();
                    change = client.since + load.time;
                }
                Phase::Counting => {
                    time = client.since.elapsed();
                    at(Moment::End)?;
                    client.phase = Phase::Draining;
                    client.backlog.clear();
                    change = Instant::now() + PATIENCE;
                }
                Phase::Draining => {
                    return Err(Failure(format!(
                        "{} requests were not answered within {PATIENCE:?}",
                        client.requests.len()
                    )));
                }
            }
        }
        let wait = change.saturating_duration_since(Instant::now());
        match poll.poll(&mut events, Some(wait)) {
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            polled => polled.doing("epoll")?,
        }
        for event in &events {
            if event.token() != TIMER {
                client.ready(event.token().0, &mut buffer, &mut headers)?;
            }
        }
        if let Some(pacer) = &mut pacer {
            for due in pacer.due() {
                if client.phase != Phase::Draining {
                    client.due(due)?;
                }
            }
        }
        client.write()?;
    }
    Ok(Outcome {
        answered: client.answered,
        time,
        latencies: client.latencies,
    })
}

impl<'l> Client<'l> {
    fn new(load: &'l Load) -> Result<Self, Failure> {
        let links = (0..load.connections)
            .map(|_| Link::connect(load.target, load.exchange.version))
            .collect::<Result<_, _>>()?;
        Ok(Client {
            exchange: &load.exchange,
            in_flight: match load.pace {
                Pace::Closed { in_flight } => Some(in_flight),
                Pace::Open { .. } => None,
            },
            links,
            requests: Slab::new(),
            backlog: VecDeque::new(),
            turn: 0,
            phase: Phase::WarmUp,
            since: Instant::now(),
            answered: 0,
            latencies: Latencies::default(),
        })
    }

    fn begin(&mut self) {
        self.phase = Phase::Counting;
        self.since = Instant::now();
        self.answered = 0;
        self.latencies.clear();
    }

    /// Opens what a closed loop begins with.
    fn fill(&mut self) {
        for link in 0..self.links.len() {
            self.fill_link(link);
        }
    }

    fn fill_link(&mut self, link: usize) {
        let Some(most) = self.in_flight else { return };
        if self.phase == Phase::Draining {
            return;
        }
        while self.links.get(link).is_some_and(|l| l.open < most) && self.open(link, Instant::now())
        {
        }
    }

    /// A request of the open loop is due.
    fn due(&mut self, due: Instant) -> Result<(), Failure> {
        for _ in 0..self.links.len() {
            self.turn = (self.turn + 1) % self.links.len();
            if self.open(self.turn, due) {
                return Ok(());
            }
        }
        self.backlog.push_back(due);
        // A proxy that falls behind for ever has no latency at this rate.
        if self.backlog.len() > 100_000 {
            return Err(Failure(
                "100,000 requests that are due found no room".to_owned(),
            ));
        }
        Ok(())
    }

    /// Makes a request if the connection has room for it.
    fn open(&mut self, at: usize, due: Instant) -> bool {
        let exchange = self.exchange;
        let Some(link) = self.links.get_mut(at) else {
            return false;
        };
        let entry = self.requests.vacant_entry();
        let key = entry.key();
        let stream = match &mut link.codec {
            Codec::Two(two) => {
                let token = u32::try_from(key).unwrap_or(http2::NO_TOKEN);
                match two.open(&exchange.head, exchange.body == 0, token) {
                    Ok(stream) => Some(stream),
                    Err(_) => return false,
                }
            }
            Codec::One(one) => {
                let length = match exchange.body {
                    0 => http1::BodyLength::Empty,
                    n => http1::BodyLength::Exact(n),
                };
                if link.current.is_some() || one.send_request(&exchange.head, length).is_err() {
                    return false;
                }
                link.current = Some(key);
                None
            }
            Codec::Tcp(bytes) => {
                if link.current.is_some() {
                    return false;
                }
                bytes.extend_from_slice(&exchange.answer.to_be_bytes());
                link.current = Some(key);
                None
            }
        };
        link.open += 1;
        entry.insert(Request {
            link: at,
            stream,
            due,
            message: 1,
            messages: exchange.messages,
            sent: 0,
            got: 0,
            // Bytes have none.
            status_seen: exchange.version == Version::Tcp,
            grpc_status_seen: false,
        });
        self.push(key);
        true
    }

    /// Sends what of a request's content is due and has room.
    fn push(&mut self, key: usize) {
        let Some(request) = self.requests.get_mut(key) else {
            return;
        };
        let Some(link) = self.links.get_mut(request.link) else {
            return;
        };
        let goal = self.exchange.body * u64::from(request.message);
        while request.sent < goal {
            if link.unwritten() >= MOST_UNWRITTEN {
                link.waiting.push(key);
                return;
            }
            let left = usize::try_from(goal - request.sent).unwrap_or(usize::MAX);
            let piece = CONTENT.get(..left.min(PIECE)).unwrap_or(&CONTENT);
            let is_last = left == piece.len() && request.message == request.messages;
            let accepted = match (&mut link.codec, request.stream) {
                (Codec::Two(two), Some(stream)) => two.send_data(stream, piece, is_last),
                // Checked by its length when it began.
                (Codec::One(one), _) => one.send_data(piece).map_or(0, |()| piece.len()),
                _ => 0,
            };
            request.sent += accepted as u64;
            if accepted < piece.len() {
                return;
            }
        }
        if let Codec::One(one) = &mut link.codec {
            // The length was announced, and all of it was sent.
            let _ = one.finish();
        }
    }

    /// Writes what waits, and makes more of content that waits for room.
    fn write(&mut self) -> Result<(), Failure> {
        for at in 0..self.links.len() {
            while let Some(link) = self.links.get_mut(at) {
                link.write().doing("writing to the proxy")?;
                if link.waiting.is_empty() || link.unwritten() > 0 {
                    break;
                }
                for key in std::mem::take(&mut link.waiting) {
                    self.push(key);
                }
            }
        }
        Ok(())
    }
}
