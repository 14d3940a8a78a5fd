//! How long to wait before the next attempt: exponential, with full jitter, a cap and the
//! server's own hint.
//!
//! Full jitter spreads a crowd of clients best: M. Brooker, "Exponential Backoff And Jitter",
//! AWS Architecture Blog, 2015.

use super::rng::Rng;
use super::time::{Millis, Time};

/// The back-off policy.
#[derive(Debug, Clone, Copy)]
pub struct BackoffConfig {
    /// Upper bound of the first wait. Default 0.5 s.
    pub base: Millis,
    /// Upper bound of every wait that the server didn't ask for. Default 20 s.
    pub cap: Millis,
    /// Close the client after this many failed attempts in a row. Default: never.
    pub give_up_after: Option<u32>,
}

impl Default for BackoffConfig {
    fn default() -> Self {
        Self { base: Millis(500), cap: Millis::from_secs(20), give_up_after: None }
    }
}

/// A wait that the server asks for, kept within reason: a server that asks for years must not
/// wedge its clients.
pub(crate) fn bounded_wait(wait: Millis) -> Millis {
    wait.min(Millis::from_secs(3_600))
}

/// Counts failures in a row and turns them into waits.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// Whether as many failed as the policy allows.
    pub(crate) fn gives_up(&self, config: &BackoffConfig) -> bool {
        config.give_up_after.is_some_and(|most| self.attempts >= most)
    }

    /// Counts one more failure and says when to try again: `hint` from `now` at the earliest.
    pub(crate) fn next(
        &mut self,
        config: &BackoffConfig,
        hint: Millis,
        now: Time,
        rng: &mut Rng,
    ) -> Time {
        let mut bound = config.base.0.min(config.cap.0);
        for _ in 0..self.attempts.min(32) {
            bound = if bound > config.cap.0 / 2 { config.cap.0 } else { bound * 2 };
        }
        self.attempts = self.attempts.saturating_add(1);
        // A hint is a floor: the crowd that got the same hint must not come back at one instant.
        now + bounded_wait(hint) + Millis(rng.up_to(bound))
    }

    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_use_the_whole_range() {
        let config = BackoffConfig::default();
        let mut rng = Rng::new(7);
        for (attempt, bound) in
            [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000].iter().enumerate()
        {
            let (mut low, mut high) = (u64::MAX, 0);
            for _ in 0..400 {
                let mut backoff = Backoff { attempts: attempt as u32 };
                let wait = backoff.next(&config, Millis(0), Time(0), &mut rng).0;
                low = low.min(wait);
                high = high.max(wait);
            }
            assert!(
                high <= *bound && high > bound * 9 / 10,
                "attempt {attempt}: {high} of {bound}"
            );
            assert!(low < bound / 10, "attempt {attempt}: jitter is not full, least {low}");
        }
    }

    #[test]
    fn a_hint_of_the_server_is_a_floor() {
        let (config, mut rng) = (BackoffConfig::default(), Rng::new(1));
        let at = Backoff::default().next(&config, Millis(30_000), Time(1_000), &mut rng);
        assert!((31_000..=31_500).contains(&at.0));
    }

    #[test]
    fn it_gives_up_only_when_asked() {
        let config = BackoffConfig { give_up_after: Some(2), ..BackoffConfig::default() };
        let (mut backoff, mut rng) = (Backoff::default(), Rng::new(1));
        for _ in 0..2 {
            assert!(!backoff.gives_up(&config));
            backoff.next(&config, Millis(0), Time(0), &mut rng);
        }
        assert!(backoff.gives_up(&config));
        backoff.attempts = u32::MAX;
        assert!(!backoff.gives_up(&BackoffConfig::default()));
        backoff.next(&BackoffConfig::default(), Millis(0), Time(0), &mut rng);
    }
}
