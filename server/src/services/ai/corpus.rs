//! The passages that the offline provider knows, read from the files beside this one.
//!
//! What is written there is what the project does today; what it is to do says that it is planned. Nothing is loaded at run time and nothing is learnt.

use serde::Deserialize;
use thiserror::Error;

/// Every file of the corpus, in the order in which topics are listed to people.
const FILES: &[(&str, &str)] = &[
    ("overview.toml", include_str!("corpus/overview.toml")),
    ("rooms.toml", include_str!("corpus/rooms.toml")),
    ("connection.toml", include_str!("corpus/connection.toml")),
    ("sending.toml", include_str!("corpus/sending.toml")),
    ("protocols.toml", include_str!("corpus/protocols.toml")),
    ("services.toml", include_str!("corpus/services.toml")),
    ("security.toml", include_str!("corpus/security.toml")),
    ("operations.toml", include_str!("corpus/operations.toml")),
];

/// A few sentences about one matter, and how people ask for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Passage {
    /// Unique in the corpus.
    pub(super) id: String,
    /// Names the matter.
    pub(super) title: String,
    /// Words that questions use for it beside those of the title and the text.
    pub(super) also: String,
    /// Two to four sentences; the first can stand alone.
    pub(super) text: String,
}

/// A group of passages as people would name it.
#[derive(Debug, Clone)]
pub(super) struct Topic {
    /// What the group is about.
    pub(super) name: String,
    /// A question that it answers.
    pub(super) example: String,
}

/// All passages and topics.
#[derive(Debug, Clone)]
pub(super) struct Corpus {
    /// In the order of the files.
    pub(super) passages: Vec<Passage>,
    /// One for each file.
    pub(super) topics: Vec<Topic>,
}

/// A file of the shipped corpus is malformed: a mistake in the build, not in its use.
#[derive(Debug, Error)]
pub enum CorpusError {
    /// A file of passages is not what it should be.
    #[error("{file}: {source}")]
    Passages {
        /// The file's name.
        file: &'static str,
        /// What is wrong with it.
        source: Box<toml::de::Error>,
    },
    /// A line of a sample table can't be read.
    #[error("{file}:{line}: {reason}")]
    Table {
        /// The file's name.
        file: &'static str,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Corpus {
    /// Reads the corpus that is compiled in.
    pub(super) fn load() -> Result<Self, CorpusError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            topic: String,
            example: String,
            passage: Vec<Passage>,
        }

        let mut corpus = Self { passages: Vec::new(), topics: Vec::new() };
        for &(name, text) in FILES {
            let file: File = toml::from_str(text)
                .map_err(|source| CorpusError::Passages { file: name, source: Box::new(source) })?;
            corpus.topics.push(Topic { name: file.topic, example: file.example });
            corpus.passages.extend(file.passage.into_iter().map(|mut passage| {
                passage.text = passage.text.split_whitespace().collect::<Vec<_>>().join(" ");
                passage
            }));
        }
        Ok(corpus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::ai::text::sentences;

    #[test]
    fn passages_are_unique_and_short() {
        let corpus = Corpus::load().unwrap();
        assert!(corpus.passages.len() >= 40);
        let mut ids: Vec<_> = corpus.passages.iter().map(|passage| &passage.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), corpus.passages.len());
        for passage in &corpus.passages {
            let count = sentences(&passage.text).len();
            assert!((2..=4).contains(&count), "{} has {count} sentences", passage.id);
        }
    }

    /// Whoever builds one of these strikes it off here, and says in its passage what there is now.
    #[test]
    fn what_is_not_built_yet_is_said_to_be_planned() {
        let corpus = Corpus::load().unwrap();
        for id in [
            "platforms",
            "batches",
            "shared-tabs",
            "ai-bridge",
            "collaboration",
            "live-preview-safety",
            "files",
            "redis",
        ] {
            let passage = corpus.passages.iter().find(|passage| passage.id == id).unwrap();
            // Alone in an answer, a later sentence about it would pass for the present.
            let text = sentences(&passage.text)[..2].join(" ");
            assert!(text.contains("planned"), "{id}: {text}");
        }
    }
}
