//! What is printed: lines for people, or objects for programs.

use std::io::Write;

use serde_json::{Value, json};
use staywire::{Event, Gap, Payload};

use crate::failure::Failure;

/// Prints results to standard output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// One result: `line` for people, `object` for programs.
    pub(crate) fn result(self, line: &str, object: &Value) -> Result<(), Failure> {
        let text = if self.json { object.to_string() } else { printable(line) };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}")?;
        Ok(out.flush()?)
    }

    /// A piece of text for people, at once and without a line's end.
    pub(crate) fn piece(self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        write!(out, "{}", printable(text))?;
        Ok(out.flush()?)
    }

    /// Something that only people want to know.
    pub(crate) fn note(self, text: &str) {
        if !self.json {
            eprintln!("{}", printable(text));
        }
    }

    pub(crate) fn event(self, room: Option<&str>, event: &Event) -> Result<(), Failure> {
        let kind = event.kind().map_or_else(|_| "?".into(), std::borrow::Cow::into_owned);
        let (data, bytes) = match event.payload() {
            Ok(Payload::Json(text)) => (serde_json::from_str(text).unwrap_or(Value::Null), None),
            Ok(Payload::Binary(bytes)) => (Value::Null, Some(bytes.len())),
            Err(error) => {
                let text = String::from_utf8_lossy(event.raw()).into_owned();
                (json!({"unreadable": error.to_string(), "text": text}), None)
            }
        };
        let place = event.offset().map_or_else(|| "-".to_owned(), |offset| offset.to_string());
        let shown = match bytes {
            Some(bytes) => format!("({bytes} bytes)"),
            None => data.to_string(),
        };
        let room_shown = room.map_or_else(String::new, |room| format!("{room} "));
        let object = json!({
            "kind": "event", "room": room, "offset": event.offset(), "type": kind, "data": data,
            "bytes": bytes,
        });
        self.result(&format!("{room_shown}{place} {kind} {shown}"), &object)
    }

    pub(crate) fn gap(self, gap: &Gap, room: Option<&str>) -> Result<(), Failure> {
        let object = json!({
            "kind": "gap", "room": room, "from": gap.from, "to": gap.to,
            "reason": format!("{:?}", gap.reason).to_lowercase(),
        });
        let room = room.map_or_else(String::new, |room| format!("{room} "));
        self.result(&format!("{room}gap: {}", describe(gap)), &object)
    }
}

/// A gap in words.
pub(crate) fn describe(gap: &Gap) -> String {
    match gap.to {
        0 => format!("an unknown number of events ({:?})", gap.reason),
        to => format!("{} to {to} ({:?})", gap.from, gap.reason),
    }
}

/// What others wrote must not steer the terminal: control characters but for line ends and tabs
/// are shown, not sent.
fn printable(text: &str) -> String {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(steers) {
        return text.to_owned();
    }
    text.chars()
        .flat_map(|c| if steers(c) { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn what_steers_a_terminal_is_shown() {
        assert_eq!(printable("a\tb\nc é"), "a\tb\nc é");
        assert_eq!(printable("\u{1b}[31mred\u{7}"), "\\u{1b}[31mred\\u{7}");
    }
}
