//! Every class of status, by the first and last of it and those that proxies treat in a way of their own.

use crate::case::{Case, answer};

pub(super) fn cases() -> Vec<Case> {
    let all = [
        200, 201, 202, 203, 204, 205, 206, 226, 299, 300, 301, 302, 303, 304, 305, 307, 308, 399,
        400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417,
        418, 421, 422, 425, 426, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 511, 599,
        600, 999,
    ];
    let case = |status: u16| {
        let body: &[u8] = match status {
            204 | 205 | 304 => b"",
            _ => b"body",
        };
        Case::get(format!("status {status}"), "echo", "/").reply(answer(status, &[], body))
    };
    all.into_iter().map(case).collect()
}
