//! Bytes and frames of no meaning: nothing panics, memory stays bounded, and what a caller is told is consistent: every
//! stream begins once and ends once.

use std::collections::{HashMap, HashSet};

use http2::{Config, ErrorCode, Event, HeadersKind, Role, StreamId};

use crate::kit::{Frame, GET, OK, POST, Seen, Side, block, frame, headers, list, settings};

/// A deterministic generator (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u32) -> u32 {
        u32::try_from(self.next() >> 33).unwrap() % n
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }

    fn bytes(&mut self, most: u32) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.byte()).collect()
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(u32::try_from(of.len()).unwrap()) as usize]
    }
}

fn config() -> Config {
    Config {
        max_concurrent_streams: 20,
        max_header_block: 10_000,
        initial_window: 5000,
        remembered_resets: 8,
        reset_budget: 30,
        max_queued_control: 60,
        ..Config::default()
    }
}

/// A caller that keeps its own book of streams and acts at random.
struct Caller {
    side: Side,
    role: Role,
    /// What is open as the caller was told: whether each end has ended, and what of the content is not released.
    open: HashMap<StreamId, (bool, bool)>,
    unreleased: Vec<(StreamId, usize)>,
    /// The streams whose response has begun.
    begun: HashSet<StreamId>,
    /// One more than the highest number of a request.
    top: u32,
    /// How many streams have ended.
    ends: u32,
}

impl Caller {
    fn new(role: Role) -> Caller {
        Caller {
            side: Side::with(role, config()),
            role,
            open: HashMap::new(),
            unreleased: Vec::new(),
            begun: HashSet::new(),
            top: 0,
            ends: 0,
        }
    }

    /// Feeds bytes; says whether the connection lives.
    fn feed(&mut self, mut input: &[u8]) -> bool {
        let mut into = headers::Headers::new();
        loop {
            match self.side.connection.next(&mut input, &mut into) {
                Ok(Some(event)) => self.told(&event),
                Ok(None) => return true,
                Err(_) => {
                    // What ends with the connection is what the book has.
                    let left: HashSet<_> =
                        self.side.connection.streams().map(|(id, _)| id).collect();
                    assert_eq!(left, self.open.keys().copied().collect());
                    return false;
                }
            }
        }
    }

    fn told(&mut self, event: &Event<'_>) {
        match *event {
            Event::Headers {
                stream,
                kind,
                end_stream,
                ..
            } => {
                if kind == HeadersKind::Request {
                    self.top = self.top.max(stream.number() + 1);
                    assert_eq!(self.open.insert(stream, (false, false)), None);
                }
                self.received(stream, end_stream);
            }
            Event::Data {
                stream,
                bytes,
                end_stream,
                ..
            } => {
                assert!(!bytes.is_empty() || end_stream);
                self.unreleased.push((stream, bytes.len()));
                self.received(stream, end_stream);
            }
            Event::Reset { stream, .. } | Event::Refused { stream, .. } => {
                assert!(self.open.remove(&stream).is_some(), "{event:?}");
                self.ends += 1;
            }
            Event::Writable { stream, .. } => assert!(self.open.contains_key(&stream)),
            Event::GoAway { .. } | Event::Opened | Event::PingAck { .. } => {}
        }
    }

    fn received(&mut self, stream: StreamId, end: bool) {
        let (received, sent) = self.open.get_mut(&stream).expect("an open stream");
        assert!(!*received, "nothing comes after the end");
        *received = end;
        if *received && *sent {
            self.open.remove(&stream);
            self.ends += 1;
        }
    }

    fn begun(&self, stream: StreamId) -> bool {
        self.role == Role::Client || self.begun.contains(&stream)
    }

    fn ended(&mut self, stream: StreamId) {
        if let Some((received, sent)) = self.open.get_mut(&stream) {
            *sent = true;
            if *received {
                self.open.remove(&stream);
                self.ends += 1;
            }
        }
    }

