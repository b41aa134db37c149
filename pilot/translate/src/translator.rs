//! The memo over translation: a resource is computed once per class of proxies and again only when
//! something that it was computed from has changed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use xds::{Resource, TypeUrl};

use crate::proxy::{Inbound, Proxy, ProxyClass};
use crate::snapshot::Snapshot;
use crate::snapshot::reads::{Reads, Seen, Tables};
use crate::{inbound_names, inbound_resource, outbound_names, outbound_resource};

/// What of a kind is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Subscription<'a> {
    /// Everything that the proxy may have of the kind.
    Wildcard,
    /// What has these names.
    Names(&'a [Arc<str>]),
}

/// What resources are computed for: a class, and for those of the inbound side the workload too.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Scope {
    class: ProxyClass,
    inbound: Option<Inbound>,
}

/// Scopes kept; the one that was not used for the longest time goes first.
const MAX_SCOPES: usize = 8192;
/// Names kept per scope and kind. Proxies choose the names that they ask for.
const MAX_NAMES: usize = 60_000;

#[derive(Debug, Default)]
struct Memo {
    results: HashMap<Arc<str>, (Seen, Option<Arc<Resource>>)>,
    names: Option<(Seen, Vec<Arc<str>>)>,
    /// The answer to a wildcard subscription, good for as long as these tables are.
    whole: Option<(Tables, Vec<Arc<Resource>>)>,
    used: u64,
}

#[derive(Debug, Default)]
struct Scopes {
    memos: HashMap<(TypeUrl, Arc<Scope>), Arc<Mutex<Memo>>>,
    clock: u64,
}

/// Translates for all proxies of a control plane, sharing results between those of one class.
#[derive(Debug, Default)]
pub struct Translator {
    scopes: Mutex<Scopes>,
    translations: AtomicU64,
}

/// A panic in a translation leaves at most a missing entry behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Translator {
    /// An empty memo.
    pub fn new() -> Self {
        Self::default()
    }

    /// The resources of a kind that a proxy subscribes to, as they are in a snapshot. Names that
    /// nothing stands behind are left out.
    pub fn resources(
        &self,
        snapshot: &Arc<Snapshot>,
        proxy: &Proxy,
        kind: TypeUrl,
        subscription: Subscription<'_>,
    ) -> Vec<Arc<Resource>> {
        let outbound = Arc::new(Scope {
            class: proxy.class(snapshot),
            inbound: None,
        });
        let inbound = || {
            Arc::new(Scope {
                class: proxy.class(snapshot),
                inbound: Some(proxy.inbound(snapshot)),
            })
        };
        match subscription {
            Subscription::Wildcard => {
                let mut all = self.whole(snapshot, kind, &outbound);
                if has_inbound(kind) {
                    all.extend(self.whole(snapshot, kind, &inbound()));
                }
                all
            }
            Subscription::Names(names) => {
                let (theirs, ours): (Vec<_>, Vec<_>) = names
                    .iter()
                    .cloned()
                    .partition(|name| has_inbound(kind) && is_inbound(name));
                let mut found = self.named(snapshot, kind, &outbound, &ours);
                if !theirs.is_empty() {
                    found.extend(self.named(snapshot, kind, &inbound(), &theirs));
                }
                found
            }
        }
    }

    /// How many resources were computed so far, as opposed to taken from the memo.
    pub fn translations(&self) -> u64 {
        self.translations.load(Ordering::Relaxed)
    }

    fn memo(&self, kind: TypeUrl, scope: &Arc<Scope>) -> Arc<Mutex<Memo>> {
        let mut scopes = lock(&self.scopes);
        scopes.clock += 1;
        let now = scopes.clock;
        let key = (kind, Arc::clone(scope));
        if scopes.memos.len() >= MAX_SCOPES && !scopes.memos.contains_key(&key) {
            let idle = scopes
                .memos
                .iter()
                .min_by_key(|(_, memo)| memo.try_lock().map_or(u64::MAX, |m| m.used))
                .map(|(key, _)| key.clone());
            if let Some(idle) = idle {
                scopes.memos.remove(&idle);
            }
        }
        let memo = Arc::clone(scopes.memos.entry(key).or_default());
        drop(scopes);
        lock(&memo).used = now;
        memo
    }

    fn whole(&self, snapshot: &Snapshot, kind: TypeUrl, scope: &Arc<Scope>) -> Vec<Arc<Resource>> {
        let memo = self.memo(kind, scope);
        let mut memo = lock(&memo);
        if let Some((tables, resources)) = &memo.whole
            && tables.hold_in(snapshot)
        {
            return resources.clone();
        }
        let names = match &memo.names {
            Some((seen, names)) if seen.holds_in(snapshot) => names.clone(),
            _ => {
                let mut reads = Reads::new(snapshot);
                let names = match &scope.inbound {
                    None => outbound_names(kind, &scope.class, &mut reads),
                    Some(inbound) => inbound_names(kind, &scope.class, inbound, &mut reads),
                };
                memo.names = Some((reads.into_seen(), names.clone()));
                names
            }
        };
        let mut tables = Tables::default();
        if let Some((seen, _)) = &memo.names {
            seen.add_tables(snapshot, &mut tables);
        }
        let mut resources = Vec::with_capacity(names.len());
        for name in &names {
            resources.extend(self.one(snapshot, kind, scope, name, &mut memo));
            if let Some((seen, _)) = memo.results.get(name) {
                seen.add_tables(snapshot, &mut tables);
            }
        }
        if memo.results.len() > names.len() {
            let wanted: std::collections::HashSet<&Arc<str>> = names.iter().collect();
            memo.results.retain(|name, _| wanted.contains(name));
        }
        memo.whole = Some((tables, resources.clone()));
        resources
    }

    fn named(
        &self,
        snapshot: &Snapshot,
        kind: TypeUrl,
        scope: &Arc<Scope>,
        names: &[Arc<str>],
    ) -> Vec<Arc<Resource>> {
        let memo = self.memo(kind, scope);
        let mut memo = lock(&memo);
        names
            .iter()
            .filter_map(|name| self.one(snapshot, kind, scope, name, &mut memo))
            .collect()
    }

    fn one(
        &self,
        snapshot: &Snapshot,
        kind: TypeUrl,
        scope: &Scope,
        name: &Arc<str>,
        memo: &mut Memo,
    ) -> Option<Arc<Resource>> {
        if let Some((seen, result)) = memo.results.get(name)
            && seen.holds_in(snapshot)
        {
            return result.clone();
        }
        let mut reads = Reads::new(snapshot);
        let made = match &scope.inbound {
            None => outbound_resource(kind, name, &scope.class, &mut reads),
            Some(inbound) => inbound_resource(kind, name, &scope.class, inbound, &mut reads),
        };
        self.translations.fetch_add(1, Ordering::Relaxed);
        let before = memo.results.remove(name).and_then(|(_, result)| result);
        // Other inputs may have led to the same result: then it stays the same one.
        let result = match (made, before) {
            (Some(made), Some(before))
                if made.version == before.version && made.body == before.body =>
            {
                Some(before)
            }
            (made, _) => made.map(Arc::new),
        };
        if memo.results.len() >= MAX_NAMES {
            memo.results.clear();
        }
        memo.results
            .insert(Arc::clone(name), (reads.into_seen(), result.clone()));
        result
    }
}

fn has_inbound(kind: TypeUrl) -> bool {
    matches!(kind, TypeUrl::Cluster | TypeUrl::Listener)
}

fn is_inbound(name: &str) -> bool {
    name == crate::listener::VIRTUAL_INBOUND || name.starts_with("inbound|")
}
