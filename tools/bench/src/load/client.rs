//! The load's one thread: connections, requests under way, and when the next is due.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use headers::{Headers, Known};
use http2::StreamId;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use slab::Slab;

use super::link::{Codec, Link};
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
        Pace::Open { per_second } => Some(Pacer::start(per_second, &poll)?),
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

    /// A connection has something to read, or room to write.
    fn ready(
        &mut self,
        at: usize,
        buffer: &mut [u8],
        headers: &mut Headers,
    ) -> Result<(), Failure> {
        loop {
            let Some(link) = self.links.get_mut(at) else {
                return Ok(());
            };
            match link.read(buffer).doing("reading from the proxy")? {
                None => return Ok(()),
                Some(0) => {
                    return Err(Failure(
                        "the proxy closed a connection under load".to_owned(),
                    ));
                }
                Some(n) => {
                    let input = buffer.get(..n).unwrap_or_default();
                    match link.codec {
                        Codec::One(_) => self.take_http1(at, input, headers)?,
                        Codec::Two(_) => self.take_http2(at, input, headers)?,
                        Codec::Tcp(_) => self.take_bytes(at, n)?,
                    }
                }
            }
        }
    }

    fn take_http2(
        &mut self,
        at: usize,
        mut input: &[u8],
        headers: &mut Headers,
    ) -> Result<(), Failure> {
        use http2::Event;
        loop {
            let Some(Link {
                codec: Codec::Two(two),
                ..
            }) = self.links.get_mut(at)
            else {
                return Ok(());
            };
            let event = two.next(&mut input, headers);
            let Some(event) = event.doing("the proxy's HTTP/2")? else {
                return Ok(());
            };
            match event {
                Event::Headers {
                    token, end_stream, ..
                } => {
                    self.fields(token as usize, headers)?;
                    if end_stream {
                        self.answered(token as usize)?;
                    }
                }
                Event::Data {
                    stream,
                    token,
                    bytes,
                    end_stream,
                } => {
                    two.release(stream, bytes.len());
                    self.content(token as usize, bytes.len());
                    if end_stream {
                        self.answered(token as usize)?;
                    }
                }
                Event::Writable { token, .. } => self.push(token as usize),
                Event::Opened => self.fill_link(at),
                Event::PingAck { .. } => {}
                Event::Reset { code, .. } => {
                    return Err(Failure(format!("a request was reset: {code:?}")));
                }
                Event::Refused { .. } | Event::GoAway { .. } => {
                    return Err(Failure("the proxy sent GOAWAY under load".to_owned()));
                }
            }
        }
    }

    fn take_http1(
        &mut self,
        at: usize,
        mut input: &[u8],
        headers: &mut Headers,
    ) -> Result<(), Failure> {
        use http1::Event;
        loop {
            let Some(Link {
                codec: Codec::One(one),
                current,
                ..
            }) = self.links.get_mut(at)
            else {
                return Ok(());
            };
            let event = one.next(&mut input, headers).doing("the proxy's HTTP/1")?;
            let key = *current;
            match (event, key) {
                (None, _) if input.is_empty() => return Ok(()),
                (None, _) => return Err(Failure("more came than was asked for".to_owned())),
                (Some(Event::Response { .. } | Event::Trailers), Some(key)) => {
                    self.fields(key, headers)?;
                }
                (Some(Event::Data(bytes)), Some(key)) => self.content(key, bytes.len()),
                (Some(Event::End), Some(key)) => {
                    *current = None;
                    self.answered(key)?;
                }
                (Some(event), _) => {
                    return Err(Failure(format!("unexpected from the proxy: {event:?}")));
                }
            }
        }
    }

    fn take_bytes(&mut self, at: usize, len: usize) -> Result<(), Failure> {
        let Some(link) = self.links.get_mut(at) else {
            return Ok(());
        };
        let Some(key) = link.current else {
            return Err(Failure("more came than was asked for".to_owned()));
        };
        self.content(key, len);
        let got = self.requests.get(key).map_or(0, |r| r.got);
        if got >= self.exchange.answer {
            if let Some(link) = self.links.get_mut(at) {
                link.current = None;
            }
            self.answered(key)?;
        }
        Ok(())
    }

    /// Fields of an answer came.
    fn fields(&mut self, key: usize, headers: &Headers) -> Result<(), Failure> {
        let Some(request) = self.requests.get_mut(key) else {
            return Ok(());
        };
        let text =
            |known| String::from_utf8_lossy(headers.get(known).unwrap_or_default()).into_owned();
        match headers.get(Known::Status) {
            Some(b"200") => request.status_seen = true,
            Some(_) => {
                return Err(Failure(format!(
                    "a request was answered {}",
                    text(Known::Status)
                )));
            }
            None => {}
        }
        match headers.get(Known::GrpcStatus) {
            Some(b"0") => request.grpc_status_seen = true,
            Some(_) => {
                return Err(Failure(format!(
                    "a request was answered grpc-status {} {}",
                    text(Known::GrpcStatus),
                    text(Known::GrpcMessage)
                )));
            }
            None => {}
        }
        Ok(())
    }

    /// Content of an answer came.
    fn content(&mut self, key: usize, len: usize) {
        let exchange = self.exchange;
        let Some(request) = self.requests.get_mut(key) else {
            return;
        };
        request.got += len as u64;
        if exchange.messages > 1 && request.got == exchange.answer * u64::from(request.message) {
            let due = request.due;
            let now = Instant::now();
            if request.message < request.messages {
                request.message += 1;
                request.due = now;
                if self.phase == Phase::Draining {
                    request.messages = request.message;
                }
                self.push(key);
            }
            self.count(due, now);
        }
    }

    /// The answer is over.
    fn answered(&mut self, key: usize) -> Result<(), Failure> {
        let Some(request) = self.requests.try_remove(key) else {
            return Ok(());
        };
        let exchange = self.exchange;
        let wanted = exchange.answer * u64::from(request.messages);
        let sent = exchange.body * u64::from(request.messages);
        if !request.status_seen
            || request.got != wanted
            || request.sent != sent
            || request.grpc_status_seen != exchange.grpc
        {
            return Err(Failure(format!(
                "a wrong answer: {} bytes of {wanted} after {} bytes of {sent} sent{}",
                request.got,
                request.sent,
                if request.grpc_status_seen == exchange.grpc {
                    ""
                } else {
                    ", and no grpc-status 0"
                }
            )));
        }
        if let Some(link) = self.links.get_mut(request.link) {
            link.open -= 1;
        }
        if exchange.messages == 1 {
            self.count(request.due, Instant::now());
        }
        if let Some(due) = self.backlog.pop_front() {
            if !self.open(request.link, due) {
                self.backlog.push_front(due);
            }
        } else {
            self.fill_link(request.link);
        }
        Ok(())
    }

    fn count(&mut self, due: Instant, now: Instant) {
        if self.phase == Phase::Counting {
            self.answered += 1;
            if due >= self.since {
                self.latencies.add(now.saturating_duration_since(due));
            }
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

/// When the requests of an open loop are due.
struct Pacer {
    timer: TimerFd,
    next: Instant,
    interval: Duration,
}

impl Pacer {
    fn start(per_second: u32, poll: &Poll) -> Result<Self, Failure> {
        let interval = Duration::from_secs(1) / per_second.max(1);
        let timer =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK).doing("a timer")?;
        poll.registry()
            .register(
                &mut SourceFd(&timer.as_fd().as_raw_fd()),
                TIMER,
                Interest::READABLE,
            )
            .doing("epoll")?;
        // Waits by epoll alone end on whole milliseconds.
        let every = Expiration::Interval(TimeSpec::from_duration(interval));
        timer
            .set(every, TimerSetTimeFlags::empty())
            .doing("a timer")?;
        Ok(Pacer {
            timer,
            next: Instant::now() + interval,
            interval,
        })
    }

    /// The times that have come.
    fn due(&mut self) -> impl Iterator<Item = Instant> {
        // Nothing to read: the timer has not gone off since.
        let _ = self.timer.wait();
        let now = Instant::now();
        std::iter::from_fn(move || {
            let due = self.next;
            (due <= now).then(|| {
                self.next += self.interval;
                due
            })
        })
    }
}
