//! A bounded number of places for strangers' connections. When all are taken, whoever holds most of
//! them gives one up to an address that holds fewer: one address cannot keep the others out, and
//! while nobody else asks it may have all.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// The places of one listener.
#[derive(Debug)]
pub struct Places {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    next: u64,
    /// By source; the oldest place has the lowest number.
    sources: HashMap<IpAddr, BTreeMap<u64, CancellationToken>>,
}

/// A place that is held; it is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    source: IpAddr,
    number: u64,
    needed: CancellationToken,
}

impl Places {
    /// So many places.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            taken: Mutex::default(),
        })
    }

    /// A place for a connection from this address; none when all are taken and no other address
    /// holds more than this one.
    pub fn take(self: &Arc<Self>, from: IpAddr) -> Option<Place> {
        let source = source(from);
        let mut taken = self.lock();
        if taken.total >= self.most && !taken.make_room(source) {
            return None;
        }
        let number = taken.next;
        let needed = CancellationToken::new();
        taken.next += 1;
        taken.total += 1;
        taken
            .sources
            .entry(source)
            .or_default()
            .insert(number, needed.clone());
        Some(Place {
            places: self.clone(),
            source,
            number,
            needed,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn make_room(&mut self, newcomer: IpAddr) -> bool {
        let own = self.sources.get(&newcomer).map_or(0, BTreeMap::len);
        let largest = self.sources.iter().max_by_key(|(_, places)| places.len());
        let Some((&source, places)) = largest.filter(|(_, places)| places.len() > own + 1) else {
            return false;
        };
        let Some(oldest) = places.keys().next().copied() else {
            return false;
        };
        if let Some(needed) = self.free(source, oldest) {
            needed.cancel();
        }
        true
    }

    fn free(&mut self, source: IpAddr, number: u64) -> Option<CancellationToken> {
        let places = self.sources.get_mut(&source)?;
        let freed = places.remove(&number)?;
        if places.is_empty() {
            self.sources.remove(&source);
        }
        self.total -= 1;
        Some(freed)
    }
}

impl Place {
    /// Waits until the place is needed for another address: the connection must then be closed.
    pub fn needed(&self) -> impl Future<Output = ()> + Send + 'static {
        self.needed.clone().cancelled_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().free(self.source, self.number);
    }
}

/// Who counts as one: an IPv4 address, or an IPv6 network of 64 bits, of which one machine may have
/// every address.
fn source(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_may_have_all_places_and_no_more() {
        let places = Places::new(2);
        let first = places.take(ip("192.0.2.1")).unwrap();
        let second = places.take(ip("192.0.2.1")).unwrap();
        assert!(places.take(ip("192.0.2.1")).is_none());
        drop(first);
        assert!(places.take(ip("192.0.2.1")).is_some());
        assert!(!second.needed.is_cancelled());
    }

    #[test]
    fn whoever_holds_most_gives_its_oldest_place_to_another_address() {
        let places = Places::new(3);
        let held: Vec<Place> = (0..3)
            .map(|_| places.take(ip("192.0.2.1")).unwrap())
            .collect();
        let other = places.take(ip("192.0.2.2")).unwrap();
        let needed: Vec<bool> = held.iter().map(|p| p.needed.is_cancelled()).collect();
        assert_eq!(needed, [true, false, false]);
        assert!(
            places.take(ip("192.0.2.2")).is_none(),
            "taking one more would only swap the two"
        );
        drop(held);
        drop(other);
        assert_eq!(places.lock().total, 0);
        assert!(places.lock().sources.is_empty());
    }

    #[test]
    fn all_addresses_of_one_ipv6_network_are_one() {
        let places = Places::new(2);
        let _held = [
            places.take(ip("2001:db8::1")).unwrap(),
            places.take(ip("2001:db8::2")).unwrap(),
        ];
        assert!(places.take(ip("2001:db8::3")).is_none());
        assert!(places.take(ip("::ffff:192.0.2.1")).is_some());
    }
}
