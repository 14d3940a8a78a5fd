//! What clients write, read strictly: objects with a `type` (a frame of the documents, an event to
//! publish), and the data of a call.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::gateway::refusal::Refusal;

/// One of them, with its data unread.
#[derive(Debug, Deserialize)]
pub(super) struct Typed<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) data: Option<&'a RawValue>,
    /// A number in a frame; in an event, whatever the application likes.
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
}

impl<'a> Typed<'a> {
    /// Reads one. `what` names it in the error, which says what is wrong with it.
    pub(super) fn read(what: &str, json: &'a [u8]) -> Result<Self, String> {
        let must = |why: &str| format!("{what} must be an object with a string `type`: {why}");
        // serde would read an array as a struct too.
        if json.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err(must("this is none"));
        }
        serde_json::from_slice(json).map_err(|error| must(&error.to_string()))
    }

    /// The number that a frame is to be answered under.
    pub(super) fn id(&self) -> Result<Option<u32>, String> {
        let Some(id) = self.id else { return Ok(None) };
        serde_json::from_str(id.get()).map_err(|error| format!("`id` must be a number: {error}"))
    }
}

/// Reads the data of a call; absent data is an empty object.
pub(crate) fn read_data<'a, T: Deserialize<'a>>(
    method: &str,
    data: Option<&'a RawValue>,
) -> Result<T, Refusal> {
    let wrong = |why: &str| Refusal::BadRequest(format!("the data of `{method}` is wrong: {why}"));
    let text = data.map_or("{}", RawValue::get);
    // serde would read an array as a struct too.
    if !text.starts_with('{') {
        return Err(wrong("it must be an object"));
    }
    serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_object_with_a_type_is_refused() {
        for json in
            ["", "7", "x", "[]", r#"["ping"]"#, r#" ["ping",null,3]"#, "{}", r#"{"type":1}"#]
        {
            let error = Typed::read("a frame", json.as_bytes()).unwrap_err();
            assert!(
                error.starts_with("a frame must be an object with a string `type`: "),
                "{error}"
            );
        }
    }

    #[test]
    fn an_id_is_looked_at_only_where_it_means_something() {
        let read = |json: &'static str| Typed::read("a frame", json.as_bytes()).unwrap();
        assert_eq!(read(r#" {"type":"a"}"#).id(), Ok(None));
        assert_eq!(read(r#"{"type":"a","id":null}"#).id(), Ok(None));
        assert_eq!(read(r#"{"id":7,"type":"a"}"#).id(), Ok(Some(7)));
        assert!(read(r#"{"type":"a","id":"mine"}"#).id().is_err());
    }
}
