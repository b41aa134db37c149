//! A line of Istio's default access log.

use crate::nature;

/// Its parts, quotes and brackets off: time, request line, code, flags, details, termination details, transport failure,
/// received, sent, duration, service time, forwarded for, user agent, request id, authority, upstream host, cluster,
/// upstream local, downstream local, downstream remote, server name, route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine(Vec<String>);

const PARTS: usize = 22;
const QUOTED: [usize; 7] = [1, 6, 11, 12, 13, 14, 15];
const DURATION: usize = 9;
const SERVICE_TIME: usize = 10;
const USER_AGENT: usize = 12;
const REQUEST_ID: usize = 13;
const UPSTREAM_LOCAL: usize = 17;
const DOWNSTREAM_REMOTE: usize = 19;

impl LogLine {
    /// Reads a line; `None` for what is no line of this format. Quoted parts end at a quote before a space, as they may
    /// hold quotes themselves.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        let (time, mut rest) = line.strip_prefix('[')?.split_once("] ")?;
        let mut parts = vec![time.to_owned()];
        while parts.len() < PARTS {
            let part;
            if QUOTED.contains(&parts.len()) {
                (part, rest) = rest.strip_prefix('"')?.split_once("\" ")?;
            } else if parts.len() + 1 == PARTS {
                (part, rest) = (rest, "");
            } else {
                (part, rest) = rest.split_once(' ')?;
            }
            parts.push(part.to_owned());
        }
        Some(Self(parts))
    }

    fn part(&self, index: usize) -> &str {
        self.0.get(index).map_or("", String::as_str)
    }

    /// The request's user agent.
    #[must_use]
    pub fn user_agent(&self) -> &str {
        self.part(USER_AGENT)
    }

    /// Where the proxy's own connection came from: `address:port`.
    #[must_use]
    pub fn upstream_local(&self) -> &str {
        self.part(UPSTREAM_LOCAL)
    }

    /// Where the connection to the proxy came from: `address:port`.
    #[must_use]
    pub fn downstream_remote(&self) -> &str {
        self.part(DOWNSTREAM_REMOTE)
    }

    /// The line without times, random identifiers and ports that the kernel chose.
    #[must_use]
    pub fn without_nature(&self) -> String {
        let mut text = String::from("[<time>]");
        for (index, part) in self.0.iter().enumerate().skip(1) {
            let part = match index {
                DURATION | SERVICE_TIME => nature::milliseconds(part),
                REQUEST_ID => nature::identifier(part),
                UPSTREAM_LOCAL | DOWNSTREAM_REMOTE => nature::address(part),
                _ => part.clone(),
            };
            text.push(' ');
            if QUOTED.contains(&index) {
                text.push('"');
                text.push_str(&part);
                text.push('"');
            } else {
                text.push_str(&part);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LINE: &str = "[2026-11-23T03:00:00.000Z] \"GET /a HTTP/1.1\" 200 - via_upstream - \"-\" 0 2 5 4 \"-\" \"case-1\" \
        \"0f0e0d0c-0b0a-4908-8706-050403020100\" \"echo\" \"10.244.0.3:8080\" outbound|80||echo.default.svc.cluster.local \
        10.244.0.2:41000 10.96.1.1:80 10.244.0.2:2040 - default";

    #[test]
    fn a_line_is_read_and_loses_what_is_of_nature_alone() {
        let line = LogLine::read(LINE).unwrap();
        assert_eq!(line.user_agent(), "case-1");
        assert_eq!(line.upstream_local(), "10.244.0.2:41000");
        assert_eq!(line.downstream_remote(), "10.244.0.2:2040");
        assert_eq!(
            line.without_nature(),
            "[<time>] \"GET /a HTTP/1.1\" 200 - via_upstream - \"-\" 0 2 <ms> <ms> \"-\" \"case-1\" \"<uuid>\" \"echo\" \
             \"10.244.0.3:8080\" outbound|80||echo.default.svc.cluster.local 10.244.0.2:<port> 10.96.1.1:80 \
             10.244.0.2:2040 - default"
        );
    }

    #[test]
    fn what_is_no_line_is_not_read() {
        for text in ["", "[", "2026 warning something", "[time] \"GET"] {
            assert_eq!(LogLine::read(text), None, "{text}");
        }
    }
}
