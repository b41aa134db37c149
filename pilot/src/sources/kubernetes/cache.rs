//! What is known of each kind, and what of it was not taken yet. Nothing here waits or speaks to
//! anybody.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use resources::problem::Problem;
use resources::yaml::{RawKey, RawObject};

use super::Changes;
use super::read::Item;

/// What is known of one kind.
#[derive(Debug, Default)]
struct OfKind {
    objects: BTreeMap<RawKey, Arc<RawObject>>,
    /// By object, where that can be told.
    refused: BTreeMap<Option<RawKey>, Problem>,
}

/// What is known.
#[derive(Debug)]
pub(super) struct Cache {
    kinds: Vec<OfKind>,
    pending: Changes,
}

impl Cache {
    /// Nothing is known of so many kinds.
    pub(super) fn new(kinds: usize) -> Self {
        Self {
            kinds: (0..kinds).map(|_| OfKind::default()).collect(),
            pending: Changes::new(),
        }
    }

    /// An object was added or changed. Returns whether anything differs.
    pub(super) fn applied(&mut self, kind: usize, item: Item) -> bool {
        let Some(of_kind) = self.kinds.get_mut(kind) else {
            return false;
        };
        of_kind.apply(item, &mut self.pending)
    }

    /// An object was deleted.
    pub(super) fn deleted(&mut self, kind: usize, key: &RawKey) -> bool {
        let Some(of_kind) = self.kinds.get_mut(kind) else {
            return false;
        };
        of_kind.remove(key, &mut self.pending)
    }

    /// These are all objects of the kind. One that cannot be read is there all the same: its last
    /// good form stays.
    pub(super) fn listed(&mut self, kind: usize, items: Vec<Item>) -> bool {
        let Some(of_kind) = self.kinds.get_mut(kind) else {
            return false;
        };
        let there: HashSet<RawKey> = items
            .iter()
            .filter_map(|item| match item {
                Item::Object(object) => Some(object.key()),
                Item::Unread(key) | Item::Refused(key, _) => key.clone(),
            })
            .collect();
        let gone: Vec<RawKey> = of_kind
            .objects
            .keys()
            .filter(|key| !there.contains(key))
            .cloned()
            .collect();
        let mut differs = false;
        let problems = std::mem::take(&mut of_kind.refused);
        for key in gone {
            differs |= of_kind.remove(&key, &mut self.pending);
        }
        for item in items {
            differs |= of_kind.apply(item, &mut self.pending);
        }
        differs | (problems != of_kind.refused)
    }

    /// Takes what changed since the last call.
    pub(super) fn take(&mut self) -> Changes {
        std::mem::take(&mut self.pending)
    }

    /// How many objects of a kind there are.
    pub(super) fn len(&self, kind: usize) -> usize {
        self.kinds.get(kind).map_or(0, |k| k.objects.len())
    }

    /// What could not be read.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let refused = self.kinds.iter().flat_map(|kind| kind.refused.values());
        refused.cloned().collect()
    }
}

impl OfKind {
    fn apply(&mut self, item: Item, pending: &mut Changes) -> bool {
        match item {
            Item::Object(object) => {
                let key = object.key();
                let mended = self.refused.remove(&Some(key.clone())).is_some();
                if self
                    .objects
                    .get(&key)
                    .is_some_and(|known| **known == *object)
                {
                    return mended;
                }
                let object = Arc::from(object);
                pending.insert(key.clone(), Some(Arc::clone(&object)));
                self.objects.insert(key, object);
                true
            }
            Item::Unread(Some(key)) => self.remove(&key, pending),
            Item::Unread(None) => false,
            Item::Refused(key, problem) => {
                let before = self.refused.insert(key, problem.clone());
                before.as_ref() != Some(&problem)
            }
        }
    }

