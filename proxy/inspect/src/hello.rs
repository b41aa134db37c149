//! The ClientHello of TLS (RFC 8446, 4.1.2): the name and protocols that a client asks for.

use std::borrow::Cow;
use std::ops::Range;

/// A ClientHello with its record headers may have so many bytes, as in Envoy's `tls_inspector`.
pub const MOST_HELLO_BYTES: usize = 16 * 1024;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const PROTOCOLS: u16 = 16;

/// What the first bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientHello<'a> {
    /// Not to be told yet.
    NeedMore,
    /// No ClientHello, or a malformed one, or one that announces more than [`MOST_HELLO_BYTES`]: Envoy takes the
    /// connection for plaintext.
    NotTls,
    /// A ClientHello that is not whole after [`MOST_HELLO_BYTES`], records and all: Envoy closes the connection.
    Invalid,
    /// A whole ClientHello.
    Found(Found<'a>),
}

/// What a ClientHello asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// The message: lent where it came in one record, else put together.
    message: Cow<'a, [u8]>,
    server_name: Range<usize>,
    protocols: Range<usize>,
}

impl Found<'_> {
    /// The server's name as it came (SNI, RFC 6066, 3); empty: none. Case is the client's.
    #[must_use]
    pub fn server_name(&self) -> &[u8] {
        self.message
            .get(self.server_name.clone())
            .unwrap_or_default()
    }

    /// The protocols offered (ALPN, RFC 7301), the preferred first.
    pub fn alpn(&self) -> impl Iterator<Item = &[u8]> {
        let mut list = Reader {
            bytes: &self.message,
            at: self.protocols.start,
            end: self.protocols.end,
        };
        std::iter::from_fn(move || list.vector8()).filter_map(|range| self.message.get(range))
    }
}

/// Looks at the first bytes of a connection.
#[must_use]
pub fn client_hello(bytes: &[u8]) -> ClientHello<'_> {
    let verdict = gather(bytes.get(..MOST_HELLO_BYTES).unwrap_or(bytes));
    match verdict {
        Gathered::NeedMore if bytes.len() >= MOST_HELLO_BYTES => ClientHello::Invalid,
        Gathered::NeedMore => ClientHello::NeedMore,
        Gathered::NotTls => ClientHello::NotTls,
        Gathered::Whole(message) => match extensions(&message) {
            Some((server_name, protocols)) => ClientHello::Found(Found {
                message,
                server_name,
                protocols,
            }),
            None => ClientHello::NotTls,
        },
    }
}

enum Gathered<'a> {
    NeedMore,
    NotTls,
    /// The message without its four bytes of type and length.
    Whole(Cow<'a, [u8]>),
}

/// Takes the message out of its records (RFC 8446, 5.1).
fn gather(bytes: &[u8]) -> Gathered<'_> {
    let mut message: Cow<'_, [u8]> = Cow::Borrowed(&[]);
    let mut rest = bytes;
    loop {
        let (head, after) = match rest {
            [HANDSHAKE, 3, _, high, low, after @ ..] => ([*high, *low], after),
            [] | [HANDSHAKE] | [HANDSHAKE, 3, ..] => return Gathered::NeedMore,
            _ => return Gathered::NotTls,
        };
        let length = usize::from(u16::from_be_bytes(head));
        if length == 0 || length > MOST_HELLO_BYTES {
            return Gathered::NotTls;
        }
        let here = after.get(..length).unwrap_or(after);
        if message.is_empty() {
            message = Cow::Borrowed(here);
        } else {
            message.to_mut().extend_from_slice(here);
        }
        match whole(&message) {
            Some(Ok(length)) => {
                return Gathered::Whole(match message {
                    Cow::Borrowed(m) => Cow::Borrowed(m.get(4..length).unwrap_or_default()),
                    Cow::Owned(m) => Cow::Owned(m.get(4..length).unwrap_or_default().to_vec()),
                });
            }
            Some(Err(())) => return Gathered::NotTls,
            None => {}
        }
        match after.get(length..) {
            Some(next) => rest = next,
            None => return Gathered::NeedMore,
        }
    }
}

/// Length of the message with its head, once it is all there; an error where it is no ClientHello.
fn whole(message: &[u8]) -> Option<Result<usize, ()>> {
    match message {
        [] => None,
        [CLIENT_HELLO, a, b, c, ..] => {
            let length = 4 + u32::from_be_bytes([0, *a, *b, *c]) as usize;
            if length > MOST_HELLO_BYTES {
                return Some(Err(()));
            }
            (message.len() >= length).then_some(Ok(length))
        }
        [CLIENT_HELLO, ..] => None,
        _ => Some(Err(())),
    }
}

type Extensions = (Range<usize>, Range<usize>);

fn extensions(message: &[u8]) -> Option<Extensions> {
    let mut hello = Reader {
        bytes: message,
        at: 0,
        end: message.len(),
    };
    hello.skip(2 + 32)?;
    hello.vector8()?;
    hello.vector16()?;
    hello.vector8()?;
    let mut found = (0..0, 0..0);
    if hello.is_done() {
        return Some(found);
    }
    let mut all = hello.within()?;
    hello.is_done().then_some(())?;
    while !all.is_done() {
        let kind = all.number16()?;
        let mut body = all.within()?;
        match kind {
            SERVER_NAME => found.0 = first_name(&mut body)?,
            PROTOCOLS => found.1 = protocols(&mut body)?,
            _ => {}
        }
    }
    Some(found)
}

/// One name of type `host_name`, as every client sends it.
fn first_name(body: &mut Reader<'_>) -> Option<Range<usize>> {
    let mut list = body.within()?;
    let kind = list.number8()?;
    let name = list.vector16()?;
    (kind == 0 && list.is_done() && body.is_done() && !name.is_empty()).then_some(name)
}

fn protocols(body: &mut Reader<'_>) -> Option<Range<usize>> {
    let list = body.within()?;
    let range = list.at..list.end;
    let mut check = list;
    while !check.is_done() {
        (!check.vector8()?.is_empty()).then_some(())?;
    }
    (body.is_done() && !range.is_empty()).then_some(range)
}

/// A place in the message.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    fn is_done(&self) -> bool {
        self.at >= self.end
    }

    fn skip(&mut self, count: usize) -> Option<Range<usize>> {
        let to = self.at.checked_add(count).filter(|to| *to <= self.end)?;
        let range = self.at..to;
        self.at = to;
        Some(range)
    }

    fn number8(&mut self) -> Option<u8> {
        let range = self.skip(1)?;
        self.bytes.get(range.start).copied()
    }

    fn number16(&mut self) -> Option<u16> {
        let range = self.skip(2)?;
        let two = self.bytes.get(range)?.first_chunk()?;
        Some(u16::from_be_bytes(*two))
    }

    fn vector8(&mut self) -> Option<Range<usize>> {
        let length = self.number8()?;
        self.skip(length.into())
    }

    fn vector16(&mut self) -> Option<Range<usize>> {
        let length = self.number16()?;
        self.skip(length.into())
    }

    /// What a length of two bytes announces.
    fn within(&mut self) -> Option<Reader<'a>> {
        let range = self.vector16()?;
        Some(Reader {
            bytes: self.bytes,
            at: range.start,
            end: range.end,
        })
    }
}
