//! Virtual hosts by their exact domains. A table of all services of a mesh has several domains for each, so that an
//! entry is three numbers, and domains that others begin with take no bytes of their own.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::route::VirtualHost;

/// Virtual hosts by exact domain.
#[derive(Debug, Default)]
pub struct Domains {
    text: Vec<u8>,
    /// Where in the text the last domain stands that was written there.
    last: usize,
    hosts: Vec<Arc<VirtualHost>>,
    entries: HashTable<Entry>,
    hasher: RandomState,
}

/// Where a domain stands in the text, and the index of its host.
#[derive(Debug, Clone, Copy)]
struct Entry {
    start: u32,
    end: u32,
    host: u32,
}

/// A domain cannot be entered: it is there already, or 4 GiB of others are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken;

impl Domains {
    /// Enters a domain. Those of one host come one after the other, best the longest first.
    ///
    /// # Errors
    /// It is there already.
    pub fn insert(&mut self, domain: &[u8], host: &Arc<VirtualHost>) -> Result<(), Taken> {
        if self.get(domain).is_some() {
            return Err(Taken);
        }
        let begins_last = self
            .text
            .get(self.last..)
            .is_some_and(|last| last.starts_with(domain));
        if !begins_last {
            self.last = self.text.len();
            self.text.extend_from_slice(domain);
        }
        if !self
            .hosts
            .last()
            .is_some_and(|last| Arc::ptr_eq(last, host))
        {
            self.hosts.push(host.clone());
        }
        let number = |at: usize| u32::try_from(at).map_err(|_| Taken);
        let entry = Entry {
            start: number(self.last)?,
            end: number(self.last + domain.len())?,
            host: number(self.hosts.len() - 1)?,
        };
        let (text, hasher) = (&self.text, &self.hasher);
        let hash = |entry: &Entry| hasher.hash_one(entry.domain(text));
        self.entries.insert_unique(hash(&entry), entry, hash);
        Ok(())
    }

    /// The virtual host of a domain.
    #[must_use]
    pub fn get(&self, domain: &[u8]) -> Option<&Arc<VirtualHost>> {
        let is_it = |entry: &Entry| entry.domain(&self.text) == domain;
        let entry = self.entries.find(self.hasher.hash_one(domain), is_it)?;
        self.hosts.get(entry.host as usize)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Gives back what was allocated for further ones.
    pub fn shrink_to_fit(&mut self) {
        let (text, hasher) = (&self.text, &self.hasher);
        self.entries
            .shrink_to_fit(|entry| hasher.hash_one(entry.domain(text)));
        self.text.shrink_to_fit();
        self.hosts.shrink_to_fit();
    }
}

impl Entry {
    fn domain<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        text.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn hosts_are_found_by_their_domains_and_no_others() {
        let mut domains = Domains::default();
        let hosts: Vec<Arc<VirtualHost>> = (0..1000).map(|_| Arc::default()).collect();
        let names = |n: usize| {
            [
                format!("h{n}.a.local"),
                format!("h{n}.a"),
                format!("h{n}:80"),
            ]
        };
        for (n, host) in hosts.iter().enumerate() {
            for name in names(n) {
                domains.insert(name.as_bytes(), host).unwrap();
            }
        }
        domains.shrink_to_fit();
        for (n, host) in hosts.iter().enumerate() {
            for name in names(n) {
                assert!(Arc::ptr_eq(domains.get(name.as_bytes()).unwrap(), host));
            }
            assert!(domains.get(format!("h{n}").as_bytes()).is_none());
        }
        assert_eq!(domains.insert(b"h7.a", &hosts[8]), Err(Taken));
        let written: usize = (0..1000)
            .map(|n| format!("h{n}.a.localh{n}:80").len())
            .sum();
        assert_eq!(domains.text.len(), written, "`h7.a` begins `h7.a.local`");
    }
}
