//! RFC 9113: a test for each of its demands that binds an intermediary, in a file for each of its sections; the bounds
//! against floods; and bytes of no meaning.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod connect;
mod continuation;
mod data;
mod errors;
mod extensions;
mod field_blocks;
mod fields;
mod floods;
mod flow_control;
mod frames;
mod fuzz;
mod goaway;
mod headers_frame;
mod kit;
mod memory;
mod messages;
mod ping;
mod preface;
mod priority;
mod push_promise;
mod requests;
mod responses;
mod rst_stream;
mod sending;
mod settings;
mod splitting;
mod stream_ids;
mod streams;
mod tokens;
mod window_update;
