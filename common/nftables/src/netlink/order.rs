//! Which rule an index means: the rules that a batch gave each chain, in the order they have by then.

use std::collections::HashMap;

use crate::{Family, Position};

/// The ids that the batch gave to rules, per chain, in the chain's order.
#[derive(Debug, Default)]
pub(super) struct RuleOrder<'a> {
    chains: HashMap<(Family, &'a str, &'a str), Vec<u32>>,
}

impl<'a> RuleOrder<'a> {
    /// Give the rule `id` its place and answer the id of the rule that it stands before, if it is not the last.
    ///
    /// # Errors
    /// The number of rules that the batch gave the chain, when the index is not among them.
    pub(super) fn place(
        &mut self,
        chain: (Family, &'a str, &'a str),
        position: Position,
        id: u32,
    ) -> Result<Option<u32>, usize> {
        let rules = self.chains.entry(chain).or_default();
        match position {
            Position::Last => {
                rules.push(id);
                Ok(None)
            }
            Position::Before(index) => {
                let index = usize::try_from(index).map_err(|_| rules.len())?;
                let before = *rules.get(index).ok_or(rules.len())?;
                rules.insert(index, id);
                Ok(Some(before))
            }
        }
    }

    /// Forget the rules of a table that was flushed or deleted.
    pub(super) fn forget(&mut self, family: Family, table: &str) {
        self.chains
            .retain(|(its_family, its_table, _), _| (*its_family, *its_table) != (family, table));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: (Family, &str, &str) = (Family::Inet, "t", "c");

    #[test]
    fn an_index_counts_the_rules_as_they_stand_by_then() {
        let mut order = RuleOrder::default();
        assert_eq!(order.place(CHAIN, Position::Last, 1), Ok(None));
        assert_eq!(order.place(CHAIN, Position::Before(0), 2), Ok(Some(1)));
        assert_eq!(order.place(CHAIN, Position::Before(1), 3), Ok(Some(1)));
        assert_eq!(order.place(CHAIN, Position::Before(1), 4), Ok(Some(3)));
    }

    #[test]
    fn an_index_beyond_the_rules_or_after_a_flush_is_refused() {
        let mut order = RuleOrder::default();
        assert_eq!(order.place(CHAIN, Position::Before(0), 1), Err(0));
        assert_eq!(order.place(CHAIN, Position::Last, 2), Ok(None));
        order.forget(Family::Inet, "t");
        assert_eq!(order.place(CHAIN, Position::Before(0), 3), Err(0));
    }
}
