//! A batch as the messages of one nfnetlink transaction.

use crate::{Batch, Command, Error, Family, Hook, HookPoint, Position, Statement, Verdict};

use super::{
    answer::Answer,
    compile::{AnonymousSet, Fault, compile},
    message::{APPEND, CREATE, Message},
    order::RuleOrder,
};

/// NFNL_MSG_BATCH_BEGIN and NFNL_MSG_BATCH_END.
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// NFNL_SUBSYS_NFTABLES.
const SUBSYSTEM: u16 = 10;
/// NFT_MSG_*.
const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const DELETE_RULE: u16 = 8;
const NEW_SET: u16 = 9;
const NEW_SET_ELEMENT: u16 = 12;

/// The messages, each with the command it was made from (an index; the marks of the batch have none).
#[derive(Debug)]
pub(super) struct Transaction<'a> {
    messages: Vec<(Message, Option<&'a Command>)>,
    /// The sequence number of the one message that is answered also when all went well.
    last: u32,
}

impl<'a> Transaction<'a> {
    /// All messages, in order, as one datagram.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.messages
            .iter()
            .flat_map(|(message, _)| message.bytes())
            .copied()
            .collect()
    }

    /// The message of this sequence number with its command; none for the marks of the batch.
    pub(super) fn message(&self, sequence: u32) -> Option<(&Message, &'a Command)> {
        let (message, command) = self.messages.get(usize::try_from(sequence).ok()?)?;
        Some((message, (*command)?))
    }

    /// Whether no more answers come after this one: it is that of the last command, or of the batch as a whole.
    pub(super) fn ends_with(&self, answer: &Answer) -> bool {
        answer.sequence == self.last || self.message(answer.sequence).is_none()
    }

    /// The sequence number of the message that carries the command of this index.
    #[cfg(test)]
    pub(super) fn sequence_of(&self, index: usize) -> Option<u32> {
        let (message, _) = self
            .messages
            .iter()
            .filter(|(_, command)| command.is_some())
            .nth(index)?;
        Some(message.sequence())
    }

    fn push(&mut self, mut message: Message, command: Option<&'a Command>) -> Result<(), Error> {
        message.finish(|| command.map(ToString::to_string).unwrap_or_default())?;
        self.messages.push((message, command));
        Ok(())
    }

    fn begin(&self, kind: u16, flags: u16, family: Family) -> Message {
        Message::new(
            (SUBSYSTEM << 8) | kind,
            flags,
            self.next_sequence(),
            number(family),
            0,
        )
    }

    /// A message's sequence number is its place in the transaction.
    fn next_sequence(&self) -> u32 {
        u32::try_from(self.messages.len()).unwrap_or(u32::MAX)
    }
}

/// Write the batch as messages.
///
/// # Errors
/// A command that makes no sense, or a user or group name without a number.
pub(super) fn encode(batch: &Batch) -> Result<Transaction<'_>, Error> {
    let mut transaction = Transaction {
        messages: Vec::new(),
        last: 0,
    };
    let mut order = RuleOrder::default();
    transaction.push(Message::new(BATCH_BEGIN, 0, 0, 0, SUBSYSTEM), None)?;
    for command in batch.commands() {
        check_names(command)?;
        encode_command(&mut transaction, &mut order, command)?;
    }
    transaction.last = transaction.next_sequence().saturating_sub(1);
    if let Some((message, _)) = transaction.messages.last_mut() {
        message.ask_for_answer();
    }
    let end = Message::new(BATCH_END, 0, transaction.next_sequence(), 0, SUBSYSTEM);
    transaction.push(end, None)?;
    Ok(transaction)
}

