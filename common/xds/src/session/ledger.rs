//! The book of one type of one stream: what was sent last under each name and what became of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;

use super::{Answer, limits, rejection};
use crate::{TypeUrl, Version};

/// What is known of the version that was sent last under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is on its way: the response that carried it is not answered.
    Sent,
    /// The client said that it uses it.
    Acked,
    /// The client refused it by name, and goes on with what it had before.
    Rejected,
    /// The client refused the response that carried it, for another resource's sake or without
    /// naming one.
    #[serde(rename = "in doubt")]
    InDoubt,
}

/// What the client was told about a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It has this version.
    Version(Version),
    /// It has a version that another control plane made.
    Foreign,
    /// There is no such resource.
    Absent,
}

#[derive(Debug, Clone)]
struct Entry {
    told: Told,
    status: Status,
}

#[derive(Debug)]
struct Outstanding {
    nonce: u64,
    sent: Vec<(Arc<str>, Told)>,
}

/// One name of a [`TypeReport`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResourceReport {
    /// The resource's name.
    pub name: Arc<str>,
    /// The version sent last; `None` where the client was told that there is no such resource, or
    /// brought a version of another control plane.
    pub version: Option<Version>,
    /// What became of it.
    pub status: Status,
}

/// What one client holds of one type, for a debug page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TypeReport {
    /// The type URL.
    #[serde(rename = "type")]
    pub type_url: &'static str,
    /// Whether everything of the type is subscribed to.
    pub wildcard: bool,
    /// How many names are subscribed to.
    pub subscribed: usize,
    /// The nonce of the last response.
    pub nonce_sent: Option<String>,
    /// The nonce of the last response that was acked.
    pub nonce_acked: Option<String>,
    /// The nonce of the last response that was refused, in whole or in part.
    pub nonce_nacked: Option<String>,
    /// The client's last words of refusal; cleared by an ack that leaves nothing refused.
    pub error: Option<String>,
    /// Every name the client was told about, in order.
    pub resources: Vec<ResourceReport>,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: HashMap<Arc<str>, Entry>,
    outstanding: Option<Outstanding>,
    last_sent: Option<u64>,
    last_acked: Option<u64>,
    last_nacked: Option<u64>,
    error: Option<String>,
}

impl Ledger {
    pub(super) fn told(&self, name: &str) -> Option<Told> {
        self.entries.get(name).map(|entry| entry.told)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = (&Arc<str>, Told)> {
        self.entries.iter().map(|(name, entry)| (name, entry.told))
    }

    pub(super) fn is_outstanding(&self) -> bool {
        self.outstanding.is_some()
    }

    pub(super) fn has_refused(&self) -> bool {
        self.entries
            .values()
            .any(|entry| matches!(entry.status, Status::Rejected | Status::InDoubt))
    }

    /// The client held this before the stream began.
    pub(super) fn brought(&mut self, name: Arc<str>, told: Told) {
        let status = Status::Acked;
        self.entries.insert(name, Entry { told, status });
    }

    /// What the client holds under a name no longer matters: it dropped it by itself.
    pub(super) fn forget_unless(&mut self, keep: impl Fn(&str) -> bool) {
        self.entries.retain(|name, _| keep(name));
    }

    /// The client asked again for what it was told before: it may hold it or may have lost it, so
    /// the name is neither skipped as known nor left out of a removal.
    pub(super) fn distrust(&mut self, name: &str) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.told = Told::Foreign;
        }
    }

    /// [`Ledger::distrust`] for every name.
    pub(super) fn distrust_all(&mut self) {
        for entry in self.entries.values_mut() {
            entry.told = Told::Foreign;
        }
    }

    /// A response leaves with this nonce and content.
    pub(super) fn send(&mut self, nonce: u64, sent: Vec<(Arc<str>, Told)>) {
        for (name, told) in &sent {
            let status = Status::Sent;
            let told = *told;
            self.entries.insert(name.clone(), Entry { told, status });
        }
        self.last_sent = Some(nonce);
        self.outstanding = Some(Outstanding { nonce, sent });
    }

    /// Takes the answer in a request; `error` is that of its `error_detail`.
    pub(super) fn answer(&mut self, nonce: &str, error: Option<&str>) -> Answer {
        if nonce.is_empty() {
            return Answer::None;
        }
        let Some(nonce) = parse_nonce(nonce) else {
            return Answer::Stale;
        };
        let Some(outstanding) = self.outstanding.take_if(|o| o.nonce == nonce) else {
            // The last answered nonce on a request means a change of subscription.
            return if self.outstanding.is_none() && self.last_sent == Some(nonce) {
                Answer::None
            } else {
                Answer::Stale
            };
        };
        match error {
            None => {
                self.acked(&outstanding);
                Answer::Acked
            }
            Some(error) => self.nacked(&outstanding, error),
        }
    }

    fn acked(&mut self, outstanding: &Outstanding) {
        self.last_acked = Some(outstanding.nonce);
        for (name, told) in &outstanding.sent {
            self.set(name, *told, Status::Acked);
        }
        if !self.has_refused() {
            self.error = None;
        }
    }

    fn nacked(&mut self, outstanding: &Outstanding, error: &str) -> Answer {
        let error = limits::error_text(error);
        let rejected = rejection::named(&error, outstanding.sent.iter().map(|(name, _)| name));
        self.last_nacked = Some(outstanding.nonce);
        let named: HashSet<&Arc<str>> = rejected.iter().collect();
        for (name, told) in &outstanding.sent {
            let status = if named.contains(name) {
                Status::Rejected
            } else {
                Status::InDoubt
            };
            self.set(name, *told, status);
        }
        self.error = Some(error.clone());
        Answer::Nacked { error, rejected }
    }

    fn set(&mut self, name: &str, told: Told, status: Status) {
        if let Some(entry) = self.entries.get_mut(name).filter(|e| e.told == told) {
            entry.status = status;
        }
    }

    /// Names in doubt, with what was told about them.
    pub(super) fn in_doubt(&self) -> impl Iterator<Item = (&Arc<str>, Told)> {
        self.entries
            .iter()
            .filter(|(_, entry)| entry.status == Status::InDoubt)
            .map(|(name, entry)| (name, entry.told))
    }

    /// Drops the answered absences for which `keep` is false: nobody asks for them any more.
    pub(super) fn settle(&mut self, keep: impl Fn(&str) -> bool) {
        self.entries.retain(|name, entry| {
            entry.told != Told::Absent || entry.status == Status::Sent || keep(name)
        });
    }

    pub(super) fn report(
        &self,
        type_url: TypeUrl,
        subscription: &super::Subscription,
    ) -> TypeReport {
        let mut resources: Vec<_> = self
            .entries
            .iter()
            .map(|(name, entry)| ResourceReport {
                name: name.clone(),
                version: match entry.told {
                    Told::Version(version) => Some(version),
                    Told::Foreign | Told::Absent => None,
                },
                status: entry.status,
            })
            .collect();
        resources.sort_by(|a, b| a.name.cmp(&b.name));
        TypeReport {
            type_url: type_url.as_str(),
            wildcard: subscription.wildcard,
            subscribed: subscription.names.len(),
            nonce_sent: self.last_sent.map(nonce_text),
            nonce_acked: self.last_acked.map(nonce_text),
            nonce_nacked: self.last_nacked.map(nonce_text),
            error: self.error.clone(),
            resources,
        }
    }
}

/// A nonce as it stands in a message.
pub(super) fn nonce_text(nonce: u64) -> String {
    format!("{nonce:x}")
}

fn parse_nonce(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16)
        .ok()
        .filter(|nonce| nonce_text(*nonce) == text)
}
