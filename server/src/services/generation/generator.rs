//! What a generator is: something that turns a prompt into a website, step by step.
//!
//! It knows no sessions, rooms or stores. What it needs from one step to the next is in the state
//! that it is handed, so that a step that failed can be done again, by another process too.

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A source of websites.
pub trait Generator: Send + Sync + 'static {
    /// The steps that this prompt takes, in order; at least one.
    fn steps(&self, prompt: &str) -> Vec<Step>;

    /// Does the step `index`. `state` is what the step before it returned; null for the first.
    fn step<'a>(
        &'a self,
        prompt: &'a str,
        index: usize,
        state: Value,
    ) -> BoxFuture<'a, Result<Made, StepError>>;
}

/// A step, as it is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Stable within a generation.
    pub id: String,
    /// What it does, for people.
    pub title: String,
}

/// What a step made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Made {
    /// What came of it, for people.
    pub message: String,
    /// What the next step needs.
    pub state: Value,
    /// The page as it is now, if this step changed it.
    pub page: Option<Page>,
    /// What else there is to tell about the page.
    pub metadata: Map<String, Value>,
}

/// A page: the inside of its `body`, its style, and its behaviour.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The title of the document, as text.
    pub title: String,
    /// Markup; whatever came from the prompt is escaped in it.
    pub html: String,
    /// A style sheet.
    pub css: String,
    /// A script.
    pub js: String,
}

impl Page {
    /// Bytes of all its files.
    pub fn size(&self) -> usize {
        self.title.len() + self.html.len() + self.css.len() + self.js.len()
    }

    /// Files that have something in them.
    pub fn files(&self) -> Vec<(&'static str, usize)> {
        [("index.html", &self.html), ("style.css", &self.css), ("script.js", &self.js)]
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| (name, text.len()))
            .collect()
    }
}

/// Why a step could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepError {
    /// Why, for programs: capitals and underscores.
    pub code: &'static str,
    /// Why, for people.
    pub message: String,
    /// Whether doing it again may help.
    pub retry_available: bool,
}
