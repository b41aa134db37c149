//! What both variants of the protocol keep of a stream: each type's subscription and ledger, and
//! which type may be sent next.

use std::collections::BTreeMap;
use std::fmt;

use super::ledger::{Ledger, TypeReport};
use super::order::{self, Progress};
use super::{LimitExceeded, Subscription, limits};
use crate::TypeUrl;

/// The differences between what a client was told of a type and the latest state, as one variant of
/// the protocol keeps them.
pub(crate) trait Differences: fmt::Debug + Default + Send + 'static {
    /// Whether there is something to add or to replace.
    fn adds(&self, ledger: &Ledger) -> bool;
    /// Whether there is something to remove.
    fn removes(&self) -> bool;
}

/// One type of a stream.
#[derive(Debug, Default)]
pub(crate) struct TypeState<D> {
    pub(super) subscription: Subscription,
    /// The bytes of the subscription's names together.
    pub(super) name_bytes: usize,
    pub(super) ledger: Ledger,
    /// A response is owed, even an empty or unchanged one.
    pub(super) owed: bool,
    /// The subscription changed since the last update: the differences do not cover it.
    pub(super) stale: bool,
    pub(super) differences: D,
}

/// All types of a stream.
#[derive(Debug, Default)]
pub(crate) struct Types<D> {
    pub(super) states: BTreeMap<TypeUrl, TypeState<D>>,
    nonces: u64,
}

/// What is sent next.
pub(super) struct Next {
    pub(super) type_url: TypeUrl,
    pub(super) nonce: u64,
    /// The type's removals rather than its additions.
    pub(super) removing: bool,
}

impl<D: Differences> TypeState<D> {
    fn is_ready(&self) -> bool {
        !self.ledger.is_outstanding() && !self.stale
    }

    fn adds(&self) -> bool {
        self.differences.adds(&self.ledger)
    }
}

impl<D: Differences> Types<D> {
    /// The types that are subscribed to, in push order.
    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = (TypeUrl, &Subscription)> {
        self.states
            .iter()
            .filter(|(_, state)| !state.subscription.is_empty())
            .map(|(type_url, state)| (*type_url, &state.subscription))
    }

    /// The types whose resources must be given again before anything of them is sent.
    pub(crate) fn stale(&self) -> impl Iterator<Item = (TypeUrl, &Subscription)> {
        self.states
            .iter()
            .filter(|(_, state)| state.stale)
            .map(|(type_url, state)| (*type_url, &state.subscription))
    }

    /// What the client holds, per type.
    pub(crate) fn report(&self) -> Vec<TypeReport> {
        self.states
            .iter()
            .map(|(type_url, state)| state.ledger.report(*type_url, &state.subscription))
            .collect()
    }

    /// Whether nothing was sent on the stream yet.
    pub(super) fn is_silent(&self) -> bool {
        self.nonces == 0
    }

    /// Whether one type may have so many names of so many bytes, the others staying as they are.
    pub(super) fn check_names(
        &self,
        of: TypeUrl,
        names: usize,
        bytes: usize,
    ) -> Result<(), LimitExceeded> {
        let others = || self.states.iter().filter(|(other, _)| **other != of);
        limits::check_all(
            names
                + others()
                    .map(|(_, s)| s.subscription.names.len())
                    .sum::<usize>(),
            bytes + others().map(|(_, s)| s.name_bytes).sum::<usize>(),
        )
    }

    /// What is sent next, if anything may be: additions in push order, then, unless they are held
    /// back, the removals that may go.
    pub(super) fn next(&mut self, removals_wait: bool) -> Option<Next> {
        let adding = self.states.iter().find(|(type_url, state)| {
            state.is_ready()
                && (state.owed || state.adds())
                && order::may_add(**type_url, |t| self.progress(t))
        });
        let (type_url, removing) = match adding {
            Some((type_url, _)) => (*type_url, false),
            None if removals_wait => return None,
            None => (self.removable()?, true),
        };
        self.nonces += 1;
        Some(Next {
            type_url,
            nonce: self.nonces,
            removing,
        })
    }

    fn removable(&self) -> Option<TypeUrl> {
        order::REMOVALS.into_iter().find(|type_url| {
            self.states
                .get(type_url)
                .is_some_and(|state| state.is_ready() && state.differences.removes())
                && order::may_remove(*type_url, |t| self.progress(t))
        })
    }

    fn progress(&self, type_url: TypeUrl) -> Progress {
        self.states
            .get(&type_url)
            .map_or(Progress::default(), |state| Progress {
                busy: state.ledger.is_outstanding() || state.stale || state.adds(),
                refused: state.ledger.has_refused(),
                removing: state.differences.removes(),
            })
    }
}
