//! The conditions of a route (`RouteMatch`).

use graph::route::{Case, HeaderCondition, HeaderTest, PathMatch, QueryCondition, RouteMatch};
use headers::{Headers, Known};

use crate::query;
use crate::table::Facts;

/// The path without its query and fragment.
#[must_use]
pub fn path_of(path: &[u8]) -> &[u8] {
    let end = memchr::memchr2(b'?', b'#', path).unwrap_or(path.len());
    path.get(..end).unwrap_or(path)
}

/// What all routes of one table look at, found once for a request.
pub(crate) struct Subject<'a> {
    pub(crate) request: &'a Headers,
    /// `None` where the request has no path (`CONNECT`).
    pub(crate) path: Option<&'a [u8]>,
    pub(crate) query: &'a [u8],
    pub(crate) grpc: bool,
    pub(crate) connect: bool,
}

impl<'a> Subject<'a> {
    pub(crate) fn of(request: &'a Headers) -> Self {
        let whole = request.get(Known::Path);
        Subject {
            request,
            path: whole.map(path_of),
            query: whole.map_or(b"", query::of),
            grpc: is_grpc(request),
            connect: request.get(Known::Method) == Some(b"CONNECT"),
        }
    }
}

/// Bytes of the path that the condition covers, or `None` where the route does not apply.
pub(crate) fn holds(on: &RouteMatch, subject: &Subject<'_>, facts: &Facts) -> Option<usize> {
    let matched = path_holds(&on.path, subject)?;
    let fraction = on
        .fraction
        .is_none_or(|millionths| facts.random % 1_000_000 < u64::from(millionths));
    let certificate = on
        .client_certificate
        .is_none_or(|wanted| wanted == facts.client_certificate);
    let rest = fraction
        && certificate
        && (!on.grpc || subject.grpc)
        && on.headers.iter().all(|c| header_holds(c, subject.request))
        && on.query.iter().all(|c| query_holds(c, subject.query));
    rest.then_some(matched)
}

fn path_holds(on: &PathMatch, subject: &Subject<'_>) -> Option<usize> {
    if let PathMatch::Connect = on {
        return subject.connect.then(|| subject.path.map_or(0, <[u8]>::len));
    }
    let path = subject.path?;
    let begins = |with: &[u8], case: Case| {
        path.get(..with.len())
            .is_some_and(|head| same(head, with, case))
    };
    let holds = match on {
        PathMatch::Prefix(prefix, case) => return begins(prefix, *case).then_some(prefix.len()),
        PathMatch::SeparatedPrefix(prefix, case) => {
            let ends = matches!(path.get(prefix.len()), None | Some(b'/'));
            return (begins(prefix, *case) && ends).then_some(prefix.len());
        }
        PathMatch::Exact(exact, case) => same(path, exact, *case),
        PathMatch::Regex(regex) => whole(regex, path),
        PathMatch::Connect => false,
    };
    holds.then_some(path.len())
}

fn same(a: &[u8], b: &[u8], case: Case) -> bool {
    match case {
        Case::Sensitive => a == b,
        Case::Insensitive => a.eq_ignore_ascii_case(b),
    }
}

fn whole(regex: &regex::bytes::Regex, text: &[u8]) -> bool {
    regex
        .find(text)
        .is_some_and(|m| m.start() == 0 && m.end() == text.len())
}

/// Whether a request is one of gRPC: `application/grpc`, alone or followed by `+` and more.
#[must_use]
pub fn is_grpc(request: &Headers) -> bool {
    request
        .get(Known::ContentType)
        .and_then(|t| t.strip_prefix(b"application/grpc"))
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
}

/// Whether all conditions hold.
#[must_use]
pub fn headers_hold(on: &[HeaderCondition], headers: &Headers) -> bool {
    on.iter().all(|condition| header_holds(condition, headers))
}

/// Whether a condition on a header holds: by any one of several fields of its name. Names that the proxy itself reads
/// are lists whose fields Envoy keeps as one, joined by `,`, and so they are compared.
#[must_use]
pub fn header_holds(on: &HeaderCondition, headers: &Headers) -> bool {
    let mut values = headers.find_all(&on.name);
    let first = values.next();
    if let HeaderTest::Present(wanted) = on.on {
        return ((first.is_some() || on.missing_as_empty) == wanted) != on.invert;
    }
    let first = match first {
        Some(value) => value,
        None if on.missing_as_empty => b"",
        None => return false,
    };
    let Some(second) = values.next() else {
        return value_holds(&on.on, first) != on.invert;
    };
    let mut all = [first, second].into_iter().chain(values);
    let holds = if Known::of(&on.name).is_some() {
        let mut joined = Vec::new();
        for value in all {
            if !joined.is_empty() {
                joined.push(b',');
            }
            joined.extend_from_slice(value);
        }
        value_holds(&on.on, &joined)
    } else {
        all.any(|value| value_holds(&on.on, value))
    };
    holds != on.invert
}

fn value_holds(test: &HeaderTest, value: &[u8]) -> bool {
    match test {
        HeaderTest::Present(wanted) => *wanted,
        HeaderTest::Text(text) => text.matches(value),
        HeaderTest::Range(from, to) => std::str::from_utf8(value)
            .ok()
            .and_then(|v| v.parse::<i64>().ok())
            .is_some_and(|n| (*from..*to).contains(&n)),
    }
}

/// Whether a condition on a query parameter holds; the first of several of a name counts.
#[must_use]
pub fn query_holds(on: &QueryCondition, query: &[u8]) -> bool {
    let first = query::pairs(query).find(|(name, _)| *name == &*on.name);
    match (first, &on.on) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some((_, value)), Some(text)) => text.matches(value),
    }
}
