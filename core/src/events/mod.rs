//! The one event schema: a Rust type for the data of every event, from which all else is made.
//!
//! The names of events, fields and values are those of the ProductFlo, MATIH and OpenV0
//! conventions, to the letter. What a newer or another server adds is kept and handed on: an
//! unknown field in the struct's `extra`, an unknown value as `Other`, an unknown event as
//! [`KnownEvent::Unknown`]. An `extra` that you fill yourself must not repeat a field of its struct,
//! or the JSON would have it twice.
//!
//! Nothing here knows about frames, rooms or links, and nothing checks meaning: a `progress` of
//! 120 decodes. Event data alone goes in and comes out.
//!
//! # Your own events
//!
//! An event of yours is as good as one of ours. Name it, and it can be decoded and encoded:
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use staywire::events::{self, EventData};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Reaction {
//!     message: String,
//!     emoji: String,
//! }
//!
//! impl EventData for Reaction {
//!     const TYPE: &'static str = "chat:reaction";
//! }
//!
//! let reaction: Reaction = events::decode(r#"{"message": "m1", "emoji": "🎉"}"#)?;
//! assert_eq!(reaction.emoji, "🎉");
//!
//! let wrong = events::decode::<Reaction>(r#"{"message": "m1"}"#).err().unwrap();
//! assert_eq!((wrong.event(), wrong.field()), ("chat:reaction", Some("emoji")));
//! # Ok::<(), events::DecodeError>(())
//! ```
//!
//! # Making an event
//!
//! Every struct has a default, so that a literal stays valid when a field is added:
//!
//! ```
//! use staywire::events::{self, Connected};
//!
//! let connected = Connected { session_id: "s1".into(), ..Default::default() };
//! assert_eq!(events::encode(&connected)?.get(), r#"{"session_id":"s1"}"#);
//! # Ok::<(), events::EncodeError>(())
//! ```

mod ai;
mod chat;
mod dashboard;
mod error;
mod generation;
mod known;
mod notification;
mod number;
mod open_enum;
mod presence;
mod preview;
#[cfg(feature = "schema")]
mod schema;
mod system;
mod task;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

pub use ai::{AiComplete, AiError, AiToken};
pub use chat::ChatMessage;
pub use dashboard::{DashboardSnapshot, DashboardUpdated, Tile, TileUpdate};
pub use error::{DecodeError, EncodeError};
pub use generation::{
    CompletedStatus, GenerationCompleted, GenerationError, GenerationStarted, GenerationStep,
    StepStatus,
};
pub use known::KnownEvent;
pub use notification::{Notification, NotificationLevel, NotificationRead};
pub use presence::{Presence, PresenceState, Typing};
pub use preview::{PreviewError, PreviewUpdated};
#[cfg(feature = "schema")]
pub use schema::schema;
pub use system::{Connected, Heartbeat, Stats};
pub use task::{TaskError, TaskPartial, TaskState, TaskUpdated};

/// The data of one type of event, ours or yours.
pub trait EventData: Serialize + DeserializeOwned {
    /// The event's name on the wire, such as `generation:step`.
    const TYPE: &'static str;
}

/// Reads the data of an event whose type is known to the caller.
pub fn decode<E: EventData>(data: &str) -> Result<E, DecodeError> {
    decode_as(E::TYPE, data)
}

/// Reads any data, whose name in errors is `what`.
pub(crate) fn decode_as<T: DeserializeOwned>(what: &str, data: &str) -> Result<T, DecodeError> {
    serde_json::from_str(data).map_err(|error| DecodeError::explain::<T>(what, data, &error))
}

/// Writes the data of an event as JSON, ready to be put into a frame.
pub fn encode<E: EventData>(event: &E) -> Result<Box<RawValue>, EncodeError> {
    serde_json::value::to_raw_value(event).map_err(|error| EncodeError::new::<E>(&error))
}
