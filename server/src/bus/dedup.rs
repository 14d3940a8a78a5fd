//! Remembers the first reply to each publish, within bounds that clients are told.

use std::collections::{BTreeMap, HashMap};

use super::{BusError, FirstReply, Known, Stamp};

/// Clients of one subject whose publishes are remembered: more than it may have connected at a time.
const MOST_PER_SUBJECT: usize = 256;

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
    most_producers: usize,
    /// By subject, and by its own name.
    subjects: HashMap<String, HashMap<String, Producer>>,
    /// Of all subjects.
    producers: usize,
}

impl Dedup {
    pub(super) fn new(bounds: DedupBounds, most_producers: usize) -> Self {
        Self { bounds, most_producers, subjects: HashMap::new(), producers: 0 }
    }

    /// What is known of a stamp. Nobody is forgotten early to make room for another, since a repeat
    /// would be taken for new then: who can't be remembered is not let in.
    pub(super) fn recall(&self, stamp: &Stamp) -> Result<Known, BusError> {
        let subject = self.subjects.get(&stamp.subject);
        let Some(producer) = subject.and_then(|subject| subject.get(&stamp.producer)) else {
            let of_subject = subject.map_or(0, HashMap::len);
            if of_subject >= MOST_PER_SUBJECT || self.producers >= self.most_producers {
                return Err(BusError::TooManyProducers);
            }
            return Ok(Known::New);
        };
        Ok(match producer.replies.get(&stamp.sequence) {
            Some((_, reply)) => Known::Answered(reply.clone()),
            None if stamp.sequence <= producer.forgotten => Known::Forgotten,
            None => Known::New,
        })
    }

    pub(super) fn remember(&mut self, stamp: &Stamp, reply: FirstReply, now_ms: u64) {
        let subject = self.subjects.entry(stamp.subject.clone()).or_default();
        let producer = subject.entry(stamp.producer.clone()).or_insert_with(|| {
            self.producers += 1;
            Producer::default()
        });
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
        self.subjects.retain(|_, subject| {
            subject.retain(|_, producer| producer.last_used_ms.saturating_add(age) > now_ms);
            !subject.is_empty()
        });
        self.producers = self.subjects.values().map(HashMap::len).sum();
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

    fn dedup(most_producers: usize) -> Dedup {
        Dedup::new(DedupBounds { entries: 2, max_age_ms: 100 }, most_producers)
    }

    #[test]
    fn a_repeat_gets_the_first_reply_and_an_old_one_is_not_taken_for_new() {
        let mut dedup = dedup(8);
        for sequence in 1..=3 {
            assert_eq!(dedup.recall(&stamp(sequence)), Ok(Known::New));
            dedup.remember(&stamp(sequence), appended(sequence), 0);
            dedup.remember(&stamp(sequence), appended(99), 0);
        }
        assert_eq!(dedup.recall(&stamp(1)), Ok(Known::Forgotten));
        assert_eq!(dedup.recall(&stamp(3)), Ok(Known::Answered(appended(3))));
    }

    #[test]
    fn memory_returns_to_its_base() {
        let mut dedup = dedup(8);
        dedup.remember(&stamp(1), appended(1), 0);
        dedup.sweep(199);
        assert_eq!((dedup.producers, dedup.subjects.len()), (1, 1));
        dedup.sweep(200);
        assert_eq!((dedup.producers, dedup.subjects.len()), (0, 0));
    }

    #[test]
    fn who_is_known_stays_known_and_too_many_are_not_let_in() {
        let mut dedup = dedup(300);
        let of = |subject: &str, number: usize| Stamp {
            subject: subject.into(),
            producer: number.to_string(),
            sequence: 1,
        };
        for number in 0..MOST_PER_SUBJECT {
            assert_eq!(dedup.recall(&of("eve", number)), Ok(Known::New));
            dedup.remember(&of("eve", number), appended(1), 0);
        }
        assert_eq!(dedup.recall(&of("eve", 999)), Err(BusError::TooManyProducers));
        assert_eq!(dedup.recall(&of("eve", 0)), Ok(Known::Answered(appended(1))));
        for number in 0..300 - MOST_PER_SUBJECT {
            dedup.remember(&of("ada", number), appended(1), 0);
        }
        assert_eq!(dedup.recall(&of("bob", 0)), Err(BusError::TooManyProducers));
        dedup.sweep(1_000);
        assert_eq!(dedup.recall(&of("bob", 0)), Ok(Known::New));
    }
}
