//! The processes of a container, each a stage of the owner's executable.

mod assemble;
mod devices;
pub(crate) mod enter;
pub(crate) mod init;
pub(crate) mod join;
mod launch;
mod masks;
mod mounting;
pub(crate) mod shim;

use std::fmt::Display;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// A step that failed, in words for the person who started the container.
pub(crate) type Step<T> = Result<T, String>;

/// Says which step failed: `cannot <action>: <reason>`.
pub(crate) fn cannot<E: Display>(action: impl Display) -> impl FnOnce(E) -> String {
    move |error| format!("cannot {action}: {error}")
}

/// The socket to the parent stage, which is this process' standard input.
fn parent_socket() -> Step<UnixStream> {
    std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map(UnixStream::from)
        .map_err(cannot("copy the control socket"))
}
