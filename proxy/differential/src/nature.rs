//! What differs between two runs by nature, and what is put in its place. Everything else must be equal.

/// A header's value without dates, random identifiers, measured times and certificate hashes.
#[must_use]
pub fn header(name: &str, value: &str) -> String {
    match name.to_ascii_lowercase().as_str() {
        "date" if value.ends_with(" GMT") => "<date>".to_owned(),
        "x-envoy-upstream-service-time" => milliseconds(value),
        "x-request-id" => identifier(value),
        "x-forwarded-client-cert" => hashes(value),
        _ => value.to_owned(),
    }
}

/// Bytes as they were read, with [`header`] for each line that has the shape of a header field of HTTP/1.
#[must_use]
pub fn bytes(read: &[u8]) -> Vec<u8> {
    let line = |line: &[u8]| {
        let (name, value) = std::str::from_utf8(line).ok()?.split_once(": ")?;
        Some(format!("{name}: {}", header(name, value)).into_bytes())
    };
    let mut replaced = Vec::with_capacity(read.len());
    // Split at LF alone: a field's CR stays where it was.
    for part in read.split_inclusive(|byte| *byte == b'\n') {
        let (text, end) = part.split_at(part.trim_ascii_end().len());
        replaced.extend(line(text).unwrap_or_else(|| text.to_vec()));
        replaced.extend(end);
    }
    replaced
}

/// Whether a field is part of how Istio's sidecars learn of each other. Envoy without Istio's filters does not send it,
/// so an application without a sidecar sees it from us alone; `value` is that of the sender's identity or a test's own.
#[must_use]
pub fn is_introduction(name: &str, value: &str) -> bool {
    match name {
        "x-envoy-peer-metadata-id" => value.starts_with("sidecar~"),
        "x-envoy-peer-metadata" => value.starts_with("Ch"),
        _ => false,
    }
}

/// A whole number of milliseconds, or the text as it is.
#[must_use]
pub fn milliseconds(text: &str) -> String {
    let number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if number { "<ms>" } else { text }.to_owned()
}

/// A random UUID, or the text as it is.
#[must_use]
pub fn identifier(text: &str) -> String {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    let hex = text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
    let uuid = lengths == [8, 4, 4, 4, 12] && hex;
    if uuid { "<uuid>" } else { text }.to_owned()
}

/// `address:port` with a port that the kernel chose (Linux's range for that begins at 32768).
#[must_use]
pub fn address(text: &str) -> String {
    match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok_and(|port| port >= 32768) => {
            format!("{host}:<port>")
        }
        _ => text.to_owned(),
    }
}

/// `Hash=` elements of XFCC.
fn hashes(value: &str) -> String {
    let part = |part: &str| match part.strip_prefix("Hash=") {
        Some(hash) if hash.len() == 64 => "Hash=<hash>".to_owned(),
        _ => part.to_owned(),
    };
    value.split(';').map(part).collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_the_shape_of_nature_is_replaced() {
        assert_eq!(header("Date", "Mon, 23 Nov 2026 02:51:00 GMT"), "<date>");
        assert_eq!(header("date", "yesterday"), "yesterday");
        assert_eq!(header("x-envoy-upstream-service-time", "12"), "<ms>");
        assert_eq!(identifier("0f0e0d0c-0b0a-4908-8706-050403020100"), "<uuid>");
        assert_eq!(identifier("mine"), "mine");
        assert_eq!(address("10.0.0.1:40000"), "10.0.0.1:<port>");
        assert_eq!(address("10.0.0.1:8080"), "10.0.0.1:8080");
    }

    #[test]
    fn what_was_read_as_bytes_changes_in_the_lines_of_its_fields_alone() {
        let date = "date: Mon, 23 Nov 2026 02:51:00 GMT";
        let answer = format!("HTTP/1.1 200 OK\r\n{date}\r\nx: y\r\n\r\nbody\n");
        let wanted = "HTTP/1.1 200 OK\r\ndate: <date>\r\nx: y\r\n\r\nbody\n";
        assert_eq!(bytes(answer.as_bytes()), wanted.as_bytes());
        let other = b"\x16\x03\n\r\n \r\n\n\xff: \x00".as_slice();
        assert_eq!(bytes(other), other);
    }

    #[test]
    fn introductions_are_known_by_name_and_value() {
        assert!(is_introduction(
            "x-envoy-peer-metadata-id",
            "sidecar~10.0.0.1~a.b~c"
        ));
        assert!(!is_introduction("x-envoy-peer-metadata-id", "me"));
        assert!(!is_introduction("x-other", "sidecar~"));
    }

    #[test]
    fn the_hash_of_a_certificate_is_replaced_and_its_name_stays() {
        let hash = "a".repeat(64);
        let value = format!("By=spiffe://a;Hash={hash};Subject=\"\";URI=spiffe://b");
        assert_eq!(
            header("x-forwarded-client-cert", &value),
            "By=spiffe://a;Hash=<hash>;Subject=\"\";URI=spiffe://b"
        );
    }
}