    fn act(&mut self, random: &mut Random) {
        let streams: Vec<StreamId> = self.side.connection.streams().map(|(id, _)| id).collect();
        assert_eq!(streams.len(), self.open.len());
        if self.role == Role::Client && random.below(2) == 0 {
            let end = random.below(2) == 0;
            let fields = if end { GET } else { POST };
            if let Ok(stream) = self.side.connection.open(&list(fields), end, 0) {
                assert_eq!(self.open.insert(stream, (false, end)), None);
                self.top = stream.number() + 1;
            }
        }
        if let Some((stream, n)) = self.unreleased.pop() {
            self.side.connection.release(stream, n);
        }
        if streams.is_empty() {
            return;
        }
        let stream = random.pick(&streams);
        let (_, sent) = self.open[&stream];
        match random.below(8) {
            0 if self.role == Role::Server && !sent => {
                if self.begun(stream) {
                    self.side
                        .connection
                        .send_headers(stream, &list(&[("x", "y")]), true);
                    self.ended(stream);
                } else {
                    self.side.connection.send_headers(stream, &list(OK), false);
                    self.begun.insert(stream);
                }
            }
            1 | 2 if !sent && self.begun(stream) => {
                let bytes = random.bytes(8000);
                let end = random.below(3) == 0;
                let accepted = self.side.connection.send_data(stream, &bytes, end);
                assert!(accepted <= bytes.len());
                if end && accepted == bytes.len() {
                    self.ended(stream);
                }
            }
            3 => {
                self.side.connection.reset(stream, ErrorCode::CANCEL);
                self.open.remove(&stream);
            }
            _ => {}
        }
        if random.below(3) == 0 {
            self.side.drop_output();
        }
    }

    fn holds(&self) {
        // The caller's own output aside.
        let used = self.side.connection.memory();
        let bound =
            config().memory_bound(120) + 2 * self.side.connection.output_len() + (256 << 10);
        assert!(used <= bound, "{used} of {bound}");
    }
}

/// A frame that mostly means something: on a stream that is open, was, or is new.
fn random_frame(random: &mut Random, caller: &mut Caller) -> Vec<u8> {
    if random.below(60) == 0 {
        let stream = random.below(20);
        return frame(random.byte() % 12, random.byte(), stream, &random.bytes(60));
    }
    let open: Vec<u32> = caller.open.keys().map(|id| id.number()).collect();
    let fields: &[(&str, &str)] = match (caller.role, random.below(12)) {
        (_, 0) => &[("grpc-status", "0")],
        (_, 1) => &[("X", "y")],
        (Role::Server, 2) => &[
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/"),
            ("content-length", "700"),
        ],
        (Role::Server, _) => POST,
        (Role::Client, 2) => &[(":status", "103")],
        (Role::Client, _) => OK,
    };
    let end = random.below(4) / 3;
    let flags = u8::try_from(end).unwrap();
    if open.is_empty() || (caller.role == Role::Server && random.below(5) == 0) {
        if caller.role == Role::Client {
            return settings(&[(3, random.below(30))]);
        }
        caller.top += 2;
        return headers(caller.top - 1, flags, fields);
    }
    let stream = random.pick(&open);
    let any = 2 * random.below(caller.top.max(2) / 2) + 1;
    match random.below(16) {
        0..=2 => headers(stream, flags, fields),
        3 => {
            let block = block(fields);
            let (first, last) = block.split_at((random.below(3) as usize).min(block.len()));
            [frame(1, flags, stream, first), frame(9, 4, stream, last)].concat()
        }
        4..=7 => frame(0, flags, stream, &random.bytes(900)),
        8 => frame(
            0,
            8 | flags,
            stream,
            &[&[2, 7, 7][..], &random.bytes(9), &[0; 2]].concat(),
        ),
        9 if caller.role == Role::Server => frame(0, flags, any, &random.bytes(90)),
        10 => frame(3, 0, stream, &random.below(14).to_be_bytes()),
        11 => frame(8, 0, 0, &(random.below(5000) + 1).to_be_bytes()),
        12 => frame(8, 0, stream, &random.below(5000).to_be_bytes()),
        13 => settings(&[(4, random.below(70_000)), (3, random.below(30))]),
        14 => frame(2, 0, stream, &random.below(99).to_be_bytes().repeat(2)[..5]),
        _ => frame(6, flags, 0, &[random.byte(); 8]),
    }
}

