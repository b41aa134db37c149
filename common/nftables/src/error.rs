//! Why a batch could not be loaded, with what helps.

use thiserror::Error;

/// The modules that the rules of this mesh use; `modprobe` loads what each depends on.
const MODULES: &str =
    "nf_tables nft_chain_nat nft_nat nft_redir nft_masq nft_ct nft_tproxy nft_numgen";

/// Why [`crate::Batch::apply`] failed. Nothing was changed.
#[derive(Debug, Error)]
pub enum Error {
    /// The kernel has no nf_tables, or its module is not loaded and cannot be loaded from here.
    #[error(
        "this kernel has no nf_tables ({during}: {errno}): load it on the node with `modprobe -a {MODULES}`, or use a \
         kernel built with CONFIG_NF_TABLES"
    )]
    NoNfTables {
        /// What was being done.
        during: &'static str,
        /// What the kernel answered.
        errno: std::io::Error,
    },
    /// The caller may not change rules in this network namespace.
    #[error(
        "not allowed to change nftables rules ({during}: {errno}): run as root, or give the process the capability \
         NET_ADMIN in this network namespace"
    )]
    NotPermitted {
        /// What was being done.
        during: &'static str,
        /// What the kernel answered.
        errno: std::io::Error,
    },
    /// The kernel refused one command.
    #[error("nftables refused `{command}`: {errno}{detail}{hint}")]
    Refused {
        /// The command as `nft` would write it.
        command: String,
        /// What the kernel answered.
        errno: std::io::Error,
        /// What the kernel added in words, from a space and a parenthesis, or nothing.
        detail: String,
        /// What helps, from a colon, or nothing.
        hint: String,
    },
    /// The kernel refused the transaction as a whole.
    #[error("nftables refused the transaction as a whole: {errno}{detail}")]
    Transaction {
        /// What the kernel answered.
        errno: std::io::Error,
        /// What the kernel added in words, from a space and a parenthesis, or nothing.
        detail: String,
    },
    /// The netlink socket failed.
    #[error("netlink socket: {during}: {source}")]
    Socket {
        /// What was being done.
        during: &'static str,
        /// What the kernel answered.
        source: std::io::Error,
    },
    /// The kernel's answer could not be read as netlink.
    #[error("the kernel's answer to an nftables transaction is malformed: {0}")]
    Answer(&'static str),
    /// A user or group name is in no database, and the kernel wants a number.
    #[error("{kind} `{name}` has no id in {file} ({why}): add it there or give the number")]
    UnknownOwner {
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
        /// The database that was read.
        file: String,
        /// What was wrong.
        why: String,
    },
    /// A command makes no sense, whatever the kernel holds.
    #[error("nftables command `{command}` is invalid: {why}")]
    Invalid {
        /// The command as `nft` would write it.
        command: String,
        /// What is wrong and what is wanted.
        why: String,
    },
}
