//! The programs that are compared, and where they are.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Doing, Failure};

/// Where a proxy has its configuration from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Bootstrap, ADS and SDS: Envoy's command line.
    Mesh,
    /// A file of nginx's.
    Nginx,
    /// A file of HAProxy's.
    Haproxy,
}

/// A proxy's program.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// As figures name it.
    pub(crate) name: &'static str,
    pub(crate) binary: PathBuf,
    pub(crate) takes: Takes,
}

impl Program {
    /// A program that takes Envoy's command line; `wanted` says how to name one.
    pub(crate) fn sidecar(
        name: &'static str,
        path: Option<&Path>,
        wanted: &str,
    ) -> Result<Self, Failure> {
        let binary = path
            .filter(|path| !path.as_os_str().is_empty())
            .ok_or_else(|| Failure(format!("{name}: {wanted} is needed")))?;
        if !binary.is_file() {
            return Err(Failure(format!(
                "{name}: no program at {}",
                binary.display()
            )));
        }
        Ok(Program {
            name,
            binary: binary.to_owned(),
            takes: Takes::Mesh,
        })
    }

    /// nginx with its module for bytes, as this machine has it.
    pub(crate) fn nginx() -> Result<Self, Failure> {
        let wanted = "apt-get install nginx libnginx-mod-stream";
        let program = installed("nginx", Takes::Nginx, wanted)?;
        let module = program.stream_module()?;
        if module.as_deref().is_some_and(|path| !path.is_file()) {
            return Err(Failure(format!(
                "nginx: its module `stream` is not installed: {wanted}"
            )));
        }
        Ok(program)
    }

    /// HAProxy, as this machine has it.
    pub(crate) fn haproxy() -> Result<Self, Failure> {
        installed("haproxy", Takes::Haproxy, "apt-get install haproxy")
    }

    /// Where nginx's module for bytes is, or would be; None where it is built in.
    pub(crate) fn stream_module(&self) -> Result<Option<PathBuf>, Failure> {
        let said = self.said("-V")?;
        let words = || said.split_ascii_whitespace();
        if words().any(|word| word == "--with-stream") {
            return Ok(None);
        }
        let modules = words()
            .find_map(|word| word.strip_prefix("--modules-path="))
            .unwrap_or("/usr/lib/nginx/modules");
        Ok(Some(Path::new(modules).join("ngx_stream_module.so")))
    }

    /// Its version in its own words.
    pub(crate) fn version(&self) -> Option<String> {
        let (argument, before) = match self.takes {
            // `PATH  version: REVISION/VERSION/...`
            Takes::Mesh => ("--version", "version: "),
            // `nginx version: nginx/1.22.1`
            Takes::Nginx => ("-v", "nginx/"),
            // `HAProxy version 2.6.12-1 2026/10/17 - https://haproxy.org/`
            Takes::Haproxy => ("-v", "version "),
        };
        let said = self.said(argument).ok()?;
        let first = said.trim().lines().next()?;
        let version = first.split_once(before).map_or(first, |(_, text)| text);
        let version = version.split(" - ").next()?;
        Some(format!("{} {version}", self.name))
    }

    /// What it answers to one argument.
    fn said(&self, argument: &str) -> Result<String, Failure> {
        let output = Command::new(&self.binary).arg(argument).output();
        let output = output.doing(self.binary.display())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(text(&output.stdout) + &text(&output.stderr))
    }
}

/// A program that the system's packages bring; `wanted` says which.
fn installed(name: &'static str, takes: Takes, wanted: &str) -> Result<Program, Failure> {
    let binary =
        found(name).ok_or_else(|| Failure(format!("{name} is not installed: {wanted}")))?;
    Ok(Program {
        name,
        binary,
        takes,
    })
}

/// Where the program of a name is: servers are in folders that users do not have on their path.
pub(crate) fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(
        ["/usr/local/sbin", "/usr/sbin"]
            .into_iter()
            .map(PathBuf::from),
    );
    folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
