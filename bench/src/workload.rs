//! What is sent: typed events of 120 bytes, and the frames that carry them.

use std::hint::black_box;

use serde::Deserialize;
use staywire::wire::BatchWriter;

/// Bytes of one event's JSON object.
pub(crate) const EVENT_BYTES: usize = 120;

/// The subscription that the client is sure to choose for its first room.
const FIRST_SUBSCRIPTION: u32 = 1;

/// The type that an application would write down for such an event.
#[derive(Debug, Deserialize)]
pub(crate) struct Said {
    id: u64,
    user: String,
    text: String,
    at: u64,
}

impl Said {
    /// Looks at each field, so that none can be left undecoded, and counts the event.
    pub(crate) fn add_to(&self, sum: &mut u64) {
        black_box((&self.user, &self.text, self.at));
        *sum += black_box(self.id);
    }
}

/// Which frames are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// `{"type", "data"}`, or an array of them.
    Bare,
    /// `[subscription, first offset, [event, …]]`.
    Staywire,
}

/// How much is sent, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Workload {
    pub(crate) framing: Framing,
    pub(crate) events: u64,
    pub(crate) per_frame: u64,
}

impl Workload {
    /// The path under which the sender offers it.
    pub(crate) fn path(&self) -> String {
        let framing = match self.framing {
            Framing::Bare => "bare",
            Framing::Staywire => "staywire",
        };
        format!("/{framing}/{}/{}", self.events, self.per_frame)
    }

    pub(crate) fn parse(path: &str) -> Option<Self> {
        let mut parts = path.strip_prefix('/')?.split('/');
        let framing = match parts.next()? {
            "bare" => Framing::Bare,
            "staywire" => Framing::Staywire,
            _ => return None,
        };
        let events = parts.next()?.parse().ok()?;
        let per_frame = parts.next()?.parse().ok().filter(|count| *count > 0)?;
        Some(Self { framing, events, per_frame })
    }

    /// All its bytes on the wire, ready to be written.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.events as usize * (EVENT_BYTES + 24));
        let mut next = 0;
        while next < self.events {
            let end = (next + self.per_frame).min(self.events);
            let text = match self.framing {
                Framing::Staywire => {
                    let mut batch = BatchWriter::default();
                    for index in next..end {
                        // The log's first event has the offset 1.
                        batch.event(FIRST_SUBSCRIPTION, index + 1, &event(index));
                    }
                    batch.finish()
                }
                Framing::Bare if self.per_frame == 1 => event(next),
                Framing::Bare => {
                    let events: Vec<_> = (next..end).map(event).collect();
                    format!("[{}]", events.join(","))
                }
            };
            write_frame(&mut bytes, text.as_bytes());
            next = end;
        }
        bytes
    }

    /// The sum of all events' ids: proof that each was decoded, once.
    pub(crate) fn checksum(&self) -> u64 {
        (0..self.events).map(id).sum()
    }
}

fn id(index: u64) -> u64 {
    100_000_000 + index
}

fn event(index: u64) -> String {
    let text = ["the wire holds", "a \\\"quoted\\\" word", "no news so far"][index as usize % 3];
    let event = format!(
        r#"{{"type":"chat:message","data":{{"id":{},"user":"u-{:04}","at":1765432100{:03},"text":"{text}"#,
        id(index),
        index % 10_000,
        index % 1_000,
    );
    let filler = EVENT_BYTES.saturating_sub(event.len() + 3);
    format!("{event}{}\"}}}}", ".".repeat(filler))
}

/// A text frame of a server: final, not masked (RFC 6455, 5.2).
fn write_frame(bytes: &mut Vec<u8>, payload: &[u8]) {
    bytes.push(0x81);
    match payload.len() {
        length @ 0..126 => bytes.push(length as u8),
        length @ 126..65_536 => {
            bytes.push(126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_the_promised_size() {
        for index in [0, 1, 2, 999_999] {
            let event = event(index);
            assert_eq!(event.len(), EVENT_BYTES, "{event}");
            let value: serde_json::Value = serde_json::from_str(&event).unwrap();
            assert_eq!(value["data"]["id"], id(index));
        }
    }

    #[test]
    fn a_path_is_read_back() {
        let workload = Workload { framing: Framing::Bare, events: 10, per_frame: 4 };
        assert_eq!(Workload::parse(&workload.path()), Some(workload));
        assert_eq!(Workload::parse("/bare/10/0"), None);
        assert_eq!(Workload::parse("/"), None);
    }
}
