//! The engine's notion of time: numbers that the caller passes in.
//!
//! Nothing here reads a clock. A caller takes [`Now`] from its own clocks before each input.

use core::mem;
use core::ops::Add;

/// A span of time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Millis(pub u64);

impl Millis {
    /// A span of whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds * 1000)
    }
}

/// A point on a monotonic clock, in milliseconds since an origin of the caller's choice.
///
/// The clock may stand still while the machine sleeps; the wall clock in [`Now`] tells then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time(pub u64);

impl Time {
    /// No time at all: what has no time yet stands at the end of the clock.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// The span from `earlier` to this point, zero if `earlier` is later.
    // For the same reason as the addition below.
    #[inline(never)]
    pub fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Millis> for Time {
    type Output = Self;

    // Inlined, the saturation would be there thirty times, in a module that is downloaded.
    #[inline(never)]
    fn add(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

/// A point on the wall clock, in milliseconds since the Unix epoch.
///
/// It may jump either way; only expiry dates and the detection of sleep look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct WallTime(pub u64);

impl WallTime {
    /// No time at all.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// The span from `earlier` to this point, zero if `earlier` is later.
    pub(crate) fn since(self, earlier: Self) -> Millis {
        Time(self.0).since(Time(earlier.0))
    }
}

/// Both clocks, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// The monotonic clock.
    pub time: Time,
    /// The wall clock.
    pub wall: WallTime,
}

impl Now {
    /// The span from `earlier` to this point by the clock that saw more of it pass.
    pub(crate) fn since(self, earlier: Self) -> Millis {
        self.time.since(earlier.time).max(self.wall.since(earlier.wall))
    }
}

/// Notices that the machine slept, whichever way its monotonic clock behaves in sleep.
#[derive(Debug)]
pub(crate) struct SleepWatch {
    last: Now,
}

impl Default for SleepWatch {
    /// Before the first look, at which no time has passed since then.
    fn default() -> Self {
        Self { last: Now { time: Time::NEVER, wall: WallTime::NEVER } }
    }
}

impl SleepWatch {
    /// A pause longer than this between what was due and what happened is taken for sleep.
    const THRESHOLD: u64 = 5_000;

    /// Looks at the clocks and tells whether the machine slept since the last look.
    ///
    /// `due` is the wake-up that the engine had asked for, if any. A monotonic clock that stops in sleep
    /// falls behind the wall clock; one that runs on overshoots the wake-up.
    pub(crate) fn slept(&mut self, now: Now, due: Time) -> bool {
        let last = mem::replace(&mut self.last, now);
        let (monotonic, wall) = (now.time.since(last.time).0, now.wall.since(last.wall).0);
        let fell_behind = wall.saturating_sub(monotonic) > Self::THRESHOLD;
        let overshot = now.time.since(due).0 > Self::THRESHOLD;
        fell_behind || overshot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: u64, wall: u64) -> Now {
        Now { time: Time(time), wall: WallTime(wall) }
    }

    #[test]
    fn sleep_is_seen_on_either_kind_of_clock() {
        let mut stops = SleepWatch::default();
        assert!(!stops.slept(at(0, 1_000_000), Time::NEVER));
        assert!(!stops.slept(at(1_000, 1_001_000), Time::NEVER));
        assert!(stops.slept(at(1_010, 9_000_000), Time::NEVER), "the monotonic clock stood still");

        let mut runs = SleepWatch::default();
        assert!(!runs.slept(at(0, 0), Time(30_000)));
        assert!(runs.slept(at(3_600_000, 3_600_000), Time(30_000)), "the wake-up was late");
    }

    #[test]
    fn a_wall_clock_set_back_is_not_sleep() {
        let mut watch = SleepWatch::default();
        assert!(!watch.slept(at(0, 9_000_000), Time::NEVER));
        assert!(!watch.slept(at(10, 1_000), Time::NEVER));
    }
}
