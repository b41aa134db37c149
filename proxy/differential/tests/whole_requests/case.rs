//! A row of the suite: what a client does, what the application answers, and why the planes may differ.

use std::net::Ipv4Addr;

/// In whatever is sent, this stands for the case's own name: a user agent by which log lines and requests find back.
pub(crate) const CASE: &str = "{case}";

/// One row.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) from: Origin,
    pub(crate) to: To,
    pub(crate) steps: Vec<Step>,
    /// Answers of the application by request, the last one for all further.
    pub(crate) replies: Vec<Reply>,
    /// Why we do otherwise than Envoy.
    pub(crate) differs: Option<&'static str>,
}

/// Where the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// In a pod with a sidecar.
    Mesh,
    /// In a pod without one.
    Outside,
}

/// What it connects to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum To {
    /// A service's address and port.
    Service(&'static str, u16),
    /// A pod's own address and port.
    Pod(&'static str, u16),
    /// Some other address.
    Address(Ipv4Addr, u16),
}

/// What a client does, in order.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Opens a further connection and goes on with that.
    Connect,
    /// The same, and keeps the one that there was.
    Aside,
    /// Leaves this connection and goes on with the one that was kept last.
    Back,
    Send(Vec<u8>),
    /// Reads one HTTP/1 answer, informational ones before it too.
    Answer,
    /// The same where the request was HEAD.
    AnswerToHead,
    /// Reads so many bytes.
    Bytes(usize),
    /// Reads until the other side ends.
    Rest,
    /// The same, whether by an end or a reset: it is chance which, where the proxy may or may not have read what was sent.
    Over,
    /// Reads HTTP/2 frames until so many streams have ended.
    Streams(usize),
    /// Ends its own direction.
    Shut,
    /// Closes with a reset.
    Reset,
    /// Waits for so many milliseconds.
    Wait(u64),
}

/// How the application answers one request or connection.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// In whatever protocol the request came.
    Plain(Plain),
    /// HTTP/1, or a connection of bytes, as these steps say.
    Raw(Vec<Act>),
    /// HTTP/2 as these frames say.
    Frames(Vec<H2>),
}

/// A well-formed answer.
#[derive(Debug, Clone)]
pub(crate) struct Plain {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Milliseconds before it.
    pub(crate) delay: u64,
}

/// A step of the application on a connection of HTTP/1 or bytes.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Reads the request's body as its head frames it. Left out: the answer comes before it is read.
    ReadBody,
    /// Reads so many bytes.
    Read(usize),
    /// Reads until the other side ends.
    Rest,
    Send(Vec<u8>),
    Wait(u64),
    Close,
    Reset,
}

/// A step of the application on a stream of HTTP/2. A request without END_STREAM in the first step is read whole first.
#[derive(Debug, Clone)]
pub(crate) enum H2 {
    /// The rest comes before the request's body is read.
    Early,
    Headers(Vec<(String, String)>, bool),
    Data(Vec<u8>, bool),
    Rst(u32),
    /// Last stream and code.
    GoAway(u32, u32),
    Raw(Vec<u8>),
    Wait(u64),
    Close,
}

pub(crate) fn fields(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// `200` with `ok`.
pub(crate) fn ok() -> Reply {
    status(200)
}

pub(crate) fn status(status: u16) -> Reply {
    answer(status, &[], b"ok")
}

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    Reply::Plain(Plain {
        status,
        headers: fields(headers),
        body: body.to_vec(),
        trailers: Vec::new(),
        delay: 0,
    })
}

/// Reads the request whole, then sends these bytes.
pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Reply {
    Reply::Raw(vec![Act::ReadBody, Act::Send(bytes.into())])
}

/// Reads the request whole, sends these bytes and closes.
pub(crate) fn raw_and_close(bytes: impl Into<Vec<u8>>) -> Reply {
    Reply::Raw(vec![Act::ReadBody, Act::Send(bytes.into()), Act::Close])
}

impl Case {
    /// A client in the mesh that does `steps` at a service's HTTP port.
    pub(crate) fn new(name: impl Into<String>, service: &'static str, steps: Vec<Step>) -> Self {
        Self {
            name: name.into(),
            from: Origin::Mesh,
            to: To::Service(service, 80),
            steps,
            replies: vec![ok()],
            differs: None,
        }
    }

    /// One request of HTTP/1 with the given first line's method and target, and further header lines.
    pub(crate) fn http1(
        name: impl Into<String>,
        service: &'static str,
        request: &str,
        lines: &[&str],
        body: &str,
    ) -> Self {
        let text = http1(request, service, lines, body);
        let answer = match request.starts_with("HEAD ") {
            true => Step::AnswerToHead,
            false => Step::Answer,
        };
        Self::new(name, service, vec![Step::Send(text), answer])
    }

    /// `GET target`.
    pub(crate) fn get(name: impl Into<String>, service: &'static str, target: &str) -> Self {
        Self::http1(name, service, &format!("GET {target}"), &[], "")
    }

    /// One request as these bytes, and an answer.
    pub(crate) fn bytes(name: impl Into<String>, service: &'static str, bytes: &str) -> Self {
        let steps = vec![Step::Send(bytes.as_bytes().to_vec()), Step::Answer];
        Self::new(name, service, steps)
    }

    /// Whose connection ends without an answer, one way or the other.
    pub(crate) fn over(mut self) -> Self {
        self.steps.pop();
        self.then(Step::Over)
    }

    pub(crate) fn to(mut self, to: To) -> Self {
        self.to = to;
        self
    }

    pub(crate) fn outside(mut self) -> Self {
        self.from = Origin::Outside;
        self
    }

    pub(crate) fn reply(mut self, reply: Reply) -> Self {
        self.replies = vec![reply];
        self
    }

    pub(crate) fn replies(mut self, replies: Vec<Reply>) -> Self {
        self.replies = replies;
        self
    }

    /// One more step.
    pub(crate) fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

/// The bytes of a request: `METHOD target`, host and user agent, further lines, body.
pub(crate) fn http1(request: &str, host: &str, lines: &[&str], body: &str) -> Vec<u8> {
    let mut text = format!("{request} HTTP/1.1\r\n");
    if !lines
        .iter()
        .any(|line| line.to_ascii_lowercase().starts_with("host:"))
    {
        text.push_str(&format!("host: {host}\r\n"));
    }
    text.push_str(&format!("user-agent: {CASE}\r\n"));
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}
