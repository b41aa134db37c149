//! Metrics by name: registered when configuration is compiled, merged over all threads when they are read.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::escape::label;
use crate::family::{Family, Kind, Member};
use crate::istio::Istio;
use crate::metric::{Counter, Distribution, Gauge, Histogram};
use crate::shard::{PerThread, Shard};
use crate::snapshot::{Number, Sample, Snapshot};

/// All metrics of the data path. Threads are numbered: the workers from 0 on, then the control thread; each writes its
/// own share alone.
#[derive(Debug)]
pub struct Registry {
    threads: usize,
    sets: Mutex<HashMap<Box<str>, Weak<Set>>>,
    istio: Istio,
}

/// A family's metrics of one cluster, listener, ... . They exist as long as somebody holds them, so that metrics of a
/// removed cluster go with it; asked for again while they exist, they are the same and go on counting.
#[derive(Debug)]
pub struct Metrics<F> {
    set: Arc<Set>,
    family: PhantomData<F>,
}

impl<F> Clone for Metrics<F> {
    fn clone(&self) -> Self {
        Metrics {
            set: Arc::clone(&self.set),
            family: PhantomData,
        }
    }
}

#[derive(Debug)]
struct Set {
    dotted: Box<str>,
    prometheus: &'static str,
    labels: Box<str>,
    members: &'static [Member],
    places: &'static [u16],
    shards: PerThread<Shard>,
}

/// One thread's share of a family's metrics of one cluster, listener, ...
#[derive(Debug)]
pub struct Share<'a, F> {
    shard: &'a Shard,
    family: PhantomData<F>,
}

impl Registry {
    /// For so many workers and the control thread. `version` is what `istio_build` shows as its tag.
    #[must_use]
    pub fn new(workers: usize, version: &str) -> Self {
        let threads = workers + 1;
        Registry {
            threads,
            sets: Mutex::default(),
            istio: Istio::new(threads, version),
        }
    }

    /// The number of the control thread, for what it counts itself.
    #[must_use]
    pub fn control(&self) -> usize {
        self.threads - 1
    }

    /// Istio's metrics.
    #[must_use]
    pub fn istio(&self) -> &Istio {
        &self.istio
    }

    /// The metrics of a family for `name`: a cluster's name, a listener's address with `_` before its port, a stat
    /// prefix; empty where there is but one.
    #[must_use]
    pub fn metrics<F: Family>(&self, name: &str) -> Metrics<F> {
        let mut dotted = format!("{}.", F::DOTTED);
        let mut labels = String::new();
        if !F::LABEL.is_empty() {
            // Names of Envoy's stats hold no colon.
            dotted.push_str(&name.replace(':', "_"));
            dotted.push('.');
            label(F::LABEL, name, &mut labels);
        }
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = sets.get(&*dotted).and_then(Weak::upgrade) {
            return Metrics {
                set,
                family: PhantomData,
            };
        }
        if sets.len() == sets.capacity() {
            // Before the table grows, what nobody holds any more goes: its size stays within twice of what is held.
            sets.retain(|_, set| set.strong_count() > 0);
        }
        let set = Arc::new(Set {
            dotted: dotted.into(),
            prometheus: F::PROMETHEUS,
            labels: labels.into(),
            members: F::MEMBERS,
            places: F::PLACES,
            shards: PerThread::new(self.threads),
        });
        sets.insert(set.dotted.clone(), Arc::downgrade(&set));
        Metrics {
            set,
            family: PhantomData,
        }
    }

    /// How many names are kept, those of metrics that nobody holds any more included.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.sets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Sets the counters of all families to zero; Istio's metrics go on. What a thread counts at the same moment may
    /// bring one back: threads do not wait for each other.
    pub fn reset_counters(&self) {
        let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        for set in sets.values().filter_map(Weak::upgrade) {
            for (member, place) in set.members.iter().zip(set.places) {
                if member.kind == Kind::Counter {
                    for shard in set.shards.all() {
                        shard.gauge(usize::from(*place)).set(0);
                    }
                }
            }
        }
    }

