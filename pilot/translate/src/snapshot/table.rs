//! A map whose copies share structure: cloning is one pointer, changing one entry copies one shard.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

const SHARDS: usize = 256;

type Shard<K, V> = Option<Arc<BTreeMap<K, Arc<V>>>>;

/// Keys to shared values. Two tables with one root hold the same.
#[derive(Debug)]
pub(crate) struct Table<K, V> {
    root: Arc<Vec<Shard<K, V>>>,
}

impl<K, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        Self {
            root: Arc::clone(&self.root),
        }
    }
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            root: Arc::new((0..SHARDS).map(|_| None).collect()),
        }
    }
}

fn shard_of<Q: Hash + ?Sized>(key: &Q) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or_default()
}

impl<K: Ord + Hash + Clone, V> Table<K, V> {
    /// The value of a key.
    pub(crate) fn get<Q>(&self, key: &Q) -> Option<&Arc<V>>
    where
        K: Borrow<Q>,
        Q: Ord + Hash + ?Sized,
    {
        self.root.get(shard_of(key))?.as_ref()?.get(key)
    }

    /// Sets a value; an equal one that is there already stays, so that nothing seems to change.
    pub(crate) fn set(&mut self, key: K, value: V)
    where
        V: PartialEq,
    {
        if self.get(&key).is_some_and(|old| **old == value) {
            return;
        }
        self.put(key, Arc::new(value));
    }

    fn put(&mut self, key: K, value: Arc<V>) {
        let at = shard_of(&key);
        if let Some(shard) = Arc::make_mut(&mut self.root).get_mut(at) {
            Arc::make_mut(shard.get_or_insert_default()).insert(key, value);
        }
    }

    /// Removes a key.
    pub(crate) fn remove<Q>(&mut self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: Ord + Hash + ?Sized,
    {
        self.get(key)?;
        let shard = Arc::make_mut(&mut self.root).get_mut(shard_of(key))?;
        let map = Arc::make_mut(shard.as_mut()?);
        let old = map.remove(key);
        if map.is_empty() {
            *shard = None;
        }
        old
    }

    /// Changes the value of a key; a value that is empty afterwards is removed with its key.
    pub(crate) fn edit(&mut self, key: &K, change: impl FnOnce(&mut V))
    where
        V: Clone + Default + PartialEq,
    {
        let mut value = self.get(key).map(|v| V::clone(v)).unwrap_or_default();
        change(&mut value);
        if value == V::default() {
            self.remove(key);
        } else {
            self.set(key.clone(), value);
        }
    }

    /// All entries, in no useful order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &Arc<V>)> {
        self.root.iter().flatten().flat_map(|shard| shard.iter())
    }

    /// What two tables that hold the same have in common.
    pub(crate) fn identity(&self) -> Arc<dyn std::any::Any + Send + Sync>
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        Arc::clone(&self.root) as Arc<dyn std::any::Any + Send + Sync>
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_copy_shares_every_value_but_the_changed_one() {
        let mut table = Table::default();
        for n in 0..1000_u32 {
            table.set(n, n);
        }
        let before = table.clone();
        table.set(7, 70);
        for n in 0..1000_u32 {
            assert_eq!(
                Arc::ptr_eq(before.get(&n).unwrap(), table.get(&n).unwrap()),
                n != 7
            );
        }
        assert_eq!(**before.get(&7).unwrap(), 7);
    }

    #[test]
    fn setting_an_equal_value_changes_nothing() {
        let mut table = Table::default();
        table.set(1, "a".to_owned());
        let before = table.clone();
        table.set(1, "a".to_owned());
        assert!(Arc::ptr_eq(&before.root, &table.root));
    }

    #[test]
    fn an_entry_that_is_emptied_is_gone() {
        let mut table: Table<u8, Vec<u8>> = Table::default();
        table.edit(&1, |v| v.push(1));
        assert_eq!(table.iter().count(), 1);
        table.edit(&1, Vec::clear);
        assert_eq!(table.iter().count(), 0);
        assert!(table.remove(&1).is_none());
    }
}
