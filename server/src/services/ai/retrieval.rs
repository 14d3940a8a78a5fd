//! Finds the passages that a question is about: BM25 over weighted fields, with a few synonyms.
//!
//! It ranks and says how much of the question a passage covers; it never decides what is good enough. It is
//! deterministic: terms are kept sorted, and equal scores keep the corpus's order.

use std::collections::BTreeMap;

use super::corpus::Passage;
use super::text::{stem, terms};

/// How fast repetitions of a word stop to count, and how much long passages are held back.
const K1: f64 = 1.2;
const B: f64 = 0.4;

/// What a word counts for by where it stands.
const TITLE_WEIGHT: f64 = 2.0;
const ALSO_WEIGHT: f64 = 1.5;
const TEXT_WEIGHT: f64 = 1.0;

/// What a synonym counts for beside the word itself.
const SYNONYM_WEIGHT: f64 = 0.6;

/// A word that nobody mentions is likely to be what the question is about, and then no passage answers it.
const UNKNOWN_WEIGHT: f64 = 1.4;

/// What people say, and the words that the corpus has for it.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("arrive", &["deliver", "receive"]),
    ("credential", &["token"]),
    ("die", &["dead", "crash"]),
    ("disconnect", &["reconnect", "offline"]),
    ("duplicate", &["twice", "idempotent"]),
    ("event", &["message"]),
    ("expire", &["refresh"]),
    ("forget", &["lose"]),
    ("jwt", &["token"]),
    ("keepalive", &["heartbeat"]),
    ("llm", &["ai"]),
    ("log", &["authenticate"]),
    ("login", &["authenticate"]),
    ("lose", &["gap"]),
    ("loss", &["lose", "gap"]),
    ("message", &["event"]),
    ("organisation", &["tenant"]),
    ("organization", &["tenant"]),
    ("password", &["authenticate"]),
    ("phone", &["mobile", "ios"]),
    ("ping", &["heartbeat"]),
    ("repeat", &["twice"]),
    ("retry", &["backoff"]),
    ("safe", &["secure"]),
    ("security", &["secure", "authenticate"]),
    ("shard", &["scale"]),
    ("sign", &["authenticate"]),
    ("start", &["run"]),
    ("startup", &["run"]),
    ("unsent", &["outbox"]),
    ("url", &["endpoint"]),
    ("vanish", &["lose"]),
    ("workspace", &["folder"]),
];

/// An inverted index over passages.
pub(super) struct Index {
    postings: BTreeMap<String, Vec<(usize, f64)>>,
    lengths: Vec<f64>,
    mean_length: f64,
    synonyms: BTreeMap<String, Vec<String>>,
}

/// Words to look for, each with its weight. The question's own weigh 1, those of earlier turns less.
pub(super) type Query = BTreeMap<String, f64>;

/// A passage that has something of the query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hit {
    /// The passage's place in the corpus.
    pub(super) passage: usize,
    /// BM25 score times coverage, so that a passage about the whole question comes before one that
    /// repeats a part of it. Comparable within one query alone.
    pub(super) score: f64,
    /// The part of the query's information that the passage mentions, from 0 to 1.
    pub(super) coverage: f64,
}

impl Index {
    /// Indexes the passages.
    pub(super) fn new(passages: &[Passage]) -> Self {
        let mut postings: BTreeMap<String, Vec<(usize, f64)>> = BTreeMap::new();
        let mut lengths = Vec::with_capacity(passages.len());
        for (at, passage) in passages.iter().enumerate() {
            let mut counts: BTreeMap<String, f64> = BTreeMap::new();
            for (field, weight) in [
                (&passage.title, TITLE_WEIGHT),
                (&passage.also, ALSO_WEIGHT),
                (&passage.text, TEXT_WEIGHT),
            ] {
                for term in terms(field) {
                    *counts.entry(term).or_default() += weight;
                }
            }
            lengths.push(counts.values().sum());
            for (term, count) in counts {
                postings.entry(term).or_default().push((at, count));
            }
        }
        let mean_length = lengths.iter().sum::<f64>() / lengths.len().max(1) as f64;
        let synonyms = SYNONYMS
            .iter()
            .map(|(word, others)| (stem(word), others.iter().map(|other| stem(other)).collect()))
            .collect();
        Self { postings, lengths, mean_length, synonyms }
    }

