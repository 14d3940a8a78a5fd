//! The people in a room, and who of them is writing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Fold, read};
use crate::events::{DecodeError, EventData, Presence, PresenceState, Typing, decode};

/// Who is in a room, by the users' ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct People {
    /// Who is there.
    pub users: BTreeMap<String, Person>,
}

/// A user in a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// How many of their devices are there.
    pub devices: u32,
    /// Whether they are writing.
    #[serde(default)]
    pub typing: bool,
}

impl People {
    /// Takes in that somebody has come or gone. True if that is news.
    pub fn take(&mut self, presence: Presence) -> bool {
        if presence.state == PresenceState::Gone {
            return self.users.remove(&presence.user).is_some();
        }
        let person = self.users.entry(presence.user).or_default();
        std::mem::replace(&mut person.devices, presence.devices) != presence.devices
    }
}

impl Fold for People {
    fn apply(&mut self, kind: &str, data: &str) -> Result<bool, DecodeError> {
        match kind {
            Presence::TYPE => Ok(self.take(decode(data)?)),
            Typing::TYPE => {
                let typing: Typing = decode(data)?;
                // Who is gone writes nothing.
                let Some(person) = self.users.get_mut(&typing.user) else { return Ok(false) };
                Ok(std::mem::replace(&mut person.typing, typing.typing) != typing.typing)
            }
            _ => Ok(false),
        }
    }

    fn restore(&mut self, snapshot: &str) -> Result<(), DecodeError> {
        *self = read(snapshot)?;
        Ok(())
    }
}
