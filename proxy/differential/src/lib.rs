//! What the differential suite (`tests/whole_requests`) reads and writes: HTTP/2 frames as they come, broken ones too,
//! and access-log lines with what differs by nature taken out.

pub mod frame;
pub mod log_line;
pub mod nature;
