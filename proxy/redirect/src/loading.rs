//! Puts rules into the kernel: over netlink, or by the programs of iptables.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::rules::iptables::{self, IpVersion};
use crate::{Backend, Error, Settings, Variant, rules};

/// How long a program waits for another that holds the lock of the rules, in seconds.
const LOCK: &str = "--wait=30";
/// The most of a program's complaints that is shown, in characters.
const SHOWN: usize = 2000;

/// The way that a run loads rules.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loader {
    pub(crate) backend: Backend,
    pub(crate) variant: Variant,
    /// The mark of TPROXY, by which an earlier run's rules are told.
    pub(crate) mark: u32,
}

impl Loader {
    /// What a dry run prints.
    pub(crate) fn text(self, settings: &Settings) -> String {
        match self.backend {
            Backend::Nftables => rules::batch(settings).to_nft_text(),
            Backend::Iptables => versions(settings)
                .map(|version| {
                    let program = self.program(version, "restore");
                    format!("# {program}\n{}", iptables::text(settings, version))
                })
                .collect(),
        }
    }

    /// What a dry run of a cleanup prints.
    pub(crate) fn cleanup_text(self) -> Result<String, Error> {
        match self.backend {
            Backend::Nftables => Ok(rules::cleanup().to_nft_text()),
            Backend::Iptables => Ok([IpVersion::V4, IpVersion::V6]
                .into_iter()
                .filter_map(|version| Some((version, self.removal(version).ok()?)))
                .map(|(version, text)| format!("# {}\n{text}", self.program(version, "restore")))
                .collect()),
        }
    }

    /// Replaces what an earlier run made.
    pub(crate) fn replace(self, settings: &Settings) -> Result<(), Error> {
        match self.backend {
            Backend::Nftables => Ok(rules::replacement(settings).apply()?),
            Backend::Iptables => {
                self.remove()?;
                for version in versions(settings) {
                    self.restore(version, &iptables::text(settings, version))?;
                }
                Ok(())
            }
        }
    }

    /// Removes what an earlier run made.
    pub(crate) fn remove(self) -> Result<(), Error> {
        match self.backend {
            Backend::Nftables => Ok(rules::cleanup().apply()?),
            Backend::Iptables => {
                self.restore(IpVersion::V4, &self.removal(IpVersion::V4)?)?;
                // A host without IPv6 lacks its rules too, and so there is nothing of ours.
                match self.removal(IpVersion::V6) {
                    Ok(removal) => self.restore(IpVersion::V6, &removal),
                    Err(error) => {
                        tracing::debug!(%error, "no IPv6 rules to remove");
                        Ok(())
                    }
                }
            }
        }
    }

    fn removal(self, version: IpVersion) -> Result<String, Error> {
        let saved = run(&self.program(version, "save"), &[], "")?;
        Ok(iptables::removal(&saved, self.mark))
    }

    fn restore(self, version: IpVersion, text: &str) -> Result<(), Error> {
        if text.is_empty() {
            return Ok(());
        }
        run(
            &self.program(version, "restore"),
            &["--noflush", LOCK],
            text,
        )
        .map(drop)
    }

    /// `iptables-restore`, `ip6tables-legacy-save` and so on.
    fn program(self, version: IpVersion, action: &str) -> String {
        let name = match version {
            IpVersion::V4 => "iptables",
            IpVersion::V6 => "ip6tables",
        };
        match self.variant {
            Variant::Default => format!("{name}-{action}"),
            Variant::Nft => format!("{name}-nft-{action}"),
            Variant::Legacy => format!("{name}-legacy-{action}"),
        }
    }
}

/// The families that the settings speak of.
fn versions(settings: &Settings) -> impl Iterator<Item = IpVersion> + use<> {
    let v6 = settings.ipv6.then_some(IpVersion::V6);
    std::iter::once(IpVersion::V4).chain(v6)
}

/// Runs a program in this thread's network namespace and gives what it prints.
fn run(program: &str, arguments: &[&str], input: &str) -> Result<String, Error> {
    let failed = |why: String| Error::Iptables {
        program: program.to_owned(),
        why,
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => failed(
                "there is no such program: install the package iptables, or use --backend nftables, \
                 which needs none"
                    .to_owned(),
            ),
            _ => failed(error.to_string()),
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends early says why, and its exit code is what counts.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child
        .wait_with_output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let shown: String = said.trim().chars().take(SHOWN).collect();
    Err(failed(format!(
        "{shown} ({}); root and the capability NET_ADMIN are wanted, and a kernel with the tables and matches that \
         the rules name",
        output.status
    )))
}