fn encode_command<'a>(
    transaction: &mut Transaction<'a>,
    order: &mut RuleOrder<'a>,
    command: &'a Command,
) -> Result<(), Error> {
    let message = match command {
        Command::AddTable { family, table } => {
            let mut message = transaction.begin(NEW_TABLE, CREATE, *family);
            message.put_text(1, table);
            message
        }
        // Removing rules without naming a chain removes those of all.
        Command::FlushTable { family, table } => {
            order.forget(*family, table);
            let mut message = transaction.begin(DELETE_RULE, 0, *family);
            message.put_text(1, table);
            message
        }
        Command::DeleteTable { family, table } => {
            order.forget(*family, table);
            let mut message = transaction.begin(DELETE_TABLE, 0, *family);
            message.put_text(1, table);
            message
        }
        Command::AddChain {
            family,
            table,
            chain,
            hook,
        } => {
            let mut message = transaction.begin(NEW_CHAIN, CREATE, *family);
            message.put_text(1, table);
            message.put_text(3, chain);
            if let Some(hook) = hook {
                put_hook(&mut message, hook);
            }
            message
        }
        Command::AddRule {
            family,
            table,
            chain,
            position,
            statements,
        } => {
            let place = Place {
                family: *family,
                table,
                chain,
                position: *position,
            };
            return encode_rule(transaction, order, command, &place, statements);
        }
    };
    transaction.push(message, Some(command))
}

/// Where a rule goes.
struct Place<'a> {
    family: Family,
    table: &'a str,
    chain: &'a str,
    position: Position,
}

/// A rule, after the anonymous sets that it looks into.
fn encode_rule<'a>(
    transaction: &mut Transaction<'a>,
    order: &mut RuleOrder<'a>,
    command: &'a Command,
    place: &Place<'a>,
    statements: &[Statement],
) -> Result<(), Error> {
    let Place {
        family,
        table,
        chain,
        position,
    } = *place;
    let invalid = |why: String| Error::Invalid {
        command: command.to_string(),
        why,
    };
    let first_set = transaction.next_sequence();
    let (expressions, sets) =
        compile(family, statements, first_set).map_err(|fault| match fault {
            Fault::Owner(error) => error,
            Fault::Statement(why) => invalid(why),
        })?;
    for set in &sets {
        let message = new_set(transaction, family, table, set);
        transaction.push(message, Some(command))?;
        let message = new_set_elements(transaction, family, table, set);
        transaction.push(message, Some(command))?;
    }
    // The sequence number is unlike every other rule's, so it serves as the rule's id in this transaction.
    let id = transaction.next_sequence();
    let before = order
        .place((family, table, chain), position, id)
        .map_err(|known| {
            invalid(format!(
                "the index is not among the {known} rules that this batch gave the chain by then"
            ))
        })?;
    let append = if before.is_none() { APPEND } else { 0 };
    let mut message = transaction.begin(NEW_RULE, CREATE | append, family);
    message.put_text(1, table);
    message.put_text(2, chain);
    message.nest(4, |list| {
        expressions
            .iter()
            .for_each(|expression| expression.write(list))
    });
    message.put_u32(9, id);
    if let Some(before) = before {
        message.put_u32(10, before);
    }
    transaction.push(message, Some(command))
}

/// A set without a name of its own: the kernel numbers it, and it goes when its rule goes.
fn new_set(
    transaction: &Transaction<'_>,
    family: Family,
    table: &str,
    set: &AnonymousSet,
) -> Message {
    /// NFT_SET_ANONYMOUS and NFT_SET_CONSTANT.
    const FLAGS: u32 = 0x3;
    /// What nft shows the elements as: its type `inet_service`.
    const PORT: u32 = 13;
    let mut message = transaction.begin(NEW_SET, CREATE, family);
    message.put_text(1, table);
    message.put_text(2, AnonymousSet::NAME);
    message.put_u32(3, FLAGS);
    message.put_u32(4, PORT);
    message.put_u32(5, 2);
    message.put_u32(10, set.id);
    message.nest(9, |description| {
        description.put_u32(1, u32::try_from(set.ports.len()).unwrap_or(u32::MAX))
    });
    message
}

fn new_set_elements(
    transaction: &Transaction<'_>,
    family: Family,
    table: &str,
    set: &AnonymousSet,
) -> Message {
    let mut message = transaction.begin(NEW_SET_ELEMENT, CREATE, family);
    message.put_text(1, table);
    message.put_text(2, AnonymousSet::NAME);
    message.put_u32(4, set.id);
    message.nest(3, |list| {
        for port in &set.ports {
            list.nest(1, |element| {
                element.nest(1, |key| key.put(1, &port.to_be_bytes()))
            });
        }
    });
    message
}

