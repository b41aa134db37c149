//! One thread's words of a set of metrics, apart from every other thread's in memory.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use crate::metric::{Counter, Distribution, Gauge, HISTOGRAM_WORDS, Histogram};

/// Words of a cache line, left unused before and after a shard: two threads never write to the same line, whatever the
/// allocator puts beside it.
const PADDING: usize = 8;

/// Words for what has no place: never read.
static NOWHERE: [AtomicU64; HISTOGRAM_WORDS] = [const { AtomicU64::new(0) }; HISTOGRAM_WORDS];

static ZEROTH: AtomicU64 = AtomicU64::new(0);

/// The words of one thread.
#[derive(Debug)]
pub(crate) struct Shard(Box<[AtomicU64]>);

impl Shard {
    pub(crate) fn new(words: usize) -> Self {
        Shard(
            (0..words + 2 * PADDING)
                .map(|_| AtomicU64::new(0))
                .collect(),
        )
    }

    /// What a thread that does not exist writes to: nobody reads it.
    pub(crate) fn nowhere() -> &'static Shard {
        static SHARD: OnceLock<Shard> = OnceLock::new();
        SHARD.get_or_init(|| Shard::new(0))
    }

    #[inline]
    pub(crate) fn words(&self, at: usize, count: usize) -> &[AtomicU64] {
        let at = at.saturating_add(PADDING);
        self.0
            .get(at..at.saturating_add(count))
            .unwrap_or_else(|| NOWHERE.get(..count).unwrap_or_default())
    }

    #[inline]
    fn word(&self, at: usize) -> &AtomicU64 {
        match self.words(at, 1) {
            [word, ..] => word,
            [] => &ZEROTH,
        }
    }

    #[inline]
    pub(crate) fn counter(&self, at: usize) -> Counter<'_> {
        Counter(self.word(at))
    }

    #[inline]
    pub(crate) fn gauge(&self, at: usize) -> Gauge<'_> {
        Gauge(self.word(at))
    }

    #[inline]
    pub(crate) fn histogram(&self, at: usize) -> Histogram<'_> {
        Histogram(self.words(at, HISTOGRAM_WORDS))
    }

    pub(crate) fn read(&self, at: usize) -> u64 {
        self.counter(at).value()
    }

    pub(crate) fn add_to(&self, at: usize, total: &mut Distribution) {
        total.merge(self.words(at, HISTOGRAM_WORDS));
    }
}

/// A value for each thread, made where that thread first needs it.
#[derive(Debug)]
pub(crate) struct PerThread<T>(Box<[OnceLock<T>]>);

impl<T> PerThread<T> {
    pub(crate) fn new(threads: usize) -> Self {
        PerThread((0..threads).map(|_| OnceLock::new()).collect())
    }

    /// The value of a thread; none where there is no such thread.
    #[inline]
    pub(crate) fn of(&self, thread: usize, make: impl FnOnce() -> T) -> Option<&T> {
        Some(self.0.get(thread)?.get_or_init(make))
    }

    /// The values that there are.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter_map(OnceLock::get)
    }
}
