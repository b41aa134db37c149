//! Network namespaces held by a descriptor: they have no name and no mount, so the kernel frees
//! them with their last user.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};

use crate::Error;

#[derive(Debug, Clone)]
pub(super) struct Namespace(Arc<OwnedFd>);

impl Namespace {
    /// Makes a namespace and runs `set_up` in it before anything is in it but `lo`.
    pub(super) fn create(set_up: fn() -> Result<(), Error>) -> Result<Self, Error> {
        // A thread's namespace is its own: the process stays where it is.
        let make = move || {
            unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| match errno {
                Errno::EPERM => Error::NotRoot(errno.into()),
                other => Error::network("make a network namespace")(other),
            })?;
            set_up()?;
            let path = "/proc/thread-self/ns/net";
            let namespace = File::open(path).map_err(Error::file("open", path))?;
            Ok(Self(Arc::new(namespace.into())))
        };
        let thread = std::thread::Builder::new()
            .spawn(make)
            .map_err(Error::network("start a thread"))?;
        ended(thread)?
    }

    pub(super) fn descriptor(&self) -> Arc<OwnedFd> {
        self.0.clone()
    }

    pub(super) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new()
                .spawn_scoped(scope, || {
                    self.join()?;
                    Ok(work())
                })
                .map_err(Error::network("start a thread"))?;
            match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    pub(super) fn spawn<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>, Error> {
        // A thread begins in the namespace of the one that starts it.
        self.enter(move || {
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(work)
        })?
        .map_err(Error::network("start a thread"))
    }

    fn join(&self) -> Result<(), Error> {
        setns(&self.0, CloneFlags::CLONE_NEWNET).map_err(Error::network("join a network namespace"))
    }
}

fn ended<T>(thread: JoinHandle<T>) -> Result<T, Error> {
    thread.join().map_err(|_| Error::Network {
        action: "make a network namespace".into(),
        message: "its thread panicked".into(),
    })
}
