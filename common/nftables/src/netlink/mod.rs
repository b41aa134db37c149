//! The netlink back end: a batch as nfnetlink messages, sent in one piece, and the kernel's answers.
//!
//! Attribute and message numbers are those of `linux/netfilter/nf_tables.h`, `linux/netfilter/nfnetlink.h` and
//! `linux/netlink.h`.

mod answer;
mod compile;
mod expression;
mod message;
mod order;
mod socket;
mod transaction;

use nix::libc;

use crate::{Batch, Command, Error};

use self::{
    answer::{Answer, Answers},
    message::Message,
    socket::Socket,
};

/// NETLINK_NETFILTER.
const PROTOCOL: isize = 12;

/// Load the batch into the network namespace of the calling thread.
pub(crate) fn apply(batch: &Batch) -> Result<(), Error> {
    if batch.commands().is_empty() {
        return Ok(());
    }
    let transaction = transaction::encode(batch)?;
    let socket = Socket::open(PROTOCOL)?;
    socket.send(&transaction.bytes())?;
    let mut refused = None;
    loop {
        let datagram = socket.receive()?;
        for answer in Answers::new(&datagram) {
            let answer = answer?;
            if answer.errno != 0 && refused.is_none() {
                refused = Some(refusal(&answer, transaction.message(answer.sequence)));
            }
            if transaction.ends_with(&answer) {
                return refused.map_or(Ok(()), Err);
            }
        }
    }
}

/// What the kernel's refusal means for the operator. `cause` is the message that was refused and the command it was
/// made from; without, the refusal is of the transaction as a whole.
fn refusal(answer: &Answer, cause: Option<(&Message, &Command)>) -> Error {
    let errno = std::io::Error::from_raw_os_error(answer.errno);
    let detail = answer
        .text
        .as_deref()
        .map(|text| format!(" ({text})"))
        .unwrap_or_default();
    let Some((message, command)) = cause else {
        return match answer.errno {
            libc::EPERM | libc::EACCES => Error::NotPermitted {
                during: "beginning the transaction",
                errno,
            },
            // nfnetlink knows no subsystem nf_tables.
            libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | libc::ENOPROTOOPT => Error::NoNfTables {
                during: "beginning the transaction",
                errno,
            },
            _ => Error::Transaction { errno, detail },
        };
    };
    let hint = hint(answer, message, command);
    Error::Refused {
        command: command.to_string(),
        errno,
        detail,
        hint,
    }
}

/// The expressions that are modules of their own; all others are part of nf_tables.
const MODULES: [&str; 6] = ["ct", "masq", "nat", "numgen", "redir", "tproxy"];

