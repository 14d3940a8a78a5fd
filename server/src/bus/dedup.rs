//! Remembers the first reply to each publish, within bounds that clients are told.

use std::collections::{BTreeMap, HashMap};

use super::{FirstReply, Known, Stamp};

/// How much is remembered.
#[derive(Debug, Clone, Copy)]
pub struct DedupBounds {
    /// Replies per producer.
    pub entries: usize,
    /// Age of a reply in ms.
    pub max_age_ms: u64,
}

#[derive(Debug, Default)]
struct Producer {
    replies: BTreeMap<u64, (u64, FirstReply)>,
    /// Everything up to here is forgotten.
    forgotten: u64,
    last_used_ms: u64,
}

/// The memory of all producers.
#[derive(Debug)]
pub(super) struct Dedup {
    bounds: DedupBounds,
    producers: HashMap<(String, String), Producer>,
}

impl Dedup {
    pub(super) fn new(bounds: DedupBounds) -> Self {
        Self { bounds, producers: HashMap::new() }
    }

    pub(super) fn recall(&self, stamp: &Stamp) -> Known {
        let key = (stamp.subject.clone(), stamp.producer.clone());
        let Some(producer) = self.producers.get(&key) else { return Known::New };
        match producer.replies.get(&stamp.sequence) {
            Some((_, reply)) => Known::Answered(reply.clone()),
            None if stamp.sequence <= producer.forgotten => Known::Forgotten,
            None => Known::New,
        }
    }

    pub(super) fn remember(&mut self, stamp: &Stamp, reply: FirstReply, now_ms: u64) {
        let key = (stamp.subject.clone(), stamp.producer.clone());
        let producer = self.producers.entry(key).or_default();
        producer.last_used_ms = now_ms;
        producer.replies.entry(stamp.sequence).or_insert((now_ms, reply));
        while producer.replies.len() > self.bounds.entries {
            if let Some((sequence, _)) = producer.replies.pop_first() {
                producer.forgotten = producer.forgotten.max(sequence);
            }
        }
    }

    /// Forgets producers that were silent for twice the window: their clients were told that a
    /// repeat after it can't be told from a first, but one that was sent at its end is on its way.
    pub(super) fn sweep(&mut self, now_ms: u64) {
        let age = self.bounds.max_age_ms.saturating_mul(2);
        self.producers.retain(|_, producer| producer.last_used_ms.saturating_add(age) > now_ms);
    }

    pub(super) fn window_ms(&self) -> u64 {
        self.bounds.max_age_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(sequence: u64) -> Stamp {
        Stamp { subject: "t/u".into(), producer: "p".into(), sequence }
    }

    fn appended(offset: u64) -> FirstReply {
        FirstReply::Appended { epoch: "e".into(), offset }
    }

    #[test]
    fn a_repeat_gets_the_first_reply_and_an_old_one_is_not_taken_for_new() {
        let mut dedup = Dedup::new(DedupBounds { entries: 2, max_age_ms: 100 });
        for sequence in 1..=3 {
            assert_eq!(dedup.recall(&stamp(sequence)), Known::New);
            dedup.remember(&stamp(sequence), appended(sequence), 0);
            dedup.remember(&stamp(sequence), appended(99), 0);
        }
        assert_eq!(dedup.recall(&stamp(1)), Known::Forgotten);
        assert_eq!(dedup.recall(&stamp(3)), Known::Answered(appended(3)));
    }

    #[test]
    fn memory_returns_to_its_base() {
        let mut dedup = Dedup::new(DedupBounds { entries: 2, max_age_ms: 100 });
        dedup.remember(&stamp(1), appended(1), 0);
        dedup.sweep(199);
        assert_eq!(dedup.producers.len(), 1);
        dedup.sweep(200);
        assert!(dedup.producers.is_empty());
    }
}
