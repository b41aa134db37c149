//! The field `server` of answers.

use graph::manager::{HttpManager, ServerHeader};
use headers::{Headers, Known};

/// Writes `server` as the manager says (`server_header_transformation`); answers made here are treated alike.
pub fn set(response: &mut Headers, manager: &HttpManager) {
    let write = match manager.server_header {
        ServerHeader::Overwrite => true,
        ServerHeader::AppendIfAbsent => !response.has(Known::Server),
        ServerHeader::PassThrough => false,
    };
    if write {
        response.set(Known::Server, manager.server_name.as_bytes());
    }
}
