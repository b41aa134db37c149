//! The request's path and query.

use headers::Known;

use crate::Entry;

/// Whether the query is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathForm {
    WithQuery,
    WithoutQuery,
}

/// Which path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathSource {
    /// As the client sent it, where it was rewritten; else none.
    Original,
    /// As it goes upstream.
    Current,
    /// As the client sent it.
    OriginalOrCurrent,
}

impl PathSource {
    fn read<'a>(self, entry: &Entry<'a>) -> Option<&'a [u8]> {
        let request = entry.request?;
        let original = request.get(Known::XEnvoyOriginalPath);
        match self {
            PathSource::Original => original,
            PathSource::Current => request.get(Known::Path),
            PathSource::OriginalOrCurrent => original.or_else(|| request.get(Known::Path)),
        }
    }
}

pub(crate) fn path<'a>(entry: &Entry<'a>, form: PathForm, source: PathSource) -> Option<&'a [u8]> {
    let path = source.read(entry)?;
    match form {
        PathForm::WithQuery => Some(path),
        PathForm::WithoutQuery => path.split(|b| matches!(b, b'?' | b'#')).next(),
    }
}

/// The query; none where it is absent or empty.
pub(crate) fn query<'a>(entry: &Entry<'a>) -> Option<&'a [u8]> {
    let path = PathSource::Current.read(entry)?;
    let path = path.split(|b| *b == b'#').next()?;
    let mark = path.iter().position(|b| *b == b'?')?;
    path.get(mark + 1..).filter(|query| !query.is_empty())
}

/// Appends the first value of a parameter, percent-decoded.
pub(crate) fn write_parameter(
    entry: &Entry<'_>,
    name: &[u8],
    limit: usize,
    out: &mut Vec<u8>,
) -> bool {
    let Some(query) = query(entry) else {
        return false;
    };
    for pair in query.split(|b| *b == b'&') {
        let mark = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
        let Some((key, value)) = pair.split_at_checked(mark) else {
            continue;
        };
        let start = out.len();
        decode(key, out);
        let is_it = out.get(start..) == Some(name);
        out.truncate(start);
        if is_it {
            decode(value.get(1..).unwrap_or_default(), out);
            out.truncate(start.saturating_add(limit));
            return true;
        }
    }
    false
}

/// Appends `text` with `%XX` decoded; what is no such escape stays.
fn decode(text: &[u8], out: &mut Vec<u8>) {
    let hex = |b: &u8| char::from(*b).to_digit(16);
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%'
            && let Some(([high, low], after)) = rest.split_first_chunk()
            && let (Some(high), Some(low)) = (hex(high), hex(low))
        {
            out.push((high << 4 | low) as u8);
            rest = after;
        } else {
            out.push(*first);
        }
    }
}
