//! Coalesced data frames: `[subscription, first offset, [event, …], …]`.
//!
//! One frame holds any number of such triples, in the order in which they were queued. The
//! subscription 0 carries frames that are no room's events: control frames and answers.

use bytes::Bytes;
use serde::Deserializer as _;
use serde::de::{SeqAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::batch::{Batch, Events, Span, Spans, length};
use super::error::WireError;
use super::scan::scan;

/// A batch without its frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) subscription: u32,
    pub(super) first: u64,
    pub(super) spans: Spans,
}

/// Where the batches of a frame are.
pub(super) type Places = SmallVec<[Place; 1]>;

/// A data frame, taken apart.
pub(crate) struct Decoded {
    frame: Bytes,
    places: smallvec::IntoIter<[Place; 1]>,
}

/// Reads a whole data frame.
pub(crate) fn decode(frame: Bytes) -> Result<Decoded, WireError> {
    let mut places = Places::new();
    if !scan(&frame, &mut places) {
        places = parse(&frame)?;
    }
    Ok(Decoded { frame, places: places.into_iter() })
}

impl Iterator for Decoded {
    type Item = Batch;

    #[inline]
    fn next(&mut self) -> Option<Batch> {
        let Place { subscription, first, spans } = self.places.next()?;
        // The last one takes the frame with it: one reference less to count.
        let frame = match self.places.len() {
            0 => std::mem::take(&mut self.frame),
            _ => self.frame.clone(),
        };
        Some(Batch { subscription, events: Events::new(frame, spans, first) })
    }
}

/// Reads any frame, and says what is wrong with it.
fn parse(text: &[u8]) -> Result<Places, WireError> {
    struct PlacesIn<'t>(&'t [u8]);

    impl<'de> Visitor<'de> for PlacesIn<'_> {
        type Value = Places;

        fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            out.write_str("[subscription, first offset, [event, …], …]")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            use serde::de::Error;
            let mut places = Places::new();
            while let Some(subscription) = seq.next_element::<u32>()? {
                let first = seq
                    .next_element::<u64>()?
                    .ok_or_else(|| A::Error::custom("a batch has no first offset"))?;
                let raw = seq
                    .next_element::<Vec<&'de RawValue>>()?
                    .ok_or_else(|| A::Error::custom("a batch has no events"))?;
                let spans = raw.iter().map(|event| span_of(event.get(), self.0)).collect();
                places.push(Place { subscription, first, spans });
            }
            Ok(places)
        }
    }

    length(text)?;
    let mut parser = serde_json::Deserializer::from_slice(text);
    let places = parser.deserialize_seq(PlacesIn(text)).map_err(|error| {
        if error.is_data() { WireError::not_a_frame(&error) } else { WireError::not_json(&error) }
    })?;
    parser.end().map_err(|error| WireError::not_json(&error))?;
    Ok(places)
}

/// Where a part of a text that is no longer than 32 bits stands in it.
fn span_of(part: &str, text: &[u8]) -> Span {
    let start = (part.as_ptr().addr() - text.as_ptr().addr()) as u32;
    Span { start, end: start + part.len() as u32 }
}

/// Builds one data frame out of what is queued.
#[derive(Debug, Default)]
pub struct BatchWriter {
    text: String,
    open: Option<(u32, u64)>,
    events: usize,
    /// Where the first event begins: a frame that holds nothing but one is sent as it is.
    lone: usize,
}

impl BatchWriter {
    /// Adds an event's JSON object. `offset` is 0 for what is not logged.
    pub fn event(&mut self, subscription: u32, offset: u64, json: &str) {
        use std::fmt::Write;
        match self.open {
            Some((open, next)) if open == subscription && next == offset => self.text.push(','),
            _ => {
                self.text.push_str(if self.text.is_empty() { "[" } else { "]," });
                // Writing to a String can't fail.
                let _ = write!(self.text, "{subscription},{offset},[");
            }
        }
        if self.events == 0 {
            self.lone = self.text.len();
        }
        self.text.push_str(json);
        self.open = Some((subscription, if offset == 0 { 0 } else { offset + 1 }));
        self.events += 1;
    }

