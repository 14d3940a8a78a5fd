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

/// By its index, as a cast to a number gives it.
fn indexed(index: usize) -> Timer {
    match index {
        0 => Timer::DialFirst,
        1 => Timer::DialSecond,
        2 => Timer::PingFirst,
        3 => Timer::PingSecond,
        4 => Timer::DeadFirst,
        5 => Timer::DeadSecond,
        6 => Timer::Backoff,
        7 => Timer::Stable,
        8 => Timer::Token,
        9 => Timer::Refresh,
        10 => Timer::Make,
        11 => Timer::Retire,
        12 => Timer::Probe,
        13 => Timer::Calls,
        _ => Timer::Rejoin,
    }
}

#[derive(Debug)]
pub(crate) struct Timers {
    at: [Time; COUNT],
}

impl Timers {
    pub(crate) fn new() -> Self {
        Self { at: [Time::NEVER; COUNT] }
    }

    /// Sets a timer, or clears it: [`Time::NEVER`] never comes.
    pub(crate) fn set(&mut self, timer: Timer, at: Time) {
        self.at[timer as usize] = at;
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        self.at[timer as usize] = Time::NEVER;
    }

    pub(crate) fn clear_all(&mut self) {
        self.at = [Time::NEVER; COUNT];
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.at[timer as usize] != Time::NEVER
    }

    /// The earliest wake-up; of several at one instant, the first in the order of [`Timer`].
    pub(crate) fn next(&self) -> Option<(Time, Timer)> {
        let mut first = (Time::NEVER, 0);
        for (index, at) in self.at.iter().enumerate() {
            if *at < first.0 {
                first = (*at, index);
            }
        }
        (first.0 != Time::NEVER).then(|| (first.0, indexed(first.1)))
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
    fn every_timer_has_its_own_index() {
        for index in 0..COUNT {
            assert_eq!(indexed(index) as usize, index);
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