    fn remove(&mut self, key: &RawKey, pending: &mut Changes) -> bool {
        let refused = self.refused.remove(&Some(key.clone())).is_some();
        let known = self.objects.remove(key).is_some();
        if known {
            pending.insert(key.clone(), None);
        }
        known || refused
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::kinds::{Kind, kinds};
    use super::super::read::read;
    use super::super::received::Received;
    use super::*;

    fn services() -> Kind {
        let mut kinds = kinds("istio-system").into_iter();
        kinds.find(|kind| kind.kind == "Service").unwrap()
    }

    fn item(text: &str) -> Item {
        let received: Received = serde_json::from_str(text).unwrap();
        read(&services(), "v1", received)
    }

    fn service(name: &str, port: u16) -> Item {
        item(&format!(
            r#"{{"metadata": {{"name": "{name}", "namespace": "n", "resourceVersion": "{port}{name}"}}, "spec": {{"ports": [{{"port": {port}}}]}}}}"#
        ))
    }

    /// What changed: names, with `-` for those that are gone.
    fn taken(cache: &mut Cache) -> Vec<String> {
        let sign = |(key, object): (RawKey, Option<_>)| match object {
            Some(_) => format!("+{}", key.name),
            None => format!("-{}", key.name),
        };
        cache.take().into_iter().map(sign).collect()
    }

    #[test]
    fn a_list_is_compared_with_what_is_known() {
        let mut cache = Cache::new(1);
        assert!(cache.listed(0, vec![service("a", 1), service("b", 1), service("c", 1)]));
        assert_eq!(taken(&mut cache), ["+a", "+b", "+c"]);
        assert!(!cache.listed(0, vec![service("c", 1), service("b", 1), service("a", 1)]));
        assert_eq!(taken(&mut cache), [""; 0]);
        assert!(cache.listed(0, vec![service("a", 1), service("b", 2), service("d", 1)]));
        assert_eq!(taken(&mut cache), ["+b", "-c", "+d"]);
    }

    #[test]
    fn an_object_deleted_and_made_again_between_two_looks_has_changed_once() {
        let mut cache = Cache::new(1);
        cache.applied(0, service("a", 1));
        taken(&mut cache);
        let Item::Object(object) = service("a", 1) else {
            panic!("no object");
        };
        assert!(cache.deleted(0, &object.key()));
        assert!(cache.applied(0, service("a", 2)));
        assert_eq!(taken(&mut cache), ["+a"]);
    }

    #[test]
    fn a_garbage_object_keeps_its_last_good_form_and_is_named() {
        let mut cache = Cache::new(1);
        cache.listed(0, vec![service("a", 1), service("b", 1)]);
        taken(&mut cache);
        let garbage = || item(r#"{"metadata": {"name": "a", "namespace": "n n"}}"#);
        let nameless = || item(r#"{"metadata": 7}"#);
        assert!(cache.listed(
            0,
            vec![garbage(), nameless(), service("a", 1), service("b", 1)]
        ));
        assert_eq!(taken(&mut cache), [""; 0]);
        let problems = cache.problems();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(
            problems
                .iter()
                .any(|p| p.to_string().contains("Service n n/a"))
        );
        assert!(cache.listed(0, vec![service("a", 1), service("b", 1)]));
        assert_eq!(cache.problems(), []);
    }

    #[test]
    fn a_refused_object_that_was_known_stays_until_it_is_deleted() {
        let mut cache = Cache::new(1);
        let key = |name: &str| RawKey {
            group: String::new(),
            kind: "Service".to_owned(),
            namespace: Some("n".to_owned()),
            name: name.to_owned(),
        };
        cache.listed(0, vec![service("a", 1)]);
        taken(&mut cache);
        let problem = Problem::error("x", "is garbage");
        let refused = || Item::Refused(Some(key("a")), problem.clone());
        assert!(cache.listed(0, vec![refused()]));
        assert!(!cache.applied(0, refused()));
        assert_eq!(taken(&mut cache), [""; 0]);
        assert!(cache.deleted(0, &key("a")));
        assert_eq!(taken(&mut cache), ["-a"]);
        assert_eq!(cache.problems(), []);
    }
}