    /// Adds a frame that is no room's event.
    pub fn frame(&mut self, json: &str) {
        self.event(0, 0, json);
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// The frame; a lone control frame stays an object.
    pub fn finish(mut self) -> String {
        if self.events == 1 && self.open == Some((0, 0)) {
            return self.text.split_off(self.lone);
        }
        self.text.push_str("]]");
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(writer: BatchWriter) -> Vec<(u32, u64, usize)> {
        decode(Bytes::from(writer.finish()))
            .unwrap()
            .map(|batch| (batch.subscription, batch.events.first(), batch.events.len()))
            .collect()
    }

    #[test]
    fn neighbours_share_a_batch_and_others_do_not() {
        let mut writer = BatchWriter::default();
        writer.event(3, 7, r#"{"type":"a"}"#);
        writer.event(3, 8, r#"{"type":"b"}"#);
        writer.event(4, 9, r#"{"type":"c"}"#);
        writer.frame(r#"{"type":"reply"}"#);
        writer.frame(r#"{"type":"reply"}"#);
        writer.event(3, 10, r#"{"type":"d"}"#);
        assert_eq!(round_trip(writer), [(3, 7, 2), (4, 9, 1), (0, 0, 2), (3, 10, 1)]);
    }

    #[test]
    fn a_lone_event_is_a_batch_and_a_lone_frame_is_an_object() {
        let mut event = BatchWriter::default();
        event.event(1, 1, r#"{"type":"a"}"#);
        assert_eq!(event.finish(), r#"[1,1,[{"type":"a"}]]"#);
        let mut frame = BatchWriter::default();
        frame.frame(r#"{"type":"pong"}"#);
        assert_eq!(frame.finish(), r#"{"type":"pong"}"#);
    }

    #[test]
    fn what_is_no_event_keeps_its_place_and_says_so_when_read() {
        let frame = Bytes::from_static(br#"[1,2,[3,["type"],{"type":"a"}]]"#);
        let batches = decode(frame).unwrap();
        let events: Vec<_> = batches.flat_map(|batch| batch.events).collect();
        let kinds: Vec<bool> = events.iter().map(|event| event.kind().is_ok()).collect();
        assert_eq!(kinds, [false, false, true]);
        assert_eq!(events[2].offset(), Some(4));
    }

    #[test]
    fn nonsense_is_refused_with_its_place() {
        for (text, part) in [
            ("[1", "column"),
            ("[1,2]", "no events"),
            ("[-1,2,[]]", "invalid value"),
            ("[1,2,[{}]] x", "column"),
            (r#"[1,1.5,[{}]]"#, "invalid type"),
        ] {
            let error =
                decode(Bytes::from_static(text.as_bytes())).err().expect("an error").to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    /// Frames as servers write them, and what becomes of them by accident and by malice.
    mod random {
        use proptest::prelude::*;

        use super::*;

        fn value() -> impl Strategy<Value = String> {
            let leaf = prop_oneof![
                Just("null".to_owned()),
                Just("-1.5e3".to_owned()),
                any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
                "[\\\\\"{}\\[\\],a]{0,12}"
                    .prop_map(|text| serde_json::Value::from(text).to_string()),
            ];
            leaf.prop_recursive(3, 12, 3, |inner| {
                prop_oneof![
                    prop::collection::vec(inner.clone(), 0..3)
                        .prop_map(|values| format!("[{}]", values.join(" , "))),
                    inner.prop_map(|value| format!(r#"{{"key": {value}}}"#)),
                ]
            })
        }

        fn frame() -> impl Strategy<Value = String> {
            let event = value().prop_map(|data| format!(r#"{{"type":"a","data":{data}}}"#));
            let batch = (any::<u32>(), 0..1_u64 << 53, prop::collection::vec(event, 0..4));
            prop::collection::vec(batch, 0..3).prop_map(|batches| {
                let batches: Vec<_> = batches
                    .into_iter()
                    .map(|(subscription, first, events)| {
                        format!("{subscription},\t{first} ,[{}]", events.join(",\n"))
                    })
                    .collect();
                format!(" [{}]\r", batches.join(","))
            })
        }

        proptest! {
            #[test]
            fn what_the_parser_accepts_is_scanned_to_the_same(text in frame()) {
                let text = text.into_bytes();
                let parsed = parse(&text).unwrap();
                let unusual = parsed.is_empty() || parsed.iter().any(|batch| batch.spans.is_empty());
                let mut scanned = Places::new();
                match scan(&text, &mut scanned) {
                    true => prop_assert_eq!(scanned, parsed),
                    false => prop_assert!(unusual, "such a frame must be fast"),
                }
            }

            #[test]
            fn a_broken_frame_is_never_read_otherwise(
                text in frame(),
                hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
                punctuation in any::<bool>(),
            ) {
                let mut text = text.into_bytes();
                for (at, byte) in hits {
                    let at = at.index(text.len());
                    text[at] = match punctuation {
                        true => b"{}[]\",\\:0 "[usize::from(byte) % 10],
                        false => byte,
                    };
                }
                let mut scanned = Places::new();
                if let (Ok(parsed), true) = (parse(&text), scan(&text, &mut scanned)) {
                    prop_assert_eq!(scanned, parsed);
                }
            }

            #[test]
            fn noise_is_no_frame_and_no_panic(text in prop::collection::vec(any::<u8>(), 0..64)) {
                let mut scanned = Places::new();
                if let (Ok(parsed), true) = (parse(&text), scan(&text, &mut scanned)) {
                    prop_assert_eq!(scanned, parsed);
                }
            }
        }
    }
}
