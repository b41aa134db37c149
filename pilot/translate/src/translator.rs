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
/// Bytes kept in all scopes together: the resources of some hundred namespaces of a large mesh.
const MAX_BYTES: usize = 1024 * 1024 * 1024;
/// Names kept per scope and kind. Proxies choose the names that they ask for.
const MAX_NAMES: usize = 60_000;

#[derive(Debug, Default)]
struct Memo {
    results: HashMap<Arc<str>, Found>,
    names: Option<(Seen, Vec<Arc<str>>)>,
    /// The answer to a wildcard subscription, good for as long as these tables are.
    whole: Option<(Tables, Vec<Arc<Resource>>)>,
    /// About how many bytes `results` take.
    bytes: usize,
}

type Found = (Seen, Option<Arc<Resource>>);

impl Memo {
    fn insert(&mut self, name: Arc<str>, found: Found) {
        self.bytes += size(&name, &found);
        if let Some(old) = self.results.insert(name.clone(), found) {
            self.bytes -= size(&name, &old);
        }
    }

    fn remove(&mut self, name: &Arc<str>) -> Option<Found> {
        let found = self.results.remove(name)?;
        self.bytes -= size(name, &found);
        Some(found)
    }

    fn retain(&mut self, mut keep: impl FnMut(&Arc<str>) -> bool) {
        let bytes = &mut self.bytes;
        self.results.retain(|name, found| {
            let kept = keep(name);
            if !kept {
                *bytes -= size(name, found);
            }
            kept
        });
    }
}

/// About how many bytes a result takes in the memo.
fn size(name: &str, (seen, resource): &Found) -> usize {
    let body = resource.as_ref().map_or(0, |r| r.body.len() + RESOURCE);
    name.len() + body + seen.size()
}

/// What a resource takes besides its body: the entries and pointers that lead to it.
const RESOURCE: usize = 200;

type Key = (TypeUrl, Arc<Scope>);

#[derive(Debug, Default)]
struct Scopes {
    memos: HashMap<Key, Kept>,
    clock: u64,
    /// The bytes of all memos, as far as they were told.
    bytes: usize,
}

#[derive(Debug, Default)]
struct Kept {
    memo: Arc<Mutex<Memo>>,
    /// By the clock of uses.
    used: u64,
    bytes: usize,
}

impl Scopes {
    /// Forgets the memo that was not used for the longest time, of those but one.
    fn forget_one(&mut self, but: &Key) -> bool {
        let others = self.memos.iter().filter(|(key, _)| *key != but);
        let idle = others.min_by_key(|(_, kept)| kept.used);
        let Some(idle) = idle.map(|(key, _)| key.clone()) else {
            return false;
        };
        if let Some(gone) = self.memos.remove(&idle) {
            self.bytes -= gone.bytes;
        }
        true
    }
}

/// Translates for all proxies of a control plane, sharing results between those of one class.
#[derive(Debug)]
pub struct Translator {
    scopes: Mutex<Scopes>,
    translations: AtomicU64,
    most_bytes: usize,
}

impl Default for Translator {
    fn default() -> Self {
        Self::bounded(MAX_BYTES)
    }
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

    /// An empty memo that keeps about so many bytes of results.
    pub fn bounded(most_bytes: usize) -> Self {
        Self {
            scopes: Mutex::default(),
            translations: AtomicU64::new(0),
            most_bytes,
        }
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

    /// About how many bytes of results are kept.
    pub fn kept_bytes(&self) -> usize {
        lock(&self.scopes).bytes
    }

    /// Does something with the memo of a scope.
    fn with_memo<T>(&self, key: &Key, work: impl FnOnce(&mut Memo) -> T) -> T {
        let memo = {
            let mut scopes = lock(&self.scopes);
            scopes.clock += 1;
            let now = scopes.clock;
            if scopes.memos.len() >= MAX_SCOPES && !scopes.memos.contains_key(key) {
                scopes.forget_one(key);
            }
            let kept = scopes.memos.entry(key.clone()).or_default();
            kept.used = now;
            Arc::clone(&kept.memo)
        };
        let (done, bytes) = {
            let mut memo = lock(&memo);
            (work(&mut memo), memo.bytes)
        };
        self.account(key, &memo, bytes);
        done
    }

    /// Takes note of what a memo has become, unless it was forgotten meanwhile.
    fn account(&self, key: &Key, memo: &Arc<Mutex<Memo>>, bytes: usize) {
        let mut guard = lock(&self.scopes);
        let scopes = &mut *guard;
        let kept = scopes.memos.get_mut(key);
        let Some(kept) = kept.filter(|kept| Arc::ptr_eq(&kept.memo, memo)) else {
            return;
        };
        scopes.bytes = scopes.bytes - kept.bytes + bytes;
        kept.bytes = bytes;
        while scopes.bytes > self.most_bytes && scopes.forget_one(key) {}
    }

    fn whole(&self, snapshot: &Snapshot, kind: TypeUrl, scope: &Arc<Scope>) -> Vec<Arc<Resource>> {
        self.with_memo(&(kind, Arc::clone(scope)), |memo| {
            self.whole_in(memo, snapshot, kind, scope)
        })
    }

    fn whole_in(
        &self,
        memo: &mut Memo,
        snapshot: &Snapshot,
        kind: TypeUrl,
        scope: &Scope,
    ) -> Vec<Arc<Resource>> {
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
            resources.extend(self.one(snapshot, kind, scope, name, memo));
            if let Some((seen, _)) = memo.results.get(name) {
                seen.add_tables(snapshot, &mut tables);
            }
        }
        if memo.results.len() > names.len() {
            let wanted: std::collections::HashSet<&Arc<str>> = names.iter().collect();
            memo.retain(|name| wanted.contains(name));
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
        self.with_memo(&(kind, Arc::clone(scope)), |memo| {
            names
                .iter()
                .filter_map(|name| self.one(snapshot, kind, scope, name, memo))
                .collect()
        })
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
        let before = memo.remove(name).and_then(|(_, result)| result);
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
            memo.retain(|_| false);
        }
        memo.insert(Arc::clone(name), (reads.into_seen(), result.clone()));
        result
    }
}

fn has_inbound(kind: TypeUrl) -> bool {
    matches!(kind, TypeUrl::Cluster | TypeUrl::Listener)
}

fn is_inbound(name: &str) -> bool {
    name == crate::listener::VIRTUAL_INBOUND || name.starts_with("inbound|")
}
