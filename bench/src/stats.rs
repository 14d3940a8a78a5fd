//! Medians and their 95 % intervals, by bootstrap: nothing is assumed about how noise is
//! distributed, and a round that was disturbed moves a median little.

/// A median and the 95 % interval around it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Estimate {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Estimate {
    /// Of at least one sample.
    pub(crate) fn of(samples: &[f64]) -> Self {
        const RESAMPLES: usize = 4_000;
        let mut rng = SplitMix(0x5eed);
        let mut resample = vec![0.0; samples.len()];
        let mut medians: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                resample.fill_with(|| samples[rng.below(samples.len())]);
                median(&mut resample)
            })
            .collect();
        medians.sort_by(f64::total_cmp);
        let low = medians[RESAMPLES * 25 / 1_000];
        let high = medians[RESAMPLES * 975 / 1_000];
        Self { median: median(&mut samples.to_vec()), low, high }
    }
}

impl std::fmt::Display for Estimate {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:.3} [{:.3}, {:.3}]", self.median, self.low, self.high)
    }
}

/// The middle of at least one sample.
pub(crate) fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    let middle = samples.len() / 2;
    if samples.len() % 2 == 1 {
        samples[middle]
    } else {
        f64::midpoint(samples[middle - 1], samples[middle])
    }
}

/// A small generator (splitmix64): the same samples give the same interval.
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_holds_the_median_and_ignores_one_bad_round() {
        let mut samples: Vec<f64> = (0..15).map(|step| 1.0 + f64::from(step) / 100.0).collect();
        samples[3] = 90.0;
        let estimate = Estimate::of(&samples);
        assert!(estimate.low <= estimate.median && estimate.median <= estimate.high);
        assert!(estimate.low >= 1.0 && estimate.high < 1.2, "{estimate}");
    }

    #[test]
    fn a_single_sample_is_its_own_interval() {
        let estimate = Estimate::of(&[2.5]);
        assert_eq!((estimate.low, estimate.median, estimate.high), (2.5, 2.5, 2.5));
        assert!((median(&mut [1.0, 4.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
    }
}
