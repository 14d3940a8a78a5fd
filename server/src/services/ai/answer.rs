//! Answers a question from the corpus: builds the query from the conversation, and words what was found.
//!
//! It says only what passages say, and says so when none fits. It never guesses and never uses chance.

use super::corpus::{Corpus, CorpusError};
use super::retrieval::{Hit, Index, Query};
use super::text::{sentences, stem, terms, words};

/// The part of a question that a passage has to cover before it counts as an answer.
const ENOUGH_COVERAGE: f64 = 0.42;

/// A second passage adds a sentence when it fits nearly as well as the best.
const RELATED_SCORE: f64 = 0.75;
const MOST_SENTENCES: usize = 5;

/// What the words of earlier questions weigh, the latest first.
const CONTEXT_WEIGHTS: [f64; 3] = [0.5, 0.25, 0.125];

/// What all passages are about, as a term.
const SUBJECT: &str = "staywir";

/// What greets and introduces itself where nothing is asked.
const INTRODUCTION: &str = "assistant";

/// A question with "it" and more topic words than this names its topic itself.
const MOST_TERMS_OF_A_FOLLOW_UP: usize = 3;

/// A conversation as far as it matters for an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conversation<'a> {
    /// The question to answer.
    pub(super) question: &'a str,
    /// The user's earlier questions, oldest first.
    pub(super) earlier: &'a [&'a str],
    /// What was answered last.
    pub(super) last_answer: Option<&'a str>,
}

/// The corpus with its index.
pub(super) struct Librarian {
    corpus: Corpus,
    index: Index,
}

impl Librarian {
    /// Reads and indexes the corpus.
    pub(super) fn new() -> Result<Self, CorpusError> {
        let corpus = Corpus::load()?;
        let index = Index::new(&corpus.passages);
        Ok(Self { corpus, index })
    }

    /// Two to five sentences, or an honest admission.
    pub(super) fn answer(&self, conversation: Conversation<'_>) -> String {
        match self.relevant(conversation).as_slice() {
            [] => self.admit(conversation),
            [best, others @ ..] => {
                let passage = &self.corpus.passages[best.passage];
                // A wrong answer is a matter for the corpus, and this says which part of it.
                tracing::debug!(passage = %passage.id, coverage = best.coverage, "answered");
                let mut answer = sentences(&passage.text);
                if let Some(other) = others.first()
                    && other.score >= RELATED_SCORE * best.score
                    && answer.len() < MOST_SENTENCES
                {
                    answer.extend(sentences(&self.corpus.passages[other.passage].text).first());
                }
                answer.join(" ")
            }
        }
    }

    fn relevant(&self, conversation: Conversation<'_>) -> Vec<Hit> {
        let query = query(conversation);
        if query.is_empty() {
            let introduction = self.corpus.passages.iter().position(|p| p.id == INTRODUCTION);
            let hit = introduction.map(|passage| Hit { passage, score: 1.0, coverage: 1.0 });
            return hit.into_iter().collect();
        }
        let mut hits = self.index.search(&query);
        hits.retain(|hit| hit.coverage >= ENOUGH_COVERAGE);
        // "Tell me more" names nothing new, so what was just said would be found again.
        if terms(conversation.question).is_empty()
            && let Some(told) = conversation.last_answer
        {
            hits.retain(|hit| {
                let text = &self.corpus.passages[hit.passage].text;
                sentences(text).first().is_none_or(|first| !told.contains(first))
            });
        }
        hits
    }

    fn admit(&self, conversation: Conversation<'_>) -> String {
        let mut unknown: Vec<String> = Vec::new();
        for word in words(conversation.question) {
            let is_new = !unknown.contains(&word) && word.len() <= 24;
            if is_new && !terms(&word).is_empty() && !self.index.knows(&stem(&word)) {
                unknown.push(word);
            }
        }
        unknown.truncate(3);
        let quoted: Vec<_> = unknown.iter().map(|word| format!("“{word}”")).collect();
        let admission = match quoted.as_slice() {
            [] => "I don't know the answer to that.".to_owned(),
            words => format!("I don't know: nothing that I ship is about {}.", words.join(" or ")),
        };
        let topics: Vec<_> = self.corpus.topics.iter().map(|topic| topic.name.as_str()).collect();
        let example = self.corpus.topics.last().map_or("", |topic| topic.example.as_str());
        format!(
            "{admission} I can answer questions about {}; and I can compute figures from the sample \
             tables of revenue and connections. Try “{example}” or “What was the revenue in Q2 by \
             region?”",
            topics.join("; ")
        )
    }

    #[cfg(test)]
    pub(super) fn best(&self, conversation: Conversation<'_>) -> Option<&str> {
        let hit = self.relevant(conversation).first().copied()?;
        Some(&self.corpus.passages[hit.passage].id)
    }
}

/// The question's own terms, and for a follow-up those of earlier questions, weighted lower. A question
/// that stands alone isn't coloured by what went before.
fn query(conversation: Conversation<'_>) -> Query {
    let mut own = terms(conversation.question);
    // Everything here is about Staywire, so its name says something only when it stands alone.
    if own.iter().any(|term| term != SUBJECT) {
        own.retain(|term| term != SUBJECT);
    }
    let mut query = Query::new();
    if own.is_empty() || leans_on_context(conversation.question, own.len()) {
        for (earlier, weight) in conversation.earlier.iter().rev().zip(CONTEXT_WEIGHTS) {
            for term in terms(earlier) {
                let known = query.entry(term).or_insert(weight);
                *known = known.max(weight);
            }
        }
    }
    for term in own {
        query.insert(term, 1.0);
    }
    query
}

/// Whether the question points back: "and …", "what about …", or a pronoun with few words beside it.
fn leans_on_context(question: &str, own_terms: usize) -> bool {
    let words = words(question);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let opens = matches!(
        words.as_slice(),
        ["and" | "but" | "or" | "so" | "then" | "also", ..] | ["what" | "how", "about", ..]
    );
    let pronoun = words.iter().enumerate().any(|(at, word)| match *word {
        "it" | "its" | "they" | "them" | "their" => true,
        // Elsewhere these are articles or conjunctions: "a message that is sent", "this server".
        "that" | "this" | "those" | "these" => {
            let before = at.checked_sub(1).map(|before| words[before]);
            at + 1 == words.len() || matches!(before, Some("is" | "does" | "do" | "about" | "was"))
        }
        _ => false,
    });
    opens || (pronoun && own_terms <= MOST_TERMS_OF_A_FOLLOW_UP)
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
