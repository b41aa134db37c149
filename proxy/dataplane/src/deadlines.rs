//! When the slots of a slab are to be looked at: at most one entry for each slot, however often what is due in it
//! changes. Who moves a time further away leaves the entry alone and looks again when it comes up: a request that ends
//! costs nothing here.

use std::time::{Duration, Instant};

/// The place of a slot without an entry.
const NONE: u32 = u32::MAX;

/// A heap of times with an index by slot.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    /// The earliest first; each no later than the two at twice its place.
    heap: Vec<(Instant, u32)>,
    /// Where in `heap` a slot stands.
    places: Vec<u32>,
}

impl Deadlines {
    /// Sees to it that a slot is looked at by `at`, or earlier if it would have been.
    pub(crate) fn by(&mut self, slot: usize, at: Instant) {
        let Ok(number) = u32::try_from(slot) else {
            return;
        };
        if self.places.len() <= slot {
            self.places.resize(slot + 1, NONE);
        }
        let place = self.places.get(slot).copied().unwrap_or(NONE) as usize;
        match self.heap.get_mut(place) {
            Some((known, _)) if *known <= at => {}
            Some((known, _)) => {
                *known = at;
                self.rise(place);
            }
            None => {
                self.heap.push((at, number));
                self.rise(self.heap.len() - 1);
            }
        }
    }

    /// Takes out the next slot that is to be looked at by `now`.
    pub(crate) fn due(&mut self, now: Instant) -> Option<usize> {
        let (at, slot) = *self.heap.first()?;
        if at > now {
            return None;
        }
        self.heap.swap_remove(0);
        self.note(slot, NONE as usize);
        self.sink(0);
        Some(slot as usize)
    }

    /// How many slots have an entry.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// How long nothing will be due.
    pub(crate) fn rest(&self, now: Instant) -> Option<Duration> {
        let (at, _) = self.heap.first()?;
        Some(at.saturating_duration_since(now))
    }

    fn at(&self, place: usize) -> Option<Instant> {
        self.heap.get(place).map(|(at, _)| *at)
    }

    fn note(&mut self, slot: u32, place: usize) {
        if let Some(noted) = self.places.get_mut(slot as usize) {
            // A heap holds no more entries than there are slots, which are u32.
            *noted = place as u32;
        }
    }

    fn rise(&mut self, mut place: usize) {
        while let Some(parent) = place.checked_sub(1).map(|p| p / 2)
            && self.at(place) < self.at(parent)
        {
            self.swap(place, parent);
            place = parent;
        }
        self.settle(place);
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            let Some(mut least) = self.at(left).map(|at| (at, left)) else {
                break;
            };
            if let Some(at) = self.at(right)
                && at < least.0
            {
                least = (at, right);
            }
            if self.at(place).is_none_or(|at| at <= least.0) {
                break;
            }
            self.swap(place, least.1);
            place = least.1;
        }
        self.settle(place);
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.settle(a);
        self.settle(b);
    }

    fn settle(&mut self, place: usize) {
        if let Some((_, slot)) = self.heap.get(place) {
            self.note(*slot, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(deadlines: &mut Deadlines, now: Instant) -> Vec<usize> {
        std::iter::from_fn(|| deadlines.due(now)).collect()
    }

    #[test]
    fn slots_come_up_in_the_order_of_their_times_and_not_before() {
        let start = Instant::now();
        let second = |n: u64| start + Duration::from_secs(n);
        let mut deadlines = Deadlines::default();
        // A permutation of 0..97.
        for n in 0..97_u64 {
            deadlines.by((n * 31 % 97) as usize, second(n * 31 % 97));
        }
        assert_eq!(deadlines.rest(start), Some(Duration::ZERO));
        assert_eq!(
            all(&mut deadlines, second(40)),
            (0..=40).collect::<Vec<_>>()
        );
        assert_eq!(deadlines.rest(second(40)), Some(Duration::from_secs(1)));
        assert_eq!(
            all(&mut deadlines, second(97)),
            (41..97).collect::<Vec<_>>()
        );
        assert_eq!(deadlines.rest(start), None);
    }

    #[test]
    fn an_earlier_time_replaces_a_later_one_and_a_later_one_changes_nothing() {
        let start = Instant::now();
        let second = |n: u64| start + Duration::from_secs(n);
        let mut deadlines = Deadlines::default();
        for slot in 0..10 {
            deadlines.by(slot, second(100));
        }
        deadlines.by(7, second(5));
        deadlines.by(7, second(50));
        assert_eq!(all(&mut deadlines, second(5)), [7]);
        assert_eq!(all(&mut deadlines, second(99)), [0; 0]);
        deadlines.by(7, second(99));
        assert_eq!(all(&mut deadlines, second(99)), [7]);
        assert_eq!(all(&mut deadlines, second(100)).len(), 9);
    }

    #[test]
    fn whatever_is_asked_a_slot_has_one_entry() {
        let start = Instant::now();
        let mut deadlines = Deadlines::default();
        let mut random = 1_u64;
        for _ in 0..10_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let (slot, at) = ((random >> 60) as usize, random >> 40 & 1023);
            deadlines.by(slot, start + Duration::from_millis(at));
            if random >> 33 & 7 == 0 {
                deadlines.due(start + Duration::from_millis(200));
            }
            assert!(deadlines.heap.len() <= 16);
        }
        let mut last = None;
        while let Some((at, _)) = deadlines.heap.first().copied() {
            assert!(last <= Some(at));
            last = Some(at);
            assert!(deadlines.due(start + Duration::from_secs(2)).is_some());
        }
    }
}
