//! Why an event could not be read or written, said to whoever has to mend it.
//!
//! The texts name the event and the place, and never quote more than a little of the data, which
//! may be large or private.

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::EventData;

/// The longest part of a problem that is shown, in characters: a value that is quoted in it has no
/// bound.
const SHOWN: usize = 160;

/// Why the data of an event could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The data isn't JSON, or isn't all of it.
    #[error(
        "event `{event}`: its data is not JSON ({problem}, at line {line} column {column}); \
         the sender must write one whole JSON value"
    )]
    NotJson {
        /// The event's type.
        event: String,
        /// What the JSON parser says.
        problem: String,
        /// The line, counted from 1.
        line: usize,
        /// The column in that line, in bytes, counted from 1.
        column: usize,
    },
    /// A field that the event always has isn't there.
    #[error(
        "event `{event}`: field `{field}` is missing; the sender must include it, or the type \
         must make it optional"
    )]
    MissingField {
        /// The event's type.
        event: String,
        /// The path to the field, such as `items[0].name`.
        field: String,
    },
    /// A field has a value of the wrong kind.
    #[error(
        "event `{event}`: field `{field}` is wrong ({problem}, at line {line} column {column}); \
         the sender must send the kind that is expected, or the type must allow for this one"
    )]
    WrongField {
        /// The event's type.
        event: String,
        /// The path to the field, such as `items[0].name`.
        field: String,
        /// What came, and what was expected.
        problem: String,
        /// The line, counted from 1.
        line: usize,
        /// The column in that line, in bytes, counted from 1.
        column: usize,
    },
    /// The data as a whole is wrong: not an object, say, or one with the same field twice.
    #[error(
        "event `{event}`: its data is wrong as a whole ({problem}); \
         the sender must send one JSON object with the event's fields"
    )]
    WrongData {
        /// The event's type.
        event: String,
        /// What came, and what was expected.
        problem: String,
    },
}

impl DecodeError {
    /// The type of the event that could not be read.
    pub fn event(&self) -> &str {
        match self {
            Self::NotJson { event, .. }
            | Self::MissingField { event, .. }
            | Self::WrongField { event, .. }
            | Self::WrongData { event, .. } => event,
        }
    }

    /// The path to the field that is to blame, where a single one is.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::MissingField { field, .. } | Self::WrongField { field, .. } => Some(field),
            Self::NotJson { .. } | Self::WrongData { .. } => None,
        }
    }

    /// Reads the data once more to learn where it is wrong: keeping track of the path costs time,
    /// which only the rare failure should pay.
    pub(super) fn explain<T: DeserializeOwned>(
        event: &str,
        data: &str,
        error: &serde_json::Error,
    ) -> Self {
        if error.classify() != Category::Data {
            return Self::not_json(event, error);
        }
        let mut reader = serde_json::Deserializer::from_str(data);
        match serde_path_to_error::deserialize::<_, T>(&mut reader) {
            Ok(_) => Self::wrong(event, String::new(), error),
            Err(tracked) => {
                // A path without segments reads ".".
                let path = match tracked.path().iter().next() {
                    Some(_) => tracked.path().to_string(),
                    None => String::new(),
                };
                Self::wrong(event, path, tracked.inner())
            }
        }
    }

    pub(super) fn not_json(event: &str, error: &serde_json::Error) -> Self {
        Self::NotJson {
            event: event.to_owned(),
            problem: problem(error),
            line: error.line(),
            column: error.column(),
        }
    }

    fn wrong(event: &str, path: String, error: &serde_json::Error) -> Self {
        let event = event.to_owned();
        let problem = problem(error);
        if let Some(name) = missing_field(&problem) {
            let field = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            Self::MissingField { event, field }
        } else if path.is_empty() {
            Self::WrongData { event, problem }
        } else {
            let (line, column) = (error.line(), error.column());
            Self::WrongField { event, field: path, problem, line, column }
        }
    }
}

/// Why an event could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event `{event}` can't be written as JSON ({problem}); correct its data before sending it")]
pub struct EncodeError {
    event: &'static str,
    problem: String,
}

impl EncodeError {
    /// The type of the event that could not be written.
    pub fn event(&self) -> &'static str {
        self.event
    }

    pub(super) fn new<E: EventData>(error: &serde_json::Error) -> Self {
        Self { event: E::TYPE, problem: problem(error) }
    }
}

/// What serde says, without the position that it appends, and within bounds.
fn problem(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    if let Some(end) = text.rfind(&format!(" at line {} column ", error.line())) {
        text.truncate(end);
    }
    if let Some((end, _)) = text.char_indices().nth(SHOWN) {
        // What was expected stands at the end, and is worth more than the rest of a long value.
        let expected = text.rfind(", expected ").filter(|at| *at >= end);
        let tail = expected.map_or("", |at| &text[at..]).to_owned();
        text.truncate(end);
        text.push('…');
        text.extend(tail.chars().take(SHOWN));
    }
    text
}

/// The name in serde's own words for a missing field, which its errors tell in no other way.
fn missing_field(problem: &str) -> Option<&str> {
    problem.strip_prefix("missing field `")?.strip_suffix('`')
}