    /// Everything as it is now, all threads together. What a thread counts meanwhile may be in it or not.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_of(|_, _| true)
    }

    /// As `snapshot`, of those metrics alone for which `keep` says yes, given their dotted name and whether they were
    /// written: of ten thousand clusters' metrics most are asked for seldom, and naming them all takes a second.
    #[must_use]
    pub fn snapshot_of(&self, keep: impl Fn(&str, bool) -> bool) -> Snapshot {
        let sets: Vec<_> = {
            let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
            sets.values().filter_map(Weak::upgrade).collect()
        };
        let mut samples = Vec::new();
        for set in sets {
            set.sample(&keep, &mut samples);
        }
        let mut istio = Vec::new();
        self.istio.sample(&mut istio);
        samples.extend(
            istio
                .into_iter()
                .filter(|sample| keep(&sample.dotted, sample.used)),
        );
        Snapshot::new(samples)
    }
}

impl<F: Family> Metrics<F> {
    /// The share of a thread. Only that thread may write to it: writes of two would be lost.
    #[inline]
    #[must_use]
    pub fn of(&self, thread: usize) -> Share<'_, F> {
        let set = &self.set;
        let shard = set.shards.of(thread, || Shard::new(set.words()));
        Share {
            shard: shard.unwrap_or(Shard::nowhere()),
            family: PhantomData,
        }
    }
}

impl<'a, F: Family> Share<'a, F> {
    /// A counter of the family.
    #[inline]
    #[must_use]
    pub fn counter(&self, member: F) -> Counter<'a> {
        self.shard.counter(place::<F>(member))
    }

    /// A gauge of the family.
    #[inline]
    #[must_use]
    pub fn gauge(&self, member: F) -> Gauge<'a> {
        self.shard.gauge(place::<F>(member))
    }

    /// A histogram of the family.
    #[inline]
    #[must_use]
    pub fn histogram(&self, member: F) -> Histogram<'a> {
        self.shard.histogram(place::<F>(member))
    }
}

#[inline]
fn place<F: Family>(member: F) -> usize {
    F::PLACES
        .get(member.index())
        .map_or(usize::MAX, |place| usize::from(*place))
}

impl Set {
    fn words(&self) -> usize {
        let words = |kind| {
            if kind == Kind::Histogram {
                crate::metric::HISTOGRAM_WORDS
            } else {
                1
            }
        };
        self.members.iter().map(|member| words(member.kind)).sum()
    }

    fn sample(&self, keep: &impl Fn(&str, bool) -> bool, samples: &mut Vec<Sample>) {
        let touched = self.shards.all().next().is_some();
        let mut dotted = self.dotted.to_string();
        for (member, place) in self.members.iter().zip(self.places) {
            let number = self.number(member.kind, usize::from(*place));
            let used = match &number {
                Number::Counter(count) => *count != 0,
                Number::Gauge(_) => touched,
                Number::Histogram(distribution) => distribution.count() != 0,
            };
            dotted.truncate(self.dotted.len());
            dotted.push_str(member.dotted);
            if !keep(&dotted, used) {
                continue;
            }
            let mut labels = member.labels.to_owned();
            if !labels.is_empty() && !self.labels.is_empty() {
                labels.push(',');
            }
            labels.push_str(&self.labels);
            samples.push(Sample {
                dotted: dotted.clone(),
                prometheus: format!("{}{}", self.prometheus, member.prometheus),
                labels,
                number,
                used,
            });
        }
    }

    fn number(&self, kind: Kind, place: usize) -> Number {
        let total = || {
            let shards = self.shards.all();
            shards.fold(0, |total: u64, shard| total.wrapping_add(shard.read(place)))
        };
        match kind {
            Kind::Counter => Number::Counter(total()),
            Kind::Gauge => Number::Gauge(total().cast_signed()),
            Kind::Histogram => {
                let mut distribution = Distribution::default();
                for shard in self.shards.all() {
                    shard.add_to(place, &mut distribution);
                }
                Number::Histogram(Box::new(distribution))
            }
        }
    }
}
