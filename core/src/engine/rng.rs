//! Seeded randomness: the same seed gives the same run.
//!
//! It spreads reconnects over time; it is never a source of secrets.

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `most`, both included (but for the largest there is, which never comes); the
    /// bias is below one in 2^32 for spans in use.
    pub(crate) fn up_to(&mut self, most: u64) -> u64 {
        self.next() % most.saturating_add(1)
    }
}