    /// Whether any passage has the term, or a synonym of it.
    pub(super) fn knows(&self, term: &str) -> bool {
        self.alternatives(term).any(|(word, _)| self.postings.contains_key(word))
    }

    /// The passages that have something of the query, best first.
    pub(super) fn search(&self, query: &Query) -> Vec<Hit> {
        let mut scores = vec![(0.0, 0.0); self.lengths.len()];
        let mut information = 0.0;
        for (term, &weight) in query {
            let idf = self.idf(term);
            information += weight * idf;
            // A passage counts for the best of a word and its synonyms, not for all of them at once.
            let mut best: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
            for (word, share) in self.alternatives(term) {
                let Some(postings) = self.postings.get(word) else {
                    continue;
                };
                let word_idf = self.rarity(postings.len());
                for &(passage, count) in postings {
                    let norm = 1.0 - B + B * self.lengths[passage] / self.mean_length;
                    let score = share * word_idf * count * (K1 + 1.0) / (count + K1 * norm);
                    let entry = best.entry(passage).or_default();
                    *entry = (entry.0.max(score), entry.1.max(share));
                }
            }
            for (passage, (score, share)) in best {
                scores[passage].0 += weight * score;
                scores[passage].1 += weight * idf * share;
            }
        }
        let mut hits: Vec<Hit> = scores
            .into_iter()
            .enumerate()
            .filter(|(_, (score, _))| *score > 0.0)
            .map(|(passage, (score, covered))| {
                let coverage = covered / information;
                Hit { passage, score: score * coverage, coverage }
            })
            .collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.passage.cmp(&b.passage)));
        hits
    }

    /// The term itself, then its synonyms, each with what it counts for.
    fn alternatives<'a>(&'a self, term: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        let synonyms = self.synonyms.get(term).into_iter().flatten();
        std::iter::once((term, 1.0)).chain(synonyms.map(|word| (word.as_str(), SYNONYM_WEIGHT)))
    }

    /// How much a term of a question says; one that nobody mentions says the most.
    fn idf(&self, term: &str) -> f64 {
        self.alternatives(term)
            .find_map(|(word, _)| self.postings.get(word))
            .map_or_else(|| UNKNOWN_WEIGHT * self.rarity(0), |postings| self.rarity(postings.len()))
    }

    fn rarity(&self, passages: usize) -> f64 {
        let (all, having) = (self.lengths.len() as f64, passages as f64);
        (1.0 + (all - having + 0.5) / (having + 0.5)).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(id: &str, text: &str) -> Passage {
        Passage { id: id.into(), title: String::new(), also: String::new(), text: text.into() }
    }

    fn query(text: &str) -> Query {
        terms(text).into_iter().map(|term| (term, 1.0)).collect()
    }

    #[test]
    fn rare_words_decide_and_coverage_tells_what_is_missing() {
        let passages =
            [passage("a", "rooms hold events"), passage("b", "rooms close"), passage("c", "rooms")];
        let index = Index::new(&passages);

        let hits = index.search(&query("rooms with events"));
        assert_eq!(hits[0].passage, 0);
        assert!((hits[0].coverage - 1.0).abs() < 1e-9);

        let hits = index.search(&query("rooms with giraffes"));
        assert!(hits[0].coverage < 0.2, "{hits:?}");
        assert!(!index.knows("giraff") && index.knows("room"));
        assert!(index.search(&query("giraffes")).is_empty());
    }

    #[test]
    fn a_synonym_finds_but_counts_less() {
        let passages = [passage("a", "the heartbeat"), passage("b", "the ping"), passage("c", "x")];
        let hits = Index::new(&passages).search(&query("ping"));
        assert_eq!(hits.iter().map(|hit| hit.passage).collect::<Vec<_>>(), [1, 0]);
    }
}
