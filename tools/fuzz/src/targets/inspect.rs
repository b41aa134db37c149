//! What a connection's first bytes are: the answer is one that more bytes do not change.

use inspect::{ClientHello, Http, MOST_HELLO_BYTES, MOST_HTTP_BYTES, client_hello, http};

/// Prefixes of more than this are looked at in steps.
const EACH: usize = 600;

pub(crate) fn run(bytes: &[u8]) {
    let step = 1 + bytes.len() / EACH;
    let (mut hello, mut version) = (ClientHello::NeedMore, Http::NeedMore);
    for end in (0..bytes.len()).step_by(step).chain([bytes.len()]) {
        let so_far = &bytes[..end];
        let now = client_hello(so_far);
        if hello != ClientHello::NeedMore {
            assert_eq!(now, hello, "after {end}");
        }
        if let ClientHello::Found(found) = &now {
            assert!(found.server_name().len() <= end);
            assert!(found.alpn().map(<[u8]>::len).sum::<usize>() <= end);
        }
        assert!(end < MOST_HELLO_BYTES || now != ClientHello::NeedMore);
        hello = now;
        let now = http(so_far);
        if version != Http::NeedMore {
            assert_eq!(now, version, "after {end}");
        }
        assert!(end < MOST_HTTP_BYTES || now != Http::NeedMore);
        version = now;
    }
}