#[test]
fn random_frames_keep_the_book_true() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut frames, mut ends) = (0, 0);
    for round in 0..300 {
        let role = if round % 2 == 0 {
            Role::Server
        } else {
            Role::Client
        };
        let mut caller = Caller::new(role);
        for _ in 0..300 {
            let bytes = random_frame(&mut random, &mut caller);
            let cut = random.below(u32::try_from(bytes.len()).unwrap()) as usize;
            let alive = caller.feed(&bytes[..cut]) && caller.feed(&bytes[cut..]);
            caller.holds();
            if !alive {
                break;
            }
            frames += 1;
            caller.act(&mut random);
        }
        ends += caller.ends;
    }
    assert!(frames > 10_000 && ends > 2000, "{frames} {ends}");
}

#[test]
fn random_bytes_break_nothing_but_the_connection() {
    let mut random = Random(77);
    for round in 0..3000 {
        let role = if round % 2 == 0 {
            Role::Server
        } else {
            Role::Client
        };
        let mut caller = Caller::new(role);
        for _ in 0..20 {
            let mut bytes = random.bytes(200);
            // A length that is small keeps the frames coming.
            if bytes.len() > 3 && random.below(2) == 0 {
                bytes[0] = 0;
                bytes[1] = 0;
                bytes[3] %= 11;
            }
            if !caller.feed(&bytes) {
                break;
            }
            caller.holds();
        }
    }
}

#[test]
fn two_of_our_own_understand_each_other_whatever_the_cuts() {
    let mut random = Random(5);
    for _ in 0..40 {
        let mut client = Side::raw(Role::Client, config());
        let mut server = Side::raw(Role::Server, config());
        let (mut asked, mut answered, mut received) = (0, 0, 0);
        let mut left: HashMap<StreamId, Vec<u8>> = HashMap::new();
        for step in 0..600 {
            // At the end all is written, so that all can end.
            let cut = step < 400;
            if step < 200 && client.connection.can_open() && random.below(3) == 0 {
                let stream = client.connection.open(&list(POST), false, 0).unwrap();
                left.insert(stream, random.bytes(9000));
                asked += 1;
            }
            left.retain(|stream, rest| {
                let accepted = client.connection.send_data(*stream, rest, true);
                rest.drain(..accepted);
                !rest.is_empty()
            });
            let bytes = part(&mut client, &mut random, cut);
            for event in server.see(&bytes) {
                let Seen::Data {
                    stream,
                    bytes,
                    end_stream,
                    ..
                } = event
                else {
                    continue;
                };
                server.connection.release(stream, bytes.len());
                if end_stream {
                    server.respond(stream, false);
                    server.connection.send_data(stream, b"done", true);
                    answered += 1;
                }
            }
            let bytes = part(&mut server, &mut random, cut);
            for event in client.see(&bytes) {
                if let Seen::Data { end_stream, .. } = event {
                    received += u32::from(end_stream);
                }
            }
        }
        assert!(asked > 10);
        assert_eq!((asked, asked), (answered, received));
        assert_eq!(client.connection.active_streams(), 0);
        assert_eq!(server.connection.active_streams(), 0);
    }
}

/// What waits to be written, or some of it.
fn part(side: &mut Side, random: &mut Random, cut: bool) -> Vec<u8> {
    let all = side.connection.output_len();
    let most = u32::try_from(all).unwrap() + 1;
    let n = if cut {
        random.below(most) as usize
    } else {
        all
    };
    let bytes = side.connection.output()[..n].to_vec();
    side.connection.advance(n);
    bytes
}

#[test]
fn what_we_send_is_always_whole_frames() {
    let mut random = Random(11);
    let mut caller = Caller::new(Role::Server);
    let mut frames: Vec<Frame> = Vec::new();
    for _ in 0..3000 {
        let bytes = random_frame(&mut random, &mut caller);
        if !caller.feed(&bytes) {
            frames.extend(caller.side.sent());
            caller = Caller::new(Role::Server);
        }
        caller.act(&mut random);
        frames.extend(caller.side.sent());
    }
    let whole = |f: &Frame| f.payload.len() <= 16_384 && f.kind <= 9;
    assert!(frames.iter().all(whole));
    assert!(frames.len() > 500, "{}", frames.len());
}
