//! One hop through a proxy that is configured by a file.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::program::{Program, Takes};
use super::{Process, haproxy, nginx};
use crate::failure::{Doing, Failure};
use crate::mesh::{self, Identity};
use crate::upstream::Protocol;

/// What the proxy is to do, in no proxy's words.
#[derive(Clone, Debug)]
pub(crate) struct FileHop {
    pub(crate) speaks: Protocol,
    pub(crate) listen: SocketAddrV4,
    /// Where requests go, in turn.
    pub(crate) to: Vec<SocketAddrV4>,
    /// Whether callers speak mutual TLS.
    pub(crate) tls_in: bool,
    /// Whether mutual TLS is spoken to those at `to`.
    pub(crate) tls_out: bool,
    /// Services that are known, the one that is called among them.
    pub(crate) services: u32,
    /// Connections that callers keep open.
    pub(crate) connections: usize,
}

/// Where a hop's files are.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) folder: PathBuf,
    pub(crate) roots: PathBuf,
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    /// Chain and key in one.
    pub(crate) both: PathBuf,
    pub(crate) access_log: PathBuf,
}

impl FileHop {
    /// Services that are known and not called: host and endpoint.
    pub(crate) fn known(&self) -> impl Iterator<Item = (u32, String, SocketAddrV4)> {
        let port = self.listen.port();
        (1..self.services).map(move |n| {
            let host = format!("known-{n}.default.svc.cluster.local");
            let at: Ipv4Addr = mesh::known_endpoint(n);
            (n, host, SocketAddrV4::new(at, port))
        })
    }

    /// Starts the proxy.
    pub(crate) fn start(
        &self,
        program: &Program,
        identity: &Identity,
        directory: TempDir,
    ) -> Result<Process, Failure> {
        let files = Files::write(directory.path(), identity)?;
        let mut command = Command::new(&program.binary);
        let file = files.folder.join("configuration");
        let text = match program.takes {
            Takes::Mesh => return Err(Failure(format!("{} takes no such file", program.name))),
            Takes::Nginx => {
                command.arg("-p").arg(&files.folder).arg("-c").arg(&file);
                nginx::configuration(self, &files, program.stream_module()?.as_deref())
            }
            Takes::Haproxy => {
                // In the foreground.
                command.arg("-db").arg("-f").arg(&file);
                let hosts = self.known().fold(String::new(), |mut text, (n, host, _)| {
                    let _ = writeln!(text, "{host} known-{n}");
                    text
                });
                let map = files.folder.join(haproxy::HOSTS);
                std::fs::write(map, hosts).doing("the proxy's hosts")?;
                haproxy::configuration(self, &files)
            }
        };
        std::fs::write(&file, text).doing("the proxy's configuration")?;
        Process::start(program.name, &mut command, directory, None)
    }
}

impl Files {
    fn write(folder: &Path, identity: &Identity) -> Result<Self, Failure> {
        let issued = &identity.issued;
        let (chain, key) = (issued.chain.as_str(), issued.key.as_str());
        let put = |name: &str, text: &str| {
            let file = folder.join(name);
            std::fs::write(&file, text).doing(file.display())?;
            Ok::<_, Failure>(file)
        };
        Ok(Files {
            folder: folder.to_owned(),
            roots: put("roots.pem", &issued.roots)?,
            chain: put("chain.pem", chain)?,
            key: put("key.pem", key)?,
            both: put("both.pem", &format!("{chain}\n{key}"))?,
            access_log: folder.join("access.log"),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The hop beside the caller, or beside the application, of a way with mutual TLS between them.
    pub(in crate::proxies) fn hop(speaks: Protocol, outbound: bool) -> FileHop {
        FileHop {
            speaks,
            listen: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1234),
            to: vec![
                SocketAddrV4::new(Ipv4Addr::new(127, 0, 1, 1), 80),
                SocketAddrV4::new(Ipv4Addr::new(127, 0, 1, 2), 80),
            ],
            tls_in: !outbound,
            tls_out: outbound,
            services: 2,
            connections: 100,
        }
    }

    pub(in crate::proxies) fn files() -> Files {
        let at = |name: &str| Path::new("/f").join(name);
        Files {
            folder: at(""),
            roots: at("roots.pem"),
            chain: at("chain.pem"),
            key: at("key.pem"),
            both: at("both.pem"),
            access_log: at("access.log"),
        }
    }
}
