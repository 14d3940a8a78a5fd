//! How frames are written: bytes to envelopes and back, for both ends of a connection.
//!
//! Nothing here knows a clock, a socket or a runtime, and nothing here decides anything: what a
//! frame *means* is the engine's business on one side and the server's on the other.

pub mod binary;
mod brackets;
pub mod control;
mod data;
mod error;
mod event;
pub mod plain;
mod scan;
mod v1;

pub use data::{Batch, BatchWriter};
pub use error::WireError;
pub use event::{Event, EventError, Payload};
pub use v1::{ClientFrame, SUBPROTOCOL, ServerFrame, encode_client, encode_frame};