/// What helps against the refusal of one command, from a colon; nothing when nothing is known.
fn hint(answer: &Answer, message: &Message, command: &Command) -> String {
    let missing = matches!(
        answer.errno,
        libc::ENOENT | libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT
    );
    let expression = answer
        .offset
        .and_then(|offset| message.expression_at(offset));
    match (command, expression) {
        (Command::AddRule { .. }, Some(expression)) if missing && MODULES.contains(&expression) => {
            format!(": the kernel lacks the expression `{expression}`: load it with `modprobe nft_{expression}`")
        }
        (Command::AddRule { .. }, _) if answer.errno == libc::ENOENT => {
            ": the table, the chain or a chain that is jumped to does not exist; it has to be added earlier".to_owned()
        }
        (Command::AddRule { .. }, _) if answer.errno == libc::EOPNOTSUPP => {
            ": a statement cannot stand in this chain, by the chain's type, hook or family".to_owned()
        }
        (Command::AddRule { .. }, Some(expression)) => format!(": at the expression `{expression}`"),
        (Command::AddChain { hook: Some(hook), family, .. }, _) if missing => format!(
            ": the kernel lacks chains of type {} in family {family}: load them with `modprobe nft_chain_{}`",
            hook.type_, hook.type_
        ),
        (Command::AddChain { .. }, _) if matches!(answer.errno, libc::EEXIST | libc::EBUSY) => {
            ": a chain of that name with another hook exists; delete its table first".to_owned()
        }
        (Command::AddTable { family, .. }, _) if missing => {
            format!(": the kernel's nf_tables lacks family {family} (CONFIG_NF_TABLES_INET, _IPV4, _IPV6)")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;
    use crate::{Family, Hook, HookPoint, HookType, Statement};

    fn batch() -> Batch {
        let mut batch = Batch::new();
        batch.table(Family::Inet, "t");
        let hook = Hook {
            type_: HookType::Nat,
            hook: HookPoint::Output,
            priority: -100,
        };
        batch.chain(Family::Inet, "t", "out", Some(hook));
        batch.rule(
            Family::Inet,
            "t",
            "out",
            vec![Statement::Counter, Statement::Masquerade],
        );
        batch
    }

    fn refused(index: usize, errno: i32, offset: Option<u32>) -> String {
        let batch = batch();
        let transaction = transaction::encode(&batch).unwrap();
        let sequence = transaction.sequence_of(index).unwrap();
        let answer = Answer {
            sequence,
            errno,
            offset,
            text: None,
        };
        refusal(&answer, transaction.message(sequence)).to_string()
    }

    #[test]
    fn a_kernel_whose_netlink_knows_no_netfilter_is_told_to_load_nf_tables() {
        // No kernel has this protocol, so it answers as one without nfnetlink does: EPROTONOSUPPORT.
        let error = Socket::open(31).err().unwrap();
        assert!(matches!(error, Error::NoNfTables { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("this kernel has no nf_tables"), "{text}");
        assert!(
            text.contains("modprobe -a nf_tables") && text.contains("nft_redir"),
            "{text}"
        );
    }

    #[test]
    fn a_netlink_without_the_nf_tables_subsystem_is_told_to_load_it() {
        for errno in [libc::EOPNOTSUPP, libc::EPROTONOSUPPORT, libc::ENOPROTOOPT] {
            let error = refusal(
                &Answer {
                    sequence: 0,
                    errno,
                    offset: None,
                    text: None,
                },
                None,
            );
            assert!(matches!(error, Error::NoNfTables { .. }), "{error}");
        }
    }

    #[test]
    fn a_caller_without_the_capability_is_told_which() {
        let error = refusal(
            &Answer {
                sequence: 0,
                errno: libc::EPERM,
                offset: None,
                text: None,
            },
            None,
        );
        assert!(error.to_string().contains("NET_ADMIN"), "{error}");
    }

    #[test]
    fn a_missing_expression_names_the_rule_and_the_module() {
        let batch = batch();
        let transaction = transaction::encode(&batch).unwrap();
        let (message, _) = transaction
            .message(transaction.sequence_of(2).unwrap())
            .unwrap();
        let at = (0..1000)
            .find(|&offset| message.expression_at(offset) == Some("masq"))
            .unwrap();
        let text = refused(2, libc::ENOENT, Some(at));
        assert!(
            text.contains("add rule inet t out counter masquerade"),
            "{text}"
        );
        assert!(text.contains("modprobe nft_masq"), "{text}");
    }

    #[test]
    fn a_missing_chain_type_and_a_missing_family_name_what_to_load() {
        assert!(refused(1, libc::ENOENT, None).contains("modprobe nft_chain_nat"));
        assert!(refused(0, libc::EAFNOSUPPORT, None).contains("family inet"));
    }

    #[test]
    fn the_kernels_own_words_are_passed_on() {
        let text = Some("no room".to_owned());
        let error = refusal(
            &Answer {
                sequence: 0,
                errno: libc::ENOMEM,
                offset: None,
                text,
            },
            None,
        );
        assert!(error.to_string().ends_with("(no room)"), "{error}");
    }
}
