//! Several independent numbers out of one.

/// A sequence of numbers from one seed (SplitMix64).
#[derive(Debug)]
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) fn from(seed: u64) -> Self {
        Draws(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; `None` where `end` is 0.
    pub(crate) fn below(&mut self, end: usize) -> Option<usize> {
        // The high half of the product is spread as evenly as the draw is.
        let product = u128::from(self.next()).checked_mul(end as u128)?;
        (end > 0).then_some((product >> 64) as usize)
    }
}
