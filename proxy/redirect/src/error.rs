//! Why the program failed.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::list::InvalidValue;

/// Why the redirect could not be set up, removed or validated.
#[derive(Debug, Error)]
pub enum Error {
    /// The rules could not be loaded.
    #[error(transparent)]
    Rules(#[from] nftables::Error),
    /// A program of iptables could not be run, or refused.
    #[error("{program}: {why}")]
    Iptables {
        /// Its name.
        program: String,
        /// What went wrong, and what helps.
        why: String,
    },
    /// A variable that stands in for a flag is invalid.
    #[error("environment variable {variable}: {source}")]
    Variable {
        /// Its name.
        variable: &'static str,
        /// What is wrong with its value.
        source: InvalidValue,
    },
    /// The kernel gave no list of addresses.
    #[error("cannot list this pod's addresses: {0}")]
    Addresses(#[source] io::Error),
    /// The name servers are not known.
    #[error(
        "--redirect-dns wants the name servers of {file}: {why}; --capture-all-dns does without"
    )]
    NameServers {
        /// Where they are listed.
        file: &'static str,
        /// Why it could not be read.
        why: String,
    },
    /// The network namespace could not be entered.
    #[error("--network-namespace {}: {source}; a namespace file such as /proc/PID/ns/net is wanted, and root", path.display())]
    Namespace {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// A route, routing rule or address could not be changed.
    #[error(
        "{action}: {why}; the capability NET_ADMIN is wanted, and a kernel with policy routing"
    )]
    Route {
        /// What was to be done.
        action: String,
        /// What went wrong.
        why: String,
    },
    /// A connection did not arrive as the rules should make it.
    #[error(
        "redirect validation failed: {0}; the workload is not ready for the mesh. With a CNI plugin this happens when a \
         pod starts before the plugin is ready on its node: delete the pod, so that it starts anew"
    )]
    Validation(String),
    /// The rules could not be printed.
    #[error("writing the rules to standard output: {0}")]
    Print(#[source] io::Error),
    /// The log could not be set up.
    #[error(transparent)]
    Log(#[from] process::logging::LogError),
    /// A thread could not be started.
    #[error("starting a thread: {0}")]
    Thread(#[source] io::Error),
}

impl Error {
    /// The program's exit code: Istio's 126 for a failed validation, which its tools look for, and 1 for the rest.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::Validation(_)) {
            126
        } else {
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_nf_tables_is_a_failure_that_says_what_to_load() {
        let errno = io::Error::from_raw_os_error(nix::libc::EPROTONOSUPPORT);
        let error = Error::from(nftables::Error::NoNfTables {
            during: "opening a netlink socket",
            errno,
        });
        assert_eq!(error.exit_code(), 1);
        let text = error.to_string();
        for wanted in [
            "this kernel has no nf_tables",
            "modprobe -a nf_tables",
            "nft_redir",
            "nft_chain_nat",
        ] {
            assert!(text.contains(wanted), "{text}");
        }
    }

    #[test]
    fn a_failed_validation_has_the_exit_code_that_istios_tools_look_for() {
        assert_eq!(Error::Validation(String::new()).exit_code(), 126);
    }
}
