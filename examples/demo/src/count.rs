//! What arrived, held against what was said.

use std::collections::BTreeMap;
use std::fmt;

/// The offsets and contents that one device saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    times: BTreeMap<u64, (u32, String)>,
    gaps: u64,
}

impl Seen {
    pub(crate) fn event(&mut self, offset: u64, content: String) {
        self.times.entry(offset).or_insert((0, content)).0 += 1;
    }

    pub(crate) fn gap(&mut self, from: u64, to: u64) {
        self.gaps += to.saturating_sub(from) + 1;
    }

    pub(crate) fn count(&self) -> usize {
        self.times.len()
    }

    /// Holds this device against a witness of the same room.
    pub(crate) fn against(&self, witness: &Self) -> Counted {
        let same = |offset: &u64, content: &String| {
            self.times.get(offset).is_some_and(|(_, seen)| seen == content)
        };
        let lost = witness.times.iter().filter(|(at, (_, said))| !same(at, said)).count();
        let doubled = self.times.values().map(|(times, _)| (*times - 1) as usize).sum();
        Counted { events: witness.count(), seen: self.count(), lost, doubled }
    }
}

impl std::ops::Add for Counted {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            seen: self.seen + other.seen,
            lost: self.lost + other.lost,
            doubled: self.doubled + other.doubled,
        }
    }
}

/// The closing count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    events: usize,
    seen: usize,
    lost: usize,
    doubled: usize,
}

impl Counted {
    pub(crate) fn is_whole(&self) -> bool {
        self.events > 0 && self.lost == 0 && self.doubled == 0
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, seen, lost, doubled } = self;
        write!(out, "{events} events, {seen} seen, {lost} lost, {doubled} doubled")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(events: &[(u64, &str)]) -> Seen {
        let mut seen = Seen::default();
        for (offset, content) in events {
            seen.event(*offset, (*content).to_owned());
        }
        seen
    }

    #[test]
    fn losses_and_doubles_are_counted() {
        let witness = seen(&[(1, "a"), (2, "b"), (3, "c")]);
        assert!(seen(&[(1, "a"), (2, "b"), (3, "c")]).against(&witness).is_whole());
        let bad = seen(&[(1, "a"), (1, "a"), (3, "x")]).against(&witness);
        assert_eq!(bad.to_string(), "3 events, 2 seen, 2 lost, 1 doubled");
        let both = bad + seen(&[(1, "a")]).against(&seen(&[(1, "a")]));
        assert_eq!(both.to_string(), "4 events, 3 seen, 2 lost, 1 doubled");
        assert!(!Seen::default().against(&Seen::default()).is_whole(), "nothing proves nothing");
    }
}
