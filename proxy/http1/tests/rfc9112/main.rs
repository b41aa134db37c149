//! Every requirement of RFC 9112 (and of RFC 9110 where it binds the framing at a proxy) that binds this codec, a file
//! for each section. What is not here binds user agents, forward proxies or the caller (Max-Forwards, Via, retries).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../drive/mod.rs"]
#[allow(dead_code)] // each test program uses its part
mod drive;

mod rfc9110;
mod section_2_message;
mod section_3_request_line;
mod section_4_status_line;
mod section_5_fields;
mod section_6_body;
mod section_7_codings;
mod section_8_incomplete;
mod section_9_connections;
