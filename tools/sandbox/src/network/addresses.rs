//! Which addresses of the pods' range are free.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// Hands out addresses in turn, so that one given back is taken again as late as possible: a
/// client that still holds it meets nobody rather than another pod.
#[derive(Debug)]
pub(super) struct Addresses {
    range: Ipv4Net,
    reserved: Ipv4Addr,
    taken: HashSet<Ipv4Addr>,
    last: u32,
}

impl Addresses {
    pub(super) fn new(range: Ipv4Net, reserved: Ipv4Addr) -> Self {
        Self {
            range,
            reserved,
            taken: HashSet::new(),
            last: range.network().to_bits(),
        }
    }

    pub(super) fn take(&mut self) -> Option<Ipv4Addr> {
        let first = self.range.network().to_bits();
        let size = self.range.broadcast().to_bits() - first;
        // The first and the last address of the range are no host's.
        for step in 1..=size {
            let offset = (self.last - first + step) % size;
            let candidate = Ipv4Addr::from_bits(first + offset);
            if offset != 0 && candidate != self.reserved && self.taken.insert(candidate) {
                self.last = candidate.to_bits();
                return Some(candidate);
            }
        }
        None
    }

    pub(super) fn give_back(&mut self, address: Ipv4Addr) {
        self.taken.remove(&address);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn addresses(range: &str) -> Addresses {
        Addresses::new(range.parse().unwrap(), Ipv4Addr::new(10, 0, 0, 1))
    }

    #[test]
    fn a_small_range_gives_each_host_once_without_the_nodes_own() {
        let mut free = addresses("10.0.0.0/29");
        let mut all: Vec<u8> = std::iter::from_fn(|| free.take())
            .map(|ip| ip.octets()[3])
            .collect();
        all.sort_unstable();
        assert_eq!(all, [2, 3, 4, 5, 6]);
        free.give_back(Ipv4Addr::new(10, 0, 0, 4));
        assert_eq!(free.take(), Some(Ipv4Addr::new(10, 0, 0, 4)));
    }

    #[test]
    fn an_address_given_back_is_not_the_next_one() {
        let mut free = addresses("10.0.0.0/24");
        let first = free.take().unwrap();
        free.give_back(first);
        assert_ne!(free.take().unwrap(), first);
    }

    #[test]
    fn a_range_of_one_address_has_no_host() {
        assert_eq!(addresses("10.0.0.9/32").take(), None);
    }
}
