//! Binary frames: events and publishes that carry raw bytes, with the envelope of text frames.
//!
//! A frame is a sequence of records: the length of the header in bytes (32 bits, big endian), the
//! header (JSON), the length of the payload (32 bits, big endian), the payload. From the server
//! the header is `[subscription, offset, {"type": …}]`; from a client it is the publish frame,
//! whose payload is the event's data.

use bytes::{Bytes, BytesMut};
use serde_json::value::RawValue;

use super::batch::{Batch, Batches, Events};
use super::error::WireError;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// JSON text.
    pub header: Bytes,
    /// The raw bytes.
    pub payload: Bytes,
}

/// Reads all records of a frame.
pub fn decode(frame: &Bytes) -> Result<Vec<Record>, WireError> {
    let mut records = Vec::new();
    let mut at = 0;
    while at < frame.len() {
        let truncated = || WireError::Truncated { length: frame.len(), at };
        let (header, next) = field(frame, at).ok_or_else(truncated)?;
        let (payload, end) = field(frame, next).ok_or_else(truncated)?;
        records.push(Record { header, payload });
        at = end;
    }
    Ok(records)
}

fn field(frame: &Bytes, at: usize) -> Option<(Bytes, usize)> {
    let start = at.checked_add(4)?;
    let length = u32::from_be_bytes(frame.get(at..start)?.try_into().ok()?);
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    (end <= frame.len()).then(|| (frame.slice(start..end), end))
}

/// Adds a record to a frame. The lengths must fit 32 bits; longer ones are cut nowhere but
/// refused: false, and nothing was written.
pub fn write(frame: &mut BytesMut, header: &str, payload: &[u8]) -> bool {
    let (Ok(header_length), Ok(payload_length)) =
        (u32::try_from(header.len()), u32::try_from(payload.len()))
    else {
        return false;
    };
    frame.reserve(8 + header.len() + payload.len());
    frame.extend_from_slice(&header_length.to_be_bytes());
    frame.extend_from_slice(header.as_bytes());
    frame.extend_from_slice(&payload_length.to_be_bytes());
    frame.extend_from_slice(payload);
    true
}

/// Adds an event to a frame of the server.
pub fn write_event(
    frame: &mut BytesMut,
    subscription: u32,
    offset: u64,
    event: &str,
    payload: &[u8],
) -> bool {
    write(frame, &format!("[{subscription},{offset},{event}]"), payload)
}

/// Reads the events of a server's frame, each as a batch of its own.
pub(crate) fn decode_events(frame: &Bytes) -> Result<Batches, WireError> {
    let mut batches = Batches::new();
    for record in decode(frame)? {
        let (subscription, offset, event): (u32, u64, &RawValue) =
            serde_json::from_slice(&record.header)
                .map_err(|error| WireError::not_a_frame(&error))?;
        let header = record.header.slice_ref(event.get().as_bytes());
        let events = Events::lone(header, offset, Some(record.payload))?;
        batches.push(Batch { subscription, events });
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Payload;

    #[test]
    fn records_come_back_as_they_went_in() {
        let mut frame = BytesMut::new();
        assert!(write_event(&mut frame, 3, 9, r#"{"type":"image"}"#, &[0, 255, 7]));
        assert!(write_event(&mut frame, 3, 10, r#"{"type":"empty"}"#, &[]));
        let batches = decode_events(&frame.freeze()).unwrap();
        let events: Vec<_> = batches.into_iter().flat_map(|batch| batch.events).collect();
        assert_eq!(events.len(), 2);
        assert_eq!(events[0].payload(), Ok(Payload::Binary(&[0, 255, 7])));
        assert_eq!(events[0].kind().unwrap(), "image");
        assert_eq!(events[1].offset(), Some(10));
    }

    #[test]
    fn a_frame_cut_anywhere_is_an_error_not_a_panic() {
        let mut frame = BytesMut::new();
        write_event(&mut frame, 1, 1, r#"{"type":"a"}"#, b"payload");
        let whole = frame.freeze();
        for end in 1..whole.len() {
            assert!(decode(&whole.slice(..end)).is_err(), "cut at {end}");
        }
        let lying = Bytes::from_static(&[255, 255, 255, 255, 0]);
        assert_eq!(decode(&lying), Err(WireError::Truncated { length: 5, at: 0 }));
    }
}
