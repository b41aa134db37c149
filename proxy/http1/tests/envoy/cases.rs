//! What is sent to both.

/// One message.
pub(crate) struct Case {
    pub(crate) text: &'static str,
    /// Why we do otherwise than Envoy.
    pub(crate) differs: Option<&'static str>,
}

impl Case {
    /// The text as Latin-1: one byte for each character.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.text
            .chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap())
            .collect()
    }
}

const fn same(text: &'static str) -> Case {
    Case {
        text,
        differs: None,
    }
}

const fn differs(text: &'static str, reason: &'static str) -> Case {
    Case {
        text,
        differs: Some(reason),
    }
}

/// Requests.
pub(crate) const REQUESTS: &[Case] = &[
    same("GET / HTTP/1.1\r\nhost: a\r\nUser-Agent: x\r\nX-A:  b \r\n\r\n"),
    same("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc"),
    same("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3 \r\n\r\nabc"),
    differs(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 003\r\n\r\nabc",
        "leading zeros are not sent on",
    ),
    same("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +3\r\n\r\nabc"),
    same("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -3\r\n\r\nabc"),
    same("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x3\r\n\r\nabc"),
    same("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3a\r\n\r\nabc"),
    same("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: \r\n\r\nabc"),
    same("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 18446744073709551616\r\n\r\nabc"),
    same("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3;\r\n\r\nabc"),
    same("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3, 3\r\n\r\nabc"),
    same("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc"),
    same("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc"),
    same(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    same("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    same("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    same("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked \r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    same("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: \tchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    same(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ),
    same(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ),
    same(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: identity, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ),
    same("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: ,chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    differs(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "RFC 9112, 6.3 asks for 400 where chunked is not last; Envoy answers 501",
    ),
    differs(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, gzip\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "RFC 9112, 6.3 asks for 400 where chunked is not last; Envoy answers 501",
    ),
    differs(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: identity\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "RFC 9112, 6.3 asks for 400 where chunked is not last; Envoy answers 501",
    ),
    differs(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: \r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "RFC 9112, 6.3 asks for 400 where chunked is not last; Envoy answers 501",
    ),
    differs(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "RFC 9112, 6.3 asks for 400 where chunked is not last; Envoy answers 501",
    ),
    differs(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked;q=1\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "RFC 9112, 6.3 asks for 400 where chunked is not last; Envoy answers 501",
    ),
    same(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ),
    same("GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    differs(
        "GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n b\r\n\r\n",
        "folded lines are refused, as RFC 9112, 5.2 allows; Envoy joins them",
    ),
    differs(
        "GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n\tb\r\n\r\n",
        "folded lines are refused, as RFC 9112, 5.2 allows; Envoy joins them",
    ),
    same("GET / HTTP/1.1\r\n host: a\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx : a\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx\t: a\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nxabc\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\n: a\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\na(b: a\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\na_b: a\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: NUL\0\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: \x01\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: \x7f\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: \x1b\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: a\tb\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: \u{ff}\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: \x0b\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: LF\ny: z\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\na\u{e9}b: c\r\n\r\n"),
    differs(
        "GET / HTTP/1.1\r\nhost: a\r\nx: a\rb\r\n\r\n",
        "a bare CR is refused, as RFC 9112, 2.2 asks; Envoy drops it",
    ),
    differs(
        "GET / HTTP/1.1\r\nhost: a\r\nx: a\r\r\n\r\n",
        "a bare CR is refused, as RFC 9112, 2.2 asks; Envoy drops it",
    ),
    differs(
        "GET /\r HTTP/1.1\r\nhost: a\r\n\r\n",
        "a bare CR is refused, as RFC 9112, 2.2 asks; Envoy drops it",
    ),
    differs(
        "GET / HTTP/1.1\r\r\nhost: a\r\n\r\n",
        "a bare CR is refused, as RFC 9112, 2.2 asks; Envoy drops it",
    ),
    same("GET / HTTP/1.1\nhost: a\n\n"),
    same("GET / HTTP/1.1\r\nhost: a\nx: b\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\n\n"),
    same("\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("\r\n\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    same(" GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET / HTTP/1.1\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost:\r\n\r\n"),
    differs(
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "RFC 9112, 3.2 asks for 400; Envoy joins the hosts",
    ),
    differs(
        "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
        "RFC 9112, 3.2 asks for 400; Envoy joins the hosts",
    ),
    same("GET / HTTP/1.1\r\nhost: a b\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a,b\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a/b\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a:80\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a?b\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a#b\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a_b\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\\b\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: <a>\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a:99999\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\"b\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a%20b\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a|b\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: A\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: \u{e9}\r\n\r\n"),
    differs(
        "GET / HTTP/1.1\r\nhost: a@b\r\n\r\n",
        "RFC 9112, 3.2 asks for 400: this is no host and port",
    ),
    differs(
        "GET / HTTP/1.1\r\nhost: a:x\r\n\r\n",
        "RFC 9112, 3.2 asks for 400: this is no host and port",
    ),
    same("GET http://b/x HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET http://b HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET HTTP://b/x?y HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET https://b/x HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET ftp://b/x HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET http:///x HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET http://b:80/x HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET * HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET /a b HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET /\x7f HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET /\x01 HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET //x HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET /a\"b<>|{}^`\\ HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET /%zz HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET http://b/x#f HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET /a\x0cb HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET  HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET a HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET /\u{e9} HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET /a\tb HTTP/1.1\r\nhost: a\r\n\r\n"),
    differs(
        "GET http://b?x HTTP/1.1\r\nhost: a\r\n\r\n",
        "RFC 3986, 6.2.3: an empty path is a slash; Envoy has a path that routes nowhere",
    ),
    differs(
        "GET http://u@b/x HTTP/1.1\r\nhost: a\r\n\r\n",
        "RFC 9110, 4.2.4 calls user information an error; Envoy drops it",
    ),
    differs(
        "OPTIONS http://b HTTP/1.1\r\nhost: a\r\n\r\n",
        "RFC 9112, 3.2.4 asks for an asterisk; Envoy sends a slash",
    ),
    same("FOO / HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("get / HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("G(T / HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("PATCH / HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("PRI / HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("M-SEARCH / HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("MSEARCH / HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("PROPFIND / HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("DELETE / HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("PUT / HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("TRACE / HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("OPTIONS / HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("ACL / HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("SOURCE / HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("UNSUBSCRIBE / HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET / HTTP/1.2\r\nhost: a\r\n\r\n"),
    same("GET / HTTP/2.0\r\nhost: a\r\n\r\n"),
    same("GET / HTTP/0.9\r\nhost: a\r\n\r\n"),
    same("GET / HTTP/3.0\r\nhost: a\r\n\r\n"),
    same("GET / HTTP/1.0\r\nhost: a\r\n\r\n"),
    same("GET / http/1.1\r\nhost: a\r\n\r\n"),
    same("GET / HTTP/1\r\nhost: a\r\n\r\n"),
    same("GET / HTTP/1.10\r\nhost: a\r\n\r\n"),
    same("GET / HTTP/1.1x\r\nhost: a\r\n\r\n"),
    same("GET / HTTP/ 1.1\r\nhost: a\r\n\r\n"),
    same("GET / FTP/1.1\r\nhost: a\r\n\r\n"),
    same("GET /\r\nhost: a\r\n\r\n"),
    differs(
        "GET  / HTTP/1.1\r\nhost: a\r\n\r\n",
        "white space other than one space each is refused, as RFC 9112, 3 allows",
    ),
    differs(
        "GET /  HTTP/1.1\r\nhost: a\r\n\r\n",
        "white space other than one space each is refused, as RFC 9112, 3 allows",
    ),
    differs(
        "GET\t/ HTTP/1.1\r\nhost: a\r\n\r\n",
        "white space other than one space each is refused, as RFC 9112, 3 allows",
    ),
    differs(
        "GET / HTTP/1.1 \r\nhost: a\r\n\r\n",
        "white space other than one space each is refused, as RFC 9112, 3 allows",
    ),
    differs(
        "GET / \r\nhost: a\r\n\r\n",
        "white space other than one space each is refused, as RFC 9112, 3 allows",
    ),
    same("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    same("\x16\x03\x01\x02\0\x01"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\na: 2\r\nconnection: close\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\na: 2\r\nconnection: keep-alive\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\na: 2\r\nconnection: close, x\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\na: 2\r\nconnection: X\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\na: 2\r\nconnection: x-forwarded-for\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\na: 2\r\nconnection: :path\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\na: 2\r\nconnection: connection\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\na: 2\r\nconnection: a,b,c,d,e,f,g,h,i\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\na: 2\r\nconnection: a,b,c,d,e,f,g,h,i,j\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\na: 2\r\nconnection: upgrade\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\na: 2\r\nconnection: transfer-encoding\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\na: 2\r\nconnection: \r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\na: 2\r\nconnection: ,,\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\na: 2\r\nconnection: b@d\r\n\r\n"),
    differs(
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: host\r\n\r\n",
        "Envoy removes the host and tells missing_host_header",
    ),
    differs(
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: content-length\r\n\r\n",
        "what frames or routes may not be nominated; Envoy removes it",
    ),
    differs(
        "GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\n\r\n",
        "RFC 9110, 10.1.4: te is nominated in connection; Envoy does not",
    ),
    differs(
        "GET / HTTP/1.1\r\nhost: a\r\nte: gzip, trailers\r\nconnection: te\r\n\r\n",
        "RFC 9110, 10.1.4: te is nominated in connection; Envoy does not",
    ),
    same("GET / HTTP/1.1\r\nhost: a\r\nte: gzip\r\n\r\n"),
    same(
        "GET / HTTP/1.1\r\nhost: a\r\nkeep-alive: timeout=5\r\nproxy-connection: keep-alive\r\nupgrade: foo\r\nproxy-authorization: b\r\ntrailer: x\r\n\r\n",
    ),
    same("POST / HTTP/1.1\r\nhost: a\r\nexpect: other\r\ncontent-length: 3\r\n\r\nabc"),
    same("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\nabc"),
    same(
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAA\r\n\r\n",
    ),
    same("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"),
    same("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"),
    same("POST / HTTP/1.1\r\nhost: a\r\n\r\n"),
    same("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    same(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n",
    ),
    same("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n"),
    same(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3 ;x\r\nabc\r\n0\r\n\r\n",
    ),
    same("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\nabc\n0\n\n"),
    same("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcXY0\r\n\r\n"),
    same(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ),
    same("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nx\r\n"),
    same("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n"),
    same("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n"),
    same("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n"),
    same("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n"),
    same(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0000000000000000003\r\nabc\r\n0\r\n\r\n",
    ),
    same(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3;a\rb\r\nabc\r\n0\r\n\r\n",
    ),
    same("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3;a\nabc\r\n0\r\n\r\n"),
    same("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n 3\r\nabc\r\n0\r\n\r\n"),
    same("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3,x\r\nabc\r\n0\r\n\r\n"),
    same("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n00\r\n\r\n"),
    same("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0;x\r\n\r\n"),
    same(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
    ),
    same(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nbad\r\n\r\n",
    ),
    same(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n",
    ),
    differs(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n",
        "RFC 9112, 7.1: a chunk that has not this form is refused; Envoy reads over it",
    ),
    differs(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcX\r\n0\r\n\r\n",
        "RFC 9112, 7.1: a chunk that has not this form is refused; Envoy reads over it",
    ),
    differs(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3;a\0b\r\nabc\r\n0\r\n\r\n",
        "RFC 9112, 7.1: a chunk that has not this form is refused; Envoy reads over it",
    ),
    differs(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3 x\r\nabc\r\n0\r\n\r\n",
        "RFC 9112, 7.1: a chunk that has not this form is refused; Envoy reads over it",
    ),
];

/// Responses to a GET.
pub(crate) const RESPONSES: &[Case] = &[
    same("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    same("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok"),
    same("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok"),
    same("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nabc"),
    same("HTTP/1.1 200 OK\r\n\r\nabc"),
    same("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    same("HTTP/1.1 200 OK\r\nx: a\0\r\ncontent-length: 0\r\n\r\n"),
    same("HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n"),
    same("HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n"),
    same("HTTP/1.1 200 Fine, thanks\r\ncontent-length: 0\r\n\r\n"),
    same("HTTP/1.1 600 x\r\ncontent-length: 0\r\n\r\n"),
    same("HTTP/1.1 2x0 x\r\ncontent-length: 0\r\n\r\n"),
    same("HTTP/1.2 200 OK\r\ncontent-length: 0\r\n\r\n"),
    same("http/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    same("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n"),
    same("HTTP/1.1 204 x\r\ncontent-length: 2\r\n\r\n"),
    same("HTTP/1.1 204 x\r\ntransfer-encoding: chunked\r\n\r\n"),
    same("HTTP/1.1 204 x\r\n\r\n"),
    same("HTTP/1.1 204 x\r\ncontent-length: 0\r\n\r\n"),
    same("HTTP/1.1 304 x\r\ncontent-length: 5\r\n\r\n"),
    same("HTTP/1.1 304 x\r\ntransfer-encoding: chunked\r\n\r\n"),
    same("HTTP/1.1 100 x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    same("HTTP/1.1 102 x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    same("HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    same("HTTP/1.1 150 x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    same("HTTP/1.1 100 x\r\ncontent-length: 3\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    same("\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    same("HTTP/1.1 200 OK\ncontent-length: 0\n\n"),
    differs(
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "RFC 9112, 6.1 calls this faulty framing",
    ),
    differs(
        "HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 0\r\n\r\n",
        "folded lines are refused, as RFC 9112, 5.2 allows; Envoy joins them",
    ),
    differs(
        "HTTP/1.1 200 OK\r\nx : a\r\ncontent-length: 0\r\n\r\n",
        "RFC 9112, 5.1 asks to remove the white space; Envoy answers 502",
    ),
    differs(
        "HTTP/1.1 200 OK\r\nx: a\rb\r\ncontent-length: 0\r\n\r\n",
        "a bare CR is refused, as RFC 9112, 2.2 asks; Envoy drops it",
    ),
    differs(
        "HTTP/1.1 99 x\r\ncontent-length: 0\r\n\r\n",
        "RFC 9110, 15: a status has three digits",
    ),
    differs(
        "HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        "this is no version of HTTP/1",
    ),
];