fn put_hook(message: &mut Message, hook: &Hook) {
    let number = match hook.hook {
        HookPoint::Prerouting => 0,
        HookPoint::Input => 1,
        HookPoint::Forward => 2,
        HookPoint::Output => 3,
        HookPoint::Postrouting => 4,
    };
    message.nest(4, |place| {
        place.put_u32(1, number);
        place.put_u32(2, hook.priority.cast_unsigned());
    });
    message.put_text(7, &hook.type_.to_string());
}

/// NFPROTO_*.
fn number(family: Family) -> u8 {
    match family {
        Family::Inet => 1,
        Family::Ip => 2,
        Family::Ip6 => 10,
    }
}

/// The kernel cuts no names: it refuses long ones with a bare ERANGE, and nft cannot read back what it cannot write.
fn check_names(command: &Command) -> Result<(), Error> {
    let mut names: Vec<&str> = Vec::new();
    match command {
        Command::AddTable { table, .. }
        | Command::FlushTable { table, .. }
        | Command::DeleteTable { table, .. } => {
            names.push(table);
        }
        Command::AddChain { table, chain, .. } => names.extend([table.as_str(), chain]),
        Command::AddRule {
            table,
            chain,
            statements,
            ..
        } => {
            names.extend([table.as_str(), chain]);
            names.extend(statements.iter().filter_map(|statement| match statement {
                Statement::Verdict(Verdict::Jump(chain)) => Some(chain.as_str()),
                _ => None,
            }));
        }
    }
    let fits = |name: &&str| {
        let starts_well = name
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        starts_well
            && name.len() <= 255
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b))
    };
    match names.into_iter().find(|name| !fits(name)) {
        None => Ok(()),
        Some(name) => Err(Error::Invalid {
            command: command.to_string(),
            why: format!(
                "`{name}` names no table or chain: letters, digits and `-_./` are wanted, 255 at most"
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Ports, Protocol};

    fn with_rule(statements: Vec<Statement>) -> Batch {
        let mut batch = Batch::new();
        batch.rule(Family::Inet, "t", "c", statements);
        batch
    }

    #[test]
    fn every_message_has_its_place_as_sequence_number_and_only_the_last_command_asks_for_an_answer()
    {
        let batch = with_rule(vec![
            Statement::dport(Protocol::Tcp, vec![80, 443]),
            Statement::Counter,
        ]);
        let transaction = encode(&batch).unwrap();
        // begin, set, elements, rule, end
        let sequences: Vec<u32> = transaction
            .messages
            .iter()
            .map(|(message, _)| message.sequence())
            .collect();
        assert_eq!(sequences, [0, 1, 2, 3, 4]);
        assert_eq!(transaction.last, 3);
        let asking: Vec<bool> = transaction
            .messages
            .iter()
            .map(|(message, _)| message.bytes().get(6).unwrap() & 0x4 != 0)
            .collect();
        assert_eq!(asking, [false, false, false, true, false]);
    }

    #[test]
    fn a_name_that_nft_could_not_write_is_refused_before_the_kernel_is_asked() {
        for name in ["", "a b", "-a", "1a", "a;flush ruleset", &"a".repeat(256)] {
            let mut batch = Batch::new();
            batch.table(Family::Inet, name);
            assert!(
                matches!(encode(&batch), Err(Error::Invalid { .. })),
                "{name}"
            );
            let jump = with_rule(vec![Statement::jump(name)]);
            assert!(
                matches!(encode(&jump), Err(Error::Invalid { .. })),
                "{name}"
            );
        }
    }

    #[test]
    fn an_index_without_rules_to_count_and_an_empty_set_are_errors_that_show_the_command() {
        let mut batch = Batch::new();
        batch.insert_rule(Family::Inet, "t", "c", 0, vec![Statement::Counter]);
        let error = encode(&batch).unwrap_err().to_string();
        assert!(
            error.contains("insert rule inet t c index 0 counter"),
            "{error}"
        );
        let empty = with_rule(vec![Statement::dport(
            Protocol::Tcp,
            Ports::Set(Vec::new()),
        )]);
        assert!(encode(&empty).unwrap_err().to_string().contains("empty"));
    }
}
