//! Gathers lines up to an empty one: a head, or a trailer section.

use crate::Error;
use crate::octets::line_feed;

/// What the line has so far that the scan stands in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    /// Nothing.
    #[default]
    Empty,
    /// One CR.
    Return,
    /// Anything else.
    Begun,
}

impl Line {
    /// How many bytes of `bytes` there are up to and with the end of an empty line, if it comes.
    ///
    /// A line ends with LF, with or without CR before it, as RFC 9112, 2.2 allows and as Envoy 1.40 takes it.
    fn scan(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..)?;
            match (*self, rest.first()?) {
                (Line::Empty | Line::Return, b'\n') => return Some(at + 1),
                (Line::Empty, b'\r') => *self = Line::Return,
                (Line::Empty | Line::Return, _) => *self = Line::Begun,
                (Line::Begun, _) => {
                    at += line_feed(rest)?;
                    *self = Line::Empty;
                }
            }
            at += 1;
        }
    }
}

/// The incomplete section that a connection keeps: never more than the bound.
#[derive(Debug, Default)]
pub(crate) struct Section {
    kept: Vec<u8>,
    line: Line,
    /// `kept` was whole and given out.
    given: bool,
    /// Bytes of empty lines skipped before the section.
    skipped: usize,
}

impl Section {
    /// Skips empty lines before a request line (RFC 9112, 2.2), in number bounded as a head is.
    pub(crate) fn skip_empty_lines(&mut self, input: &mut &[u8], max: usize) -> Result<(), Error> {
        while self.is_empty()
            && let Some((b, rest)) = input.split_first()
        {
            self.line = match (self.line, b) {
                (_, b'\n') => Line::Empty,
                (Line::Empty, b'\r') => Line::Return,
                (Line::Return, _) => return Err(Error::RequestLine),
                _ => return Ok(()),
            };
            *input = rest;
            self.skipped += 1;
            if self.skipped > max {
                return Err(Error::HeadTooLarge);
            }
        }
        Ok(())
    }

    /// The whole section with its empty line, once it is there: a part of `input` when it came at once.
    pub(crate) fn take<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
        max: usize,
    ) -> Result<Option<&'a [u8]>, Error> {
        if std::mem::take(&mut self.given) {
            self.kept.clear();
        }
        let room = max.saturating_sub(self.kept.len());
        let Some(end) = self.line.scan(input) else {
            if input.len() > room {
                return Err(Error::HeadTooLarge);
            }
            self.keep(input, max);
            *input = &[];
            return Ok(None);
        };
        self.line = Line::Empty;
        self.skipped = 0;
        let (section, rest) = input.split_at_checked(end).ok_or(Error::HeadTooLarge)?;
        if end > room {
            return Err(Error::HeadTooLarge);
        }
        *input = rest;
        if self.kept.is_empty() {
            return Ok(Some(section));
        }
        self.keep(section, max);
        self.given = true;
        Ok(Some(&self.kept))
    }

    /// Appends; memory grows by doubling, never over the bound.
    fn keep(&mut self, bytes: &[u8], max: usize) {
        let needed = self.kept.len() + bytes.len();
        if needed > self.kept.capacity() {
            let capacity = (self.kept.capacity() * 2).clamp(needed, needed.max(max));
            self.kept.reserve_exact(capacity - self.kept.len());
        }
        self.kept.extend_from_slice(bytes);
    }

    /// Bytes of memory held.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.kept.capacity()
    }

    /// Whether nothing is kept of an incomplete section.
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty() || self.given
    }

    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        if std::mem::take(&mut self.given) {
            self.kept.clear();
        }
        self.kept.shrink_to(bytes);
    }
}

/// The next line of a section, without its end.
pub(crate) fn next_line<'a>(section: &mut &'a [u8]) -> &'a [u8] {
    let (line, rest) = match line_feed(section) {
        Some(at) => (
            section.get(..at).unwrap_or_default(),
            section.get(at + 1..).unwrap_or_default(),
        ),
        None => (*section, &[][..]),
    };
    *section = rest;
    line.strip_suffix(b"\r").unwrap_or(line)
}
