//! HTTP/1 messages, read without a codec of ours.

use differential::nature;

/// First line and fields.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) first: String,
    fields: Vec<(String, String)>,
}

/// How a body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    Length(usize),
    Chunked,
    ToTheEnd,
}

/// What of a body came.
pub(crate) struct Read {
    pub(crate) bytes: Vec<u8>,
    pub(crate) trailers: Vec<String>,
    /// How the connection ended within it.
    pub(crate) cut: Option<String>,
}

/// Reads until the buffer has so many bytes; how the connection ended, where it did before.
pub(crate) type Fill<'a> = &'a mut dyn FnMut(&mut Vec<u8>, usize) -> Option<String>;

impl Head {
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(field, _)| field.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn status(&self) -> u16 {
        let status = self.first.split(' ').nth(1);
        status.and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn body(&self) -> Body {
        let chunked = self
            .value("transfer-encoding")
            .is_some_and(|v| v.contains("chunked"));
        let length = self.value("content-length").and_then(|v| v.parse().ok());
        match (chunked, length) {
            (true, _) => Body::Chunked,
            (false, Some(length)) => Body::Length(length),
            (false, None) => Body::ToTheEnd,
        }
    }

    /// The fields by name, without what differs by nature. Those of one name stay in their order.
    pub(crate) fn normal(&self) -> Vec<String> {
        let fields = self.fields.iter();
        let mut fields: Vec<_> = fields
            .filter(|(n, v)| !nature::is_introduction(n, v))
            .collect();
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        let line =
            |(name, value): &(String, String)| format!("  {name}: {}", nature::header(name, value));
        fields.into_iter().map(line).collect()
    }
}

/// Reads a head; what is wrong where there is none.
pub(crate) fn read_head(buffer: &mut Vec<u8>, fill: Fill<'_>) -> Result<Head, String> {
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head: Vec<u8> = buffer.drain(..end + 4).collect();
            let text: String = head[..end].iter().map(|&b| char::from(b)).collect();
            let mut lines = text.split("\r\n");
            let first = lines.next().unwrap_or_default().to_owned();
            let fields = lines.map(|line| {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                (name.to_owned(), value.trim().to_owned())
            });
            let fields = fields.collect();
            return Ok(Head { first, fields });
        }
        let more = buffer.len() + 1;
        if let Some(end) = fill(buffer, more) {
            return Err(format!("{end} after {}", crate::compare::text(buffer)));
        }
    }
}

pub(crate) fn read_body(frame: Body, buffer: &mut Vec<u8>, fill: Fill<'_>) -> Read {
    let mut read = Read {
        bytes: Vec::new(),
        trailers: Vec::new(),
        cut: None,
    };
    match frame {
        Body::Length(length) => {
            read.cut = fill(buffer, length);
            read.bytes = buffer.drain(..length.min(buffer.len())).collect();
        }
        Body::ToTheEnd => {
            let end = fill(buffer, usize::MAX).unwrap_or_default();
            read.bytes = std::mem::take(buffer);
            read.cut = Some(end).filter(|end| end != "end");
        }
        Body::Chunked => chunks(&mut read, buffer, fill),
    }
    read
}

fn chunks(read: &mut Read, buffer: &mut Vec<u8>, fill: Fill<'_>) {
    let ended = take_chunks(read, buffer, fill);
    read.cut = ended.err();
}

/// Takes chunks and trailers; the error is how the connection ended before their end.
fn take_chunks(read: &mut Read, buffer: &mut Vec<u8>, fill: Fill<'_>) -> Result<(), String> {
    loop {
        let line = take_line(buffer, fill)?;
        let digits = line.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(digits, 16).map_err(|_| format!("chunk size {line:?}"))?;
        if size == 0 {
            break;
        }
        let ended = fill(buffer, size + 2);
        let data: Vec<u8> = buffer.drain(..(size + 2).min(buffer.len())).collect();
        read.bytes.extend_from_slice(&data[..size.min(data.len())]);
        if let Some(end) = ended {
            return Err(end);
        }
    }
    loop {
        let trailer = take_line(buffer, fill)?;
        if trailer.is_empty() {
            return Ok(());
        }
        read.trailers.push(trailer);
    }
}

fn take_line(buffer: &mut Vec<u8>, fill: Fill<'_>) -> Result<String, String> {
    loop {
        if let Some(end) = buffer.windows(2).position(|w| w == b"\r\n") {
            let line: Vec<u8> = buffer.drain(..end + 2).collect();
            return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
        }
        let more = buffer.len() + 1;
        if let Some(end) = fill(buffer, more) {
            return Err(end);
        }
    }
}
