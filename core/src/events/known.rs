//! Every event of the schema in one enum, for code that takes whatever comes.
//!
//! The table at the end is the only place where an event's type meets its data: adding a line
//! there is all it takes for a new event to be decoded, encoded and part of the JSON Schema.

use serde_json::value::RawValue;

use super::{
    AiComplete, AiError, AiToken, ChatMessage, Connected, DashboardSnapshot, DashboardUpdated,
    DecodeError, EncodeError, EventData, GenerationCompleted, GenerationError, GenerationStarted,
    GenerationStep, Heartbeat, Notification, NotificationRead, Presence, PreviewError,
    PreviewUpdated, Stats, TaskPartial, TaskUpdated, Typing, decode, encode,
};

macro_rules! known_events {
    ($($name:ident = $kind:literal,)+) => {
        $(
            impl EventData for $name {
                const TYPE: &'static str = $kind;
            }

            impl From<$name> for KnownEvent {
                fn from(data: $name) -> Self {
                    Self::$name(data)
                }
            }
        )+

        /// An event with its data, typed where the schema knows it, kept as it came where not.
        #[derive(Debug, Clone)]
        #[non_exhaustive]
        pub enum KnownEvent {
            $(
                #[doc = concat!("`", $kind, "`")]
                $name($name),
            )+
            /// An event outside the schema: of a newer server, or of your own (see [`EventData`]).
            Unknown {
                /// The event's type.
                kind: String,
                /// The event's data, to the letter.
                data: Box<RawValue>,
            },
        }

        impl KnownEvent {
            /// The types that the schema knows, in its own order.
            pub const TYPES: &'static [&'static str] = &[$($kind),+];

            /// Reads the data of an event of type `kind`.
            ///
            /// A type outside the schema is no error; data that isn't JSON always is.
            pub fn decode(kind: &str, data: &str) -> Result<Self, DecodeError> {
                match kind {
                    $($kind => decode(data).map(Self::$name),)+
                    _ => Self::decode_unknown(kind, data),
                }
            }

            /// The event's type, as it is written on the wire.
            pub fn kind(&self) -> &str {
                match self {
                    $(Self::$name(_) => $kind,)+
                    Self::Unknown { kind, .. } => kind,
                }
            }

            /// Writes the event's data as JSON, ready to be put into a frame.
            pub fn encode(&self) -> Result<Box<RawValue>, EncodeError> {
                match self {
                    $(Self::$name(data) => encode(data),)+
                    Self::Unknown { data, .. } => Ok(data.clone()),
                }
            }

            #[cfg(feature = "schema")]
            pub(super) fn schemas(
                generator: &mut schemars::SchemaGenerator,
            ) -> serde_json::Map<String, serde_json::Value> {
                [$(($kind.to_owned(), generator.subschema_for::<$name>().to_value())),+]
                    .into_iter()
                    .collect()
            }
        }

        impl PartialEq for KnownEvent {
            /// Events outside the schema are the same if their data is, letter by letter.
            fn eq(&self, other: &Self) -> bool {
                match (self, other) {
                    $((Self::$name(one), Self::$name(two)) => one == two,)+
                    (
                        Self::Unknown { kind: one_kind, data: one },
                        Self::Unknown { kind: two_kind, data: two },
                    ) => one_kind == two_kind && one.get() == two.get(),
                    _ => false,
                }
            }
        }
    };
}

impl KnownEvent {
    fn decode_unknown(kind: &str, data: &str) -> Result<Self, DecodeError> {
        let data = RawValue::from_string(data.to_owned())
            .map_err(|error| DecodeError::not_json(kind, &error))?;
        Ok(Self::Unknown { kind: kind.to_owned(), data })
    }
}

known_events! {
    GenerationStarted = "generation:started",
    GenerationStep = "generation:step",
    GenerationCompleted = "generation:completed",
    GenerationError = "generation:error",
    PreviewUpdated = "preview:updated",
    PreviewError = "preview:error",
    Connected = "connected",
    Heartbeat = "heartbeat",
    Stats = "stats",
    AiToken = "token",
    AiComplete = "complete",
    AiError = "error",
    ChatMessage = "chat:message",
    Notification = "notification",
    NotificationRead = "notification:read",
    Presence = "presence",
    Typing = "typing",
    TaskUpdated = "task:updated",
    TaskPartial = "task:partial",
    DashboardSnapshot = "dashboard:snapshot",
    DashboardUpdated = "dashboard:updated",
}
