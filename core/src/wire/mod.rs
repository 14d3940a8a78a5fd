//! How frames are written: bytes to envelopes and back, for both ends of a connection.
//!
//! Nothing here knows a clock, a socket or a runtime, and nothing here decides anything: what a
//! frame *means* is the engine's business on one side and the server's on the other.

mod batch;
pub mod binary;
mod brackets;
pub mod control;
mod data;
mod error;
mod event;
pub mod plain;
mod scan;
#[cfg(feature = "socketio")]
pub mod socketio;
mod v1;

pub use batch::{Batch, Batches, Events, IntoIter};
pub use data::BatchWriter;
pub(crate) use data::decode as decode_batches;
pub use error::WireError;
pub use event::{Event, EventError, Payload};
pub(crate) use v1::is_batches;
pub use v1::{ClientFrame, SUBPROTOCOL, ServerFrame, encode_client, encode_frame};
