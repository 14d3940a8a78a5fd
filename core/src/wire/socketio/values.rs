//! A JSON array, and where in it each value stands.

use std::fmt;

use bytes::Bytes;
use serde::Deserializer as _;
use serde::de::{SeqAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::error::SocketIoError;

/// The values of a JSON array, each still the text that it came as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    json: Bytes,
    spans: SmallVec<[(u32, u32); 3]>,
}

impl Values {
    /// Reads an array. `None` if it is JSON of another kind.
    pub(super) fn decode(json: Bytes) -> Result<Option<Self>, SocketIoError> {
        if json.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[') {
            let value: Result<&RawValue, _> = serde_json::from_slice(&json);
            return value.map(|_| None).map_err(|error| SocketIoError::not_json(&error));
        }
        if u32::try_from(json.len()).is_err() {
            return Err(SocketIoError::TooMuch { what: "bytes", most: u32::MAX as usize });
        }
        let mut reader = serde_json::Deserializer::from_slice(&json);
        let spans = reader.deserialize_seq(Spans { base: json.as_ptr() as usize });
        let spans = spans
            .and_then(|spans| reader.end().map(|()| spans))
            .map_err(|error| SocketIoError::not_json(&error))?;
        Ok(Some(Self { json, spans }))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The text of one.
    pub fn get(&self, index: usize) -> Option<&str> {
        let &(start, end) = self.spans.get(index)?;
        self.json.get(start as usize..end as usize).and_then(|text| std::str::from_utf8(text).ok())
    }

    /// One, as a slice of the packet.
    pub fn slice(&self, index: usize) -> Option<Bytes> {
        let &(start, end) = self.spans.get(index)?;
        Some(self.json.slice(start as usize..end as usize))
    }

    /// The whole array.
    pub fn raw(&self) -> &Bytes {
        &self.json
    }

    /// Forgets the last one.
    pub(super) fn pop(&mut self) {
        self.spans.pop();
    }

    /// What the values from `first` on come to as one value: nothing, the only one, or an array.
    pub(crate) fn as_one(&self, first: usize) -> One<'_> {
        match self.len().saturating_sub(first) {
            0 => One::Nothing,
            1 => One::Only(self.get(first).unwrap_or("null")),
            _ => {
                let (start, end) = (self.spans[first].0, self.spans[self.len() - 1].1);
                let inside = self.json.get(start as usize..end as usize).unwrap_or_default();
                One::Array(format!("[{}]", String::from_utf8_lossy(inside)))
            }
        }
    }
}

/// See [`Values::as_one`].
pub(crate) enum One<'a> {
    Nothing,
    Only(&'a str),
    Array(String),
}

impl One<'_> {
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Nothing => "null".to_owned(),
            Self::Only(text) => text.to_owned(),
            Self::Array(text) => text,
        }
    }
}

/// Collects where the elements of an array stand, seen from where the text stands.
struct Spans {
    base: usize,
}

impl<'de> Visitor<'de> for Spans {
    type Value = SmallVec<[(u32, u32); 3]>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut spans = SmallVec::new();
        while let Some(value) = seq.next_element::<&'de RawValue>()? {
            let text = value.get();
            let start = text.as_ptr() as usize - self.base;
            // The array is shorter than 4 GiB: see above.
            let place = |at| u32::try_from(at).unwrap_or(u32::MAX);
            spans.push((place(start), place(start + text.len())));
        }
        Ok(spans)
    }
}
