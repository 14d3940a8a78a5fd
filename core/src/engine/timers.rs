//! Every wake-up the engine can ask for, in one table indexed by its cause.

use super::time::Time;

/// Why the engine wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Timer {
    /// A link in the first slot took too long to open, greet and resume.
    DialFirst,
    /// The same for the second slot.
    DialSecond,
    /// Nothing was heard on the first slot for a heartbeat interval: time to ping.
    PingFirst,
    /// The same for the second slot.
    PingSecond,
    /// Nothing was heard on the first slot for interval and timeout: the peer is dead.
    DeadFirst,
    /// The same for the second slot.
    DeadSecond,
    /// The wait before the next attempt is over.
    Backoff,
    /// The link has lived long enough to forget earlier failures.
    Stable,
    /// The token provider took too long.
    Token,
    /// The token should be renewed.
    Refresh,
    /// Time to open a second link beside the first.
    Make,
    /// The replaced link has had its time to finish replies.
    Retire,
    /// The probe after a wake-up got no answer.
    Probe,
    /// A call ran out of time.
    Calls,
    /// A room refused for a while may be asked for again.
    Rejoin,
}

const COUNT: usize = Timer::Rejoin as usize + 1;

/// The time of a timer that is not set.
const NEVER: Time = Time(u64::MAX);

const ALL: [Timer; COUNT] = [
    Timer::DialFirst,
    Timer::DialSecond,
    Timer::PingFirst,
    Timer::PingSecond,
    Timer::DeadFirst,
    Timer::DeadSecond,
    Timer::Backoff,
    Timer::Stable,
    Timer::Token,
    Timer::Refresh,
    Timer::Make,
    Timer::Retire,
    Timer::Probe,
    Timer::Calls,
    Timer::Rejoin,
];

#[derive(Debug)]
pub(crate) struct Timers {
    at: [Time; COUNT],
}

impl Timers {
    pub(crate) fn new() -> Self {
        Self { at: [NEVER; COUNT] }
    }

    pub(crate) fn set(&mut self, timer: Timer, at: Time) {
        self.at[timer as usize] = at;
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        self.at[timer as usize] = NEVER;
    }

    pub(crate) fn clear_all(&mut self) {
        self.at = [NEVER; COUNT];
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.at[timer as usize] != NEVER
    }

    /// The earliest wake-up; of several at one instant, the first in the order of [`Timer`].
    pub(crate) fn next(&self) -> Option<(Time, Timer)> {
        let mut first = (NEVER, ALL[0]);
        for timer in ALL {
            let at = self.at[timer as usize];
            if at < first.0 {
                first = (at, timer);
            }
        }
        (first.0 != NEVER).then_some(first)
    }

    /// Takes the earliest wake-up that is due.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<Timer> {
        let (at, timer) = self.next()?;
        if at > now {
            return None;
        }
        self.clear(timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lists_every_timer_at_its_own_index() {
        for (index, timer) in ALL.iter().enumerate() {
            assert_eq!(*timer as usize, index);
        }
    }

    #[test]
    fn due_timers_come_in_order_of_time() {
        let mut timers = Timers::new();
        timers.set(Timer::Calls, Time(20));
        timers.set(Timer::Backoff, Time(30));
        timers.set(Timer::Make, Time(10));
        assert_eq!(timers.next(), Some((Time(10), Timer::Make)));
        assert_eq!(timers.pop_due(Time(25)), Some(Timer::Make));
        assert_eq!(timers.pop_due(Time(25)), Some(Timer::Calls));
        assert_eq!(timers.pop_due(Time(25)), None);
        timers.clear(Timer::Backoff);
        assert_eq!(timers.next(), None);
    }
}
