//! Frames of any server that speaks `{"type", "data"}` JSON over WebSocket.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::batch::Events;
use super::error::WireError;

#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    _kind: String,
}

/// Reads one event, as a row of one. A server may have other fields beside `type` and `data`: they are kept.
pub fn decode(text: &Bytes) -> Result<Events, WireError> {
    // serde would read an array as a struct too.
    let object = text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    match serde_json::from_slice::<Typed>(text) {
        Ok(_) if !object => Err(WireError::NotAFrame { reason: "it is not an object".to_owned() }),
        Ok(_) => Events::lone(text.clone(), 0, None),
        Err(error) if error.is_data() => Err(WireError::not_a_frame(&error)),
        Err(error) => Err(WireError::not_json(&error)),
    }
}

/// Writes one event.
pub fn encode(kind: &str, data: Option<&RawValue>) -> String {
    let kind = serde_json::Value::from(kind);
    match data {
        Some(data) => format!(r#"{{"type":{kind},"data":{data}}}"#),
        None => format!(r#"{{"type":{kind}}}"#),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let data = RawValue::from_string(r#"{"a":[1,2]}"#.to_owned()).unwrap();
        let read = |text| decode(&Bytes::from(text)).unwrap().into_iter().next().unwrap();
        let event = read(encode("a \"quoted\" name", Some(&data)));
        assert_eq!(event.kind().unwrap(), "a \"quoted\" name");
        assert_eq!(event.data::<serde_json::Value>().unwrap(), serde_json::json!({"a": [1, 2]}));
        assert_eq!(read(encode("x", None)).data::<()>(), Ok(()));
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for text in [
            "",
            "nonsense",
            "[]",
            "3",
            r#"["a",1]"#,
            r#"{"data":1}"#,
            r#"{"type":1}"#,
            "{\"type\":\"a\"",
        ] {
            assert!(decode(&Bytes::from_static(text.as_bytes())).is_err(), "{text}");
        }
    }
}
