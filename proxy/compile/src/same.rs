//! What many resources have in common is kept once: most clusters of a mesh show the same certificate, offer the same
//! protocols and have hosts in the same few places.

use std::collections::VecDeque;
use std::sync::Arc;

use envoy_types::pb::google::protobuf::Struct;
use graph::cluster::Settings;
use graph::endpoint::{Locality, Workload};
use graph::policy::Retry;
use graph::route::{Forwarding, RouteMatch};

use crate::assignment::Assignment;
use crate::cluster::{Endpoints, Plan};
use crate::tls::context::Upstream;

/// How many different values of a kind are compared with: resources that are alike come one after the other.
const KEPT: usize = 8;

/// The last few different values of a kind.
#[derive(Debug)]
pub(crate) struct Recent<T: ?Sized>(VecDeque<Arc<T>>);

impl<T: ?Sized> Default for Recent<T> {
    fn default() -> Self {
        Recent(VecDeque::new())
    }
}

impl<T: ?Sized + PartialEq> Recent<T> {
    /// The one that is equal and was there before, else this one.
    pub(crate) fn same(&mut self, value: Arc<T>) -> Arc<T> {
        if let Some(known) = self.0.iter().find(|known| **known == value) {
            return known.clone();
        }
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(value.clone());
        value
    }

    fn replace(&mut self, value: &mut Arc<T>) {
        *value = self.same(value.clone());
    }

    fn replace_all<'a>(&mut self, values: impl IntoIterator<Item = &'a mut Arc<T>>)
    where
        T: 'a,
    {
        for value in values {
            self.replace(value);
        }
    }
}

/// Values that resources have in common.
#[derive(Debug, Default)]
pub(crate) struct Same {
    pub(crate) settings: Recent<Settings>,
    pub(crate) retries: Recent<Retry>,
    pub(crate) conditions: Recent<RouteMatch>,
    pub(crate) forwarding: Recent<Forwarding>,
    pub(crate) texts: Recent<str>,
    criteria: Recent<[Struct]>,
    contexts: Recent<Upstream>,
    localities: Recent<Locality>,
    metadata: Recent<Struct>,
    workloads: Recent<Workload>,
}

impl Same {
    /// Makes a cluster share what others have too.
    pub(crate) fn plan(&mut self, plan: &mut Plan) {
        self.criteria.replace(&mut plan.sockets.criteria);
        self.contexts.replace_all(plan.sockets.contexts());
        if let Endpoints::Service { name, .. } = &mut plan.endpoints
            && *name == plan.cluster.name
        {
            *name = plan.cluster.name.clone();
        }
    }

    /// Makes endpoints share what others have too.
    pub(crate) fn assignment(&mut self, assignment: &mut Assignment) {
        for locality in &mut assignment.localities {
            self.localities.replace(&mut locality.locality);
            for host in &mut locality.hosts {
                self.metadata.replace_all(&mut host.socket);
                self.workloads.replace_all(&mut host.workload);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn equal_values_are_one_as_long_as_few_others_came_between() {
        let mut recent = Recent::<str>::default();
        let first = recent.same("a".into());
        for n in 1..KEPT {
            recent.same(n.to_string().into());
        }
        assert!(Arc::ptr_eq(&first, &recent.same("a".into())));
        recent.same("one more".into());
        assert!(!Arc::ptr_eq(&first, &recent.same("a".into())));
        assert_eq!(recent.0.len(), KEPT);
    }
}
