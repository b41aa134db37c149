//! A transaction: commands in order, taken by the kernel whole or not at all.

use std::fmt;

use crate::{Error, Family, Hook, Position, Statement, netlink};

/// One step of a [`Batch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Make the table unless it is there.
    AddTable {
        /// Its family.
        family: Family,
        /// Its name.
        table: String,
    },
    /// Remove every rule of the table; chains stay.
    FlushTable {
        /// Its family.
        family: Family,
        /// Its name.
        table: String,
    },
    /// Remove the table with all that is in it.
    DeleteTable {
        /// Its family.
        family: Family,
        /// Its name.
        table: String,
    },
    /// Make the chain unless it is there.
    AddChain {
        /// The family of its table.
        family: Family,
        /// Its table.
        table: String,
        /// Its name.
        chain: String,
        /// Where the kernel calls it; a chain without is reached by jumps alone.
        hook: Option<Hook>,
    },
    /// Add a rule to a chain.
    AddRule {
        /// The family of its table.
        family: Family,
        /// Its table.
        table: String,
        /// Its chain.
        chain: String,
        /// Where in the chain.
        position: Position,
        /// What it says.
        statements: Vec<Statement>,
    },
}

/// A list of commands that is one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    commands: Vec<Command>,
}

impl Batch {
    /// An empty transaction.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The commands so far, in order.
    #[must_use]
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// Make the table unless it is there.
    pub fn table(&mut self, family: Family, table: impl Into<String>) {
        self.commands.push(Command::AddTable {
            family,
            table: table.into(),
        });
    }

    /// Remove every rule of the table; its chains stay.
    pub fn flush_table(&mut self, family: Family, table: impl Into<String>) {
        self.commands.push(Command::FlushTable {
            family,
            table: table.into(),
        });
    }

    /// Remove the table with all that is in it. It is first added, so that a table that is not there is no error.
    pub fn delete_table(&mut self, family: Family, table: impl Into<String>) {
        let table = table.into();
        self.commands.push(Command::AddTable {
            family,
            table: table.clone(),
        });
        self.commands.push(Command::DeleteTable { family, table });
    }

    /// Make the chain unless it is there; with a hook, the kernel calls it.
    pub fn chain(
        &mut self,
        family: Family,
        table: impl Into<String>,
        chain: impl Into<String>,
        hook: Option<Hook>,
    ) {
        self.commands.push(Command::AddChain {
            family,
            table: table.into(),
            chain: chain.into(),
            hook,
        });
    }

    /// Add a rule after those that the chain has.
    pub fn rule(
        &mut self,
        family: Family,
        table: impl Into<String>,
        chain: impl Into<String>,
        statements: Vec<Statement>,
    ) {
        let (table, chain) = (table.into(), chain.into());
        self.commands.push(Command::AddRule {
            family,
            table,
            chain,
            position: Position::Last,
            statements,
        });
    }

    /// Add a rule before the one that has this index (from 0). The rules counted are those that this batch added to
    /// the chain, so the table has to be flushed or new in the same batch.
    pub fn insert_rule(
        &mut self,
        family: Family,
        table: impl Into<String>,
        chain: impl Into<String>,
        index: u32,
        statements: Vec<Statement>,
    ) {
        let (table, chain, position) = (table.into(), chain.into(), Position::Before(index));
        self.commands.push(Command::AddRule {
            family,
            table,
            chain,
            position,
            statements,
        });
    }

    /// Put the commands of another batch after those of this one.
    pub fn extend(&mut self, other: Self) {
        self.commands.extend(other.commands);
    }

    /// The commands as `nft -f` reads them, one a line.
    #[must_use]
    pub fn to_nft_text(&self) -> String {
        self.to_string()
    }

    /// Load the batch into the network namespace of the calling thread.
    ///
    /// # Errors
    /// Nothing was changed when this fails: the kernel takes a batch whole or not at all. The error names the failing
    /// command, what the kernel said and what helps.
    pub fn apply(&self) -> Result<(), Error> {
        netlink::apply(self)
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.commands
            .iter()
            .try_for_each(|command| writeln!(f, "{command}"))
    }
}
