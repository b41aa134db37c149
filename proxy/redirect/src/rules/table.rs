//! One table under construction: its possible chains in order, and rules. Chains that stay empty are left out.

use nftables::{Batch, Family, Hook, HookPoint, HookType, InterfaceName, Statement};

/// A chain that a table can have.
pub(super) struct Chain {
    pub(super) name: &'static str,
    pub(super) hook: Option<Hook>,
}

impl Chain {
    /// A chain that the kernel calls.
    pub(super) fn base(
        name: &'static str,
        type_: HookType,
        hook: HookPoint,
        priority: i32,
    ) -> Self {
        Self {
            name,
            hook: Some(Hook {
                type_,
                hook,
                priority,
            }),
        }
    }

    /// A chain that is reached by jumps.
    pub(super) fn plain(name: &'static str) -> Self {
        Self { name, hook: None }
    }
}

/// A rule of a table under construction.
pub(super) struct Rule {
    pub(super) chain: &'static str,
    /// Before the rule that has this index by then; `None` for after all others.
    pub(super) before: Option<u32>,
    pub(super) statements: Vec<Statement>,
}

/// A table with its chains and the rules given so far.
pub(super) struct Table {
    name: &'static str,
    chains: Vec<Chain>,
    rules: Vec<Rule>,
}

impl Table {
    pub(super) fn new(name: &'static str, chains: Vec<Chain>) -> Self {
        Self {
            name,
            chains,
            rules: Vec::new(),
        }
    }

    /// Add a rule after the others of its chain.
    pub(super) fn append(
        &mut self,
        chain: &'static str,
        statements: impl IntoIterator<Item = Statement>,
    ) {
        self.rules.push(Rule {
            chain,
            before: None,
            statements: statements.into_iter().collect(),
        });
    }

    /// Put a rule before the one of that index.
    pub(super) fn insert(
        &mut self,
        chain: &'static str,
        index: u32,
        statements: impl IntoIterator<Item = Statement>,
    ) {
        self.rules.push(Rule {
            chain,
            before: Some(index),
            statements: statements.into_iter().collect(),
        });
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The commands that make the table; none when it has no rule.
    pub(super) fn into_batch(self) -> Batch {
        let mut batch = Batch::new();
        if self.rules.is_empty() {
            return batch;
        }
        batch.table(Family::Inet, self.name);
        batch.flush_table(Family::Inet, self.name);
        for chain in self.chains {
            if self.rules.iter().any(|rule| rule.chain == chain.name) {
                batch.chain(Family::Inet, self.name, chain.name, chain.hook);
            }
        }
        let mut begun: Vec<&str> = Vec::new();
        for Rule {
            chain,
            before,
            statements,
        } in self.rules
        {
            // nft takes the index of a rule that is there, and no other.
            let there = begun.iter().filter(|known| **known == chain).count();
            let is_there = |index: &u32| usize::try_from(*index).is_ok_and(|index| index < there);
            match before.filter(is_there) {
                None => batch.rule(Family::Inet, self.name, chain, statements),
                Some(index) => batch.insert_rule(Family::Inet, self.name, chain, index, statements),
            }
            begun.push(chain);
        }
        batch
    }
}

/// `iifname <name>`.
pub(super) fn from_interface(name: &InterfaceName) -> Statement {
    Statement::Iifname(nftables::Op::Eq, name.clone())
}

/// `oifname <name>`.
pub(super) fn to_interface(name: &InterfaceName) -> Statement {
    Statement::Oifname(nftables::Op::Eq, name.clone())
}
